"""Going through cells and transients one by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari_caltrig.session import Session

AROUND_S = 2.0
"""Played before and after the current frame."""
_AROUND_FRAMES = 40  # where the frame rate is unknown


def next_cell(
    session: Session, order: Sequence[int], step: int = 1, *, unreviewed: bool = False
) -> int | None:
    """The cell to look at next, or None at the end.

    Parameters
    ----------
    session
        Its last selected cell is the current one.
    order
        Cells in the order of the review, for example of a sorted table.
    step
        1 forwards, -1 backwards.
    unreviewed
        Leave out cells that have been judged; forwards it goes on from the
        start when none is left below.
    """
    order = list(order)
    current = session.selection[-1] if session.selection else None
    if current in order:
        at = order.index(current)
        rest = order[at + 1 :] if step > 0 else order[:at][::-1]
    else:
        rest = order if step > 0 else order[::-1]
    if unreviewed:
        left = [u for u in rest if session.status(u).status == "unreviewed"]
        if not left and step > 0:
            left = [u for u in order if u != current and session.status(u).status == "unreviewed"]
        return left[0] if left else None
    return rest[0] if rest else None


def next_transient(session: Session, step: int = 1) -> int | None:
    """Onset frame of the next (or, with -1, the previous) transient of the selected cells.

    It goes round at the end; None where there are no transients.
    """
    table = session.curation.transients.of(session.selection).table()
    onsets = np.unique(table["onset"].to_numpy())
    if not onsets.size:
        return None
    if step > 0:
        later = onsets[onsets > session.frame]
        return int(later[0] if later.size else onsets[0])
    earlier = onsets[onsets < session.frame]
    return int(earlier[-1] if earlier.size else onsets[-1])


def frames_around(session: Session, frame: int, seconds: float = AROUND_S) -> tuple[int, int]:
    """First and last frame (inclusive) of the stretch to be played around a frame."""
    rate = session.clock.frame_rate
    reach = _AROUND_FRAMES if rate is None else max(round(seconds * rate), 1)
    last = max(session.recording.n_frames - 1, 0)
    return max(frame - reach, 0), min(frame + reach, last)
