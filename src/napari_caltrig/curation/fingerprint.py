"""Tell recordings apart by what is in them, not by where they lie."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.recording import Recording

_CELLS = 8
_FRAMES = 64
_PIXELS = 256

# Numbers are compared and not hashed: a reader that one day keeps float32 or
# scales footprints in another way must not orphan the work of years.
_TOLERANCE = 1e-3


def fingerprint(recording: Recording) -> dict[str, Any]:
    """Return JSON values that another recording hardly shares.

    Format, sizes and unit ids exactly; centre and spread of 8 footprints in
    pixels, and 64 frames of their traces relative to each trace's largest
    value, both independent of the reader's units. For a movie without cells
    256 pixels of its first frame. Reads a few rows, so it costs milliseconds.

    Parameters
    ----------
    recording
        Lazy arrays are read at the few places only.
    """
    print_: dict[str, Any] = {
        "format": recording.format,
        "shape": list(recording.shape),
        "n_frames": recording.n_frames,
        "unit_ids": recording.unit_ids.tolist(),
    }
    rows = _spread(recording.n_cells, _CELLS)
    if rows.size:
        print_["footprints"] = [_moments(recording, int(recording.unit_ids[row])) for row in rows]
        name = next(
            (n for n in ("C", "raw", *sorted(recording.traces)) if n in recording.traces), None
        )
        if name is not None:
            print_["trace"] = {"name": name, "values": _trace_values(recording, name, rows)}
    elif recording.movies:
        print_["movie"] = _movie_values(recording)
    return print_


def difference(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> str | None:
    """Return in words how two fingerprints differ, None when they agree.

    What only one of them has (a movie or trace that lies elsewhere today) is
    not compared.
    """
    for key, name in (("format", "format"), ("n_frames", "number of frames")):
        if ours.get(key) != theirs.get(key):
            return f"the {name} is {ours.get(key)} here and {theirs.get(key)} there"
    if list(ours["shape"]) != list(theirs["shape"]):
        (y, x), (v, u) = ours["shape"], theirs["shape"]
        return f"the field of view is {y} x {x} px here and {v} x {u} px there"
    if ours["unit_ids"] != theirs["unit_ids"]:
        n, m = len(ours["unit_ids"]), len(theirs["unit_ids"])
        return f"there are {n} cells here and {m} there" if n != m else "the cells' ids differ"
    if not _close(ours.get("footprints"), theirs.get("footprints")):
        return "the footprints differ"
    mine: Any
    other: Any
    mine, other = ours.get("trace"), theirs.get("trace")
    same = mine and other and mine["name"] == other["name"]
    if same and not _close(mine["values"], other["values"]):
        return f"the traces ({mine['name']}) differ"
    if not _close(ours.get("movie"), theirs.get("movie")):
        return "the movies differ"
    return None


def summary(print_: Mapping[str, Any]) -> str:
    """Return one phrase for messages: ``"Minian, 300 cells, 9000 frames of 600 x 600 px"``."""
    y, x = print_["shape"]
    n = len(print_["unit_ids"])
    return f"{print_['format']}, {n} cells, {print_['n_frames']} frames of {y} x {x} px"


def _spread(n: int, wanted: int) -> NDArray[np.int64]:
    """Up to `wanted` positions evenly over `n`, first and last among them."""
    return np.unique(np.linspace(0, n - 1, min(wanted, n)).round().astype(np.int64))


def _moments(recording: Recording, unit_id: int) -> list[float]:
    pixels, weights = recording.footprints.pixels(unit_id)
    if not pixels.size:
        return [0.0, 0.0, 0.0]
    y, x = np.divmod(pixels, recording.shape[1])
    cy, cx = np.average(y, weights=weights), np.average(x, weights=weights)
    spread = np.sqrt(np.average((y - cy) ** 2 + (x - cx) ** 2, weights=weights))
    return [round(float(v), 5) for v in (cy, cx, spread)]


def _trace_values(
    recording: Recording, name: str, rows: NDArray[np.int64]
) -> list[list[float | None]]:
    frames = _spread(recording.n_frames, _FRAMES)
    result = []
    for row in rows:
        trace = np.asarray(recording.traces[name][int(row)], dtype=np.float64)
        result.append(_relative(trace[frames], trace))
    return result


def _movie_values(recording: Recording) -> list[float | None]:
    frame = np.asarray(recording.movie[0], dtype=np.float64).ravel()  # type: ignore[index]
    return _relative(frame[_spread(frame.size, _PIXELS)], frame)


def _relative(values: NDArray[np.float64], whole: NDArray[np.float64]) -> list[float | None]:
    finite = whole[np.isfinite(whole)]
    top = float(np.abs(finite).max()) if finite.size else 0.0
    return [round(float(v) / (top or 1.0), 6) if np.isfinite(v) else None for v in values]


def _close(a: Any, b: Any) -> bool:
    if a is None or b is None:
        return True
    x, y = np.array(a, dtype=np.float64), np.array(b, dtype=np.float64)
    return x.shape == y.shape and bool(np.allclose(x, y, atol=_TOLERANCE, rtol=0, equal_nan=True))
