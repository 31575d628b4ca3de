"""The one error that bad input raises."""

from __future__ import annotations

from os import PathLike, fspath


class FormatError(ValueError):
    """A file or folder that cannot be read as what it claims to be.

    Parameters
    ----------
    path
        The file or folder at fault.
    expected
        What should have been there, as a noun phrase.
    found
        What was there instead.
    hint
        What the user can do about it, as a full sentence.
    """

    def __init__(self, path: str | PathLike[str], expected: str, found: str, hint: str) -> None:
        self.path = fspath(path)
        self.expected = expected
        self.found = found
        self.hint = hint
        super().__init__(f"{self.path}: expected {expected}, found {found}. {hint}")

    def __reduce__(self) -> tuple[type[FormatError], tuple[str, str, str, str]]:
        return type(self), (self.path, self.expected, self.found, self.hint)
