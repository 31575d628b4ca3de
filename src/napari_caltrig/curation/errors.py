"""What the curation file itself can run into."""

from __future__ import annotations


class CurationError(RuntimeError):
    """An edit that could not be stored, or a curation that cannot be used here.

    The message says what to do; the state in memory and in the file is as it
    was before.
    """


class WrongRecordingError(CurationError):
    """A curation that belongs to another recording."""
