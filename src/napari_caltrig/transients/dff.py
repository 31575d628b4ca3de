"""dF/F of a recording, whatever its pipeline left behind."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.recording import Recording
from napari_caltrig.transients.noise import noise_level, running_percentile

MethodName = Literal["auto", "background", "percentile", "denoised"]

PERCENTILE = 8.0
WINDOW_S = 25.0
WINDOW_FRAMES = 500
_NOISE_FLOOR = 3.0
_CELLS_PER_CHUNK = 32


@dataclass(frozen=True)
class DffMethod:
    """How the dF/F of a recording is computed.

    Parameters
    ----------
    name
        ``"background"``, ``"percentile"`` or ``"denoised"``.
    description
        What is divided by what, in one or two sentences for the user.
    """

    name: str
    description: str


def dff_method(recording: Recording, method: MethodName = "auto") -> DffMethod:
    """Which dF/F the traces of a recording allow; reads no data.

    ``"background"`` is CaImAn's: the fluorescence of the cell above its
    running percentile, over that percentile plus that of the background under
    the footprint. ``"percentile"`` does without a background. ``"denoised"``
    divides by nothing: without raw traces or background there is no baseline.

    Parameters
    ----------
    recording
        Needs ``traces["raw"]``, or ``traces["C"]`` as a makeshift.
    method
        ``"auto"`` takes the first of the three that is possible.

    Raises
    ------
    ValueError
        If the recording has no traces, or not those that `method` needs.
    """
    missing = {name: _missing(recording, name) for name in ("background", "percentile", "denoised")}
    if method == "auto":
        possible = [name for name, lack in missing.items() if not lack]
        if not possible:
            raise ValueError(f"dF/F needs traces: {missing['denoised']}")
        name = possible[0]
    elif method in missing:
        name = method
        if missing[name]:
            raise ValueError(f"dF/F by {name!r} is not possible here: {missing[name]}")
    else:
        known = ", ".join(repr(name) for name in ("auto", *missing))
        raise ValueError(f"unknown dF/F method {method!r}; known: {known}")
    return DffMethod(name, _describe(recording, name))


def compute_dff(
    recording: Recording,
    unit_ids: Iterable[int] | None = None,
    *,
    method: MethodName = "auto",
    percentile: float = PERCENTILE,
    window_s: float = WINDOW_S,
) -> NDArray[np.float32]:
    """dF/F of some cells.

    With ``F = |A| raw`` and the background ``B = (A / |A|) b f`` under the
    unit-norm footprint, and ``P`` the running percentile,
    ``dF/F = (F - P(F)) / (P(F) + P(B))`` (CaImAn; Giovannucci et al., eLife 8:
    e38173, 2019). Without a background ``P(B)`` is 0. A baseline below three
    sd of the noise is no baseline (background-subtracted traces): there, three
    sd of the noise take its place, so that noise is never blown up.

    Parameters
    ----------
    recording
        See `dff_method`.
    unit_ids
        The cells, in this order; all by default.
    method
        See `dff_method`.
    percentile
        Of the running baseline; 8 as in CaImAn and CalTrig.
    window_s
        Its window in seconds. The default, 25 s, is CaImAn's 500 frames at 20
        Hz; without a frame rate it is 500 frames.

    Returns
    -------
    ndarray
        Shape (cells, frames), float32; NaN where the trace is NaN.

    Raises
    ------
    ValueError
        If the recording has no traces, or not those that `method` needs, or a
        number is out of range.
    KeyError
        If the recording has no such cell.
    """
    chosen = dff_method(recording, method)
    rows = (
        np.arange(recording.n_cells)
        if unit_ids is None
        else np.array([recording.footprints.index_of(i) for i in unit_ids], dtype=np.int64)
    )
    return _dff_rows(recording, rows, chosen.name, percentile, _window(recording, window_s))


def with_dff(recording: Recording, method: MethodName = "auto") -> Recording:
    """Return the recording with ``traces["dff"]``, computed when looked at.

    ``metadata["dff"]`` says how, as a dict of ``method`` and ``description``.
    A recording without traces, or with ``dff`` already, comes back as it is.

    Parameters
    ----------
    recording
        Any.
    method
        See `dff_method`.

    Raises
    ------
    ValueError
        If the recording has traces, but not those that `method` needs.
    """
    has_traces = "raw" in recording.traces or "C" in recording.traces
    if "dff" in recording.traces or not (has_traces and recording.n_cells):
        return recording
    import dask.array as da
    from dask import delayed

    chosen = dff_method(recording, method)
    window = _window(recording, WINDOW_S)
    chunks = []
    for start in range(0, recording.n_cells, _CELLS_PER_CHUNK):
        rows = np.arange(start, min(start + _CELLS_PER_CHUNK, recording.n_cells))
        task = delayed(_dff_rows, pure=False)(
            _Source(recording), rows, chosen.name, PERCENTILE, window
        )
        shape = (rows.size, recording.n_frames)
        chunks.append(da.from_delayed(task, shape, dtype=np.float32))
    about = {"method": chosen.name, "description": chosen.description}
    return recording.replace(
        traces={**recording.traces, "dff": da.concatenate(chunks, axis=0)},
        metadata={**recording.metadata, "dff": about},
    )


class _Source:
    """The recording as one opaque value: dask would look into the arrays of a dataclass."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording


