"""Components that are two cells: their pixels do not share one trace."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.cells.components import Components, Field
from napari_caltrig.cells.factorization import unexplained

GAIN = 0.015  # share of a component's power that only two traces explain
WEAKER = 0.2  # power of the weaker part relative to the stronger
ALIKE = 0.85  # correlation above which two traces are one
TURNS = 25
SAME_PX, SAME_TRACE = 0.5, 0.995  # centre and cosine of the traces: nothing new to see
EXTENT = 0.1  # of the peak: pixels that are looked at


def split(
    field: Field, found: Components, whole: Components | None = None
) -> tuple[Components, Components, int]:
    """Components with those in two that need two traces.

    Parameters
    ----------
    field
        Not changed.
    found
        What to look at.
    whole
        Components that an earlier call did not split: what has hardly changed is left alone.

    Returns
    -------
    components : Components
        Those that were not split, in their places first halves, then second halves.
    whole : Components
        Those that were not split.
    n_split : int
        How many were.

    Notes
    -----
    What is left of a component's pixels after its neighbours and itself are subtracted has a
    strongest pattern; where a component is two cells, this pattern is bright on one of them and
    dark on the other, and a factorization with two traces that starts from both lobes explains
    clearly more.
    """
    left = unexplained(field, found).flat
    first, second, extra = found.images.copy(), [], []
    traces = found.traces.copy()
    rows: list[int] = []
    for i in np.flatnonzero(~_unchanged(found, whole)).tolist():
        parts = _in_two(field, found, left, i)
        if parts is None:
            continue
        place, pair, activity = parts
        image = np.zeros_like(first[i])
        first[i] = 0
        first[i][place], image[place] = pair
        traces[i] = activity[0]
        second.append(image)
        extra.append(activity[1])
        rows.append(i)
    kept = Components(found.corners, first, traces)
    if not rows:
        return found, found, 0
    new = Components(found.corners[rows], np.stack(second), np.stack(extra))
    return kept.joined(new), found.take(np.delete(np.arange(len(found)), rows)), len(rows)


def _unchanged(found: Components, whole: Components | None) -> NDArray[np.bool_]:
    """Which components have the place and the trace of one that is known."""
    if whole is None or not len(whole) or not len(found):
        return np.zeros(len(found), bool)
    apart = np.abs(found.centroids()[:, None] - whole.centroids()).max(axis=2)
    a, b = (c.traces / np.linalg.norm(c.traces, axis=1, keepdims=True) for c in (found, whole))
    return np.asarray(((apart < SAME_PX) & (a @ b.T > SAME_TRACE)).any(axis=1))


def _in_two(
    field: Field, found: Components, left: NDArray[np.float32], i: int
) -> tuple[tuple[NDArray[np.intp], ...], NDArray[np.float32], NDArray[np.float32]] | None:
    """Pixels of the window, two images on them and two traces; None if one is enough."""
    image, trace = found.images[i], found.traces[i]
    place = np.nonzero(image > EXTENT * image.max())
    if len(place[0]) < 8:
        return None
    y, x = (p + c for p, c in zip(place, found.corners[i], strict=True))
    pixels = y * field.stack.shape[1] + x
    weight, rest = image[place], left[pixels]
    data = rest + weight[:, None] * trace
    total = max(float((data**2).sum()), 1e-20)
    pattern, power_left = _strongest(rest)
    if power_left < GAIN * total:
        return None  # two traces cannot explain more than this
    pair = np.stack([weight * np.maximum(pattern, 0), weight * np.maximum(-pattern, 0)])
    fitted = _two_traces(data, pair.astype(np.float32))
    if fitted is None:
        return None
    images, traces = fitted
    missed = data - images.T @ traces
    gain = float((rest**2).sum() - (missed**2).sum()) / total
    power = np.asarray((images**2).sum(axis=1) * (traces**2).sum(axis=1))
    alike = float(np.asarray(np.corrcoef(traces))[0, 1])
    if not (gain > GAIN and power.min() > WEAKER * power.max() and alike < ALIKE):
        return None
    # Both start from parts of a pattern of norm 1: without this, images fade from split to split.
    scale = float(weight.max()) / images.max(axis=1, keepdims=True)
    return place, images * scale, traces / scale


def _strongest(rest: NDArray[np.float32]) -> tuple[NDArray[np.float32], float]:
    """Leading spatial pattern (pixels,) of (pixels, frames) and its power, by power iteration."""
    over_time = rest.std(axis=0)
    pattern = rest @ over_time
    for _ in range(8):
        norm = float(np.linalg.norm(pattern))
        if norm <= 0:
            return pattern, 0.0
        pattern = pattern / norm
        over_time = pattern @ rest
        pattern = rest @ over_time
    scaled = pattern / max(float(np.linalg.norm(pattern)), 1e-20)
    return scaled.astype(np.float32), float(over_time @ over_time)


def _two_traces(
    data: NDArray[np.float32], images: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
    """Two non-negative images and traces that explain (pixels, frames)."""
    traces = np.zeros((2, data.shape[1]), np.float32)
    for _ in range(TURNS):
        gram, target = images @ images.T, images @ data
        if gram[0, 0] <= 0 or gram[1, 1] <= 0:
            return None
        _sweep(traces, gram, target)
        gram, target = traces @ traces.T, traces @ data.T
        if gram[0, 0] <= 0 or gram[1, 1] <= 0:
            return None
        _sweep(images, gram, target)
    alive = images.any(axis=1).all() and traces.any(axis=1).all()
    return (images, traces) if alive else None


def _sweep(
    rows: NDArray[np.float32], gram: NDArray[np.float32], target: NDArray[np.float32]
) -> None:
    """Non-negative least squares of two rows, in place."""
    for _ in range(3):
        for i in (0, 1):
            np.maximum(rows[i] + (target[i] - gram[i] @ rows) / gram[i, i], 0, out=rows[i])