def _missing(recording: Recording, name: str) -> str:
    """What a method lacks, in words; empty if it is possible."""
    traces = recording.traces
    if "raw" not in traces and "C" not in traces:
        return "the recording has neither raw nor C traces"
    if name == "background":
        background = recording.background
        if background is None:
            why = recording.unavailable.get("background", "")
            return "there is no background (b, f)" + (f": {why}" if why else "")
        if background.temporal.shape[1] != recording.n_frames or not len(background.temporal):
            return "the background does not cover the frames of the traces"
    if name == "percentile" and "raw" not in traces:
        return "there are no raw traces"
    return ""


def _describe(recording: Recording, name: str) -> str:
    floor = (
        "A baseline below 3 sd of the noise is replaced by 3 sd of the noise, so such cells "
        "are in units of their noise."
    )
    if name == "denoised":
        return (
            "C above its running 8th percentile in the pipeline's own units, not divided: "
            "the recording has no raw traces and no background, so the baseline is unknown."
        )
    trace = "raw trace"
    if "raw" not in recording.traces:
        trace = "C + b0 + c0" if _baseline_names(recording) else "C"
        floor = f"There are no raw traces: {trace} stands in, so noise is not shown. " + floor
    if name == "background":
        return (
            f"CaImAn's dF/F: {trace} above its running 8th percentile, over that percentile plus "
            f"the one of the background under the footprint. {floor}"
        )
    return f"{trace} above its running 8th percentile, over that percentile. {floor}".capitalize()


def _window(recording: Recording, window_s: float) -> int:
    if not (np.isfinite(window_s) and window_s > 0):
        raise ValueError(f"a window of more than 0 s is needed, not {window_s}")
    rate = recording.clock.frame_rate
    return WINDOW_FRAMES if rate is None else max(round(window_s * rate), 1)


def _dff_rows(
    source: Recording | _Source, rows: NDArray[np.int64], name: str, percentile: float, window: int
) -> NDArray[np.float32]:
    recording = source.recording if isinstance(source, _Source) else source
    fluorescence = _fluorescence(recording, rows)
    if name == "denoised":
        baseline = running_percentile(fluorescence, percentile, window)
        return (fluorescence - baseline).astype(np.float32)
    weights = recording.footprints.to_csr()[rows].astype(np.float64)
    norms = np.sqrt(np.asarray(weights.multiply(weights).sum(axis=1)).reshape(-1, 1))
    norms[norms == 0] = 1
    fluorescence *= norms
    baseline = running_percentile(fluorescence, percentile, window)
    divisor = baseline.copy()
    if name == "background" and recording.background is not None:
        under = weights @ _pixels_by_components(recording.background.spatial)
        background = np.asarray(under) / norms @ np.asarray(recording.background.temporal)
        divisor += running_percentile(background, percentile, window)
    floor = _NOISE_FLOOR * noise_level(fluorescence)[:, None]
    divisor = np.maximum(divisor, floor)
    divisor[divisor <= 0] = 1  # neither baseline nor noise: a silent, denoised trace
    return ((fluorescence - baseline) / divisor).astype(np.float32)


def _fluorescence(recording: Recording, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Raw traces of the rows, or the best stand-in, shape (cells, frames)."""
    if "raw" in recording.traces:
        return np.array(recording.traces["raw"][rows], dtype=np.float64)
    total = np.array(recording.traces["C"][rows], dtype=np.float64)
    for name in _baseline_names(recording):
        total += np.asarray(recording.traces[name][rows], dtype=np.float64)
    return total


def _baseline_names(recording: Recording) -> list[str]:
    return [name for name in ("b0", "c0") if name in recording.traces]


def _pixels_by_components(spatial: Any) -> NDArray[np.float64]:
    dense = spatial.toarray() if hasattr(spatial, "toarray") else np.asarray(spatial)
    return np.asarray(dense, dtype=np.float64).T
