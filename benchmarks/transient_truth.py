"""Traces with known transients, for `benchmarks/transients.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from napari_caltrig import open_recording
from napari_caltrig.simulation.traces import OnePhotonConfig, TraceConfig, simulate_traces
from napari_caltrig.transients.examples import simulate_cnmf

# fast decay in seconds: what a user would know about the indicator
DECAY_S = {"GCaMP6f": 0.4, "GCaMP6s": 0.9, "jGCaMP7f": 0.35, "jGCaMP8m": 0.2}
QUIET_S = 5.0


@dataclass(frozen=True, eq=False)
class Truth:
    """Traces of some recordings, and their transients.

    Parameters
    ----------
    title
        What it is.
    fs
        Frame rate in Hz.
    dff, spikes
        One array per recording, (frames,).
    spans
        Columns ``unit_id`` (the recording), ``onset, peak, snr``.
    cell
        Name of the cell of each recording.
    decay_s
        Fast decay time constant of each recording in seconds.
    c, s
        As `dff`, where CNMF has run.
    """

    title: str
    fs: float
    dff: list[np.ndarray]
    spikes: list[np.ndarray]
    spans: pd.DataFrame
    cell: np.ndarray
    decay_s: Sequence[float]
    c: list[np.ndarray] | None = None
    s: list[np.ndarray] | None = None


def recorded(folder: Path, rate: int, nu: float) -> Truth:
    """dF/F with simultaneously recorded spikes at a frame rate and noise level (0: its own)."""
    stored = rate if (folder / f"dev_{rate}hz.npz").is_file() else 2 * rate
    with np.load(folder / f"dev_{stored}hz.npz", allow_pickle=False) as z:
        data = {key: z[key] for key in z.files}
    dff, spikes, spans = [], [], []
    for r in range(len(data["offsets"]) - 1):
        part = slice(*data["offsets"][r : r + 2])
        of_spans = slice(*data["span_offsets"][r : r + 2])
        y, n = data["dff"][part].astype(float), data["spikes"][part]
        span, snr = data["spans"][of_spans].astype(int), data["span_snr"][of_spans].astype(float)
        sigma = _sigma(y)
        if stored != rate:
            span, first = _halved_spans(span, y.size, joined=True)
            # the height of rises that are joined is that of all of them
            snr = np.add.reduceat(np.nan_to_num(snr), first) if len(first) else snr
            y, n = _halved(y) / 2, _halved(n)
        y = _with_noise(y, float(rate), nu, r)
        snr = snr * (data["sigma"][r] if stored == rate else sigma) / _sigma(y)
        if stored == rate and not nu:
            snr = data["span_snr"][of_spans]
        dff.append(y)
        spikes.append(n)
        table = pd.DataFrame(span, columns=["onset", "peak"]).assign(unit_id=r, snr=snr)
        spans.append(table)
    known = pd.concat(spans, ignore_index=True)
    minutes = sum(map(len, dff)) / rate / 60
    title = (
        f"{rate} Hz, {f'nu = {nu:g}' if nu else 'own noise'}: {len(set(data['cell']))} cells, "
        f"{minutes:.0f} min, {int((known['snr'] >= 3).sum())} events"
    )
    decay = [DECAY_S[str(i)] for i in data["indicator"]]
    return Truth(title, float(rate), dff, spikes, known, data["cell"], decay)


def resampled(truth: Truth, *, joined: bool) -> Truth:
    """The same recordings and noise at half the frame rate, scored on the same transients.

    What counts is what counts at the full rate, so that only resampling makes
    the difference; `recorded` at the lower rate counts what stands out of the
    noise there, which is more.

    Parameters
    ----------
    truth
        At the full rate.
    joined
        Whether rises with at most one frame between them are one, as at every
        rate; they are told apart as at the full rate otherwise.
    """
    dff, spikes, spans = [], [], []
    for r, (y, n) in enumerate(zip(truth.dff, truth.spikes, strict=True)):
        known = truth.spans[truth.spans["unit_id"] == r]
        snr = np.nan_to_num(known["snr"].to_numpy())
        coarse, first = _halved_spans(known[["onset", "peak"]].to_numpy(), y.size, joined)
        snr = np.maximum.reduceat(snr, first) if len(first) else snr
        table = pd.DataFrame(coarse, columns=["onset", "peak"]).assign(unit_id=r, snr=snr)
        spans.append(table)
        dff.append(_halved(y) / 2)
        spikes.append(_halved(n))
    known = pd.concat(spans, ignore_index=True)
    title = (
        f"{truth.title} resampled to {truth.fs / 2:g} Hz, transients as before"
        f"{', joined' if joined else ''}: {int((known['snr'] >= 3).sum())}"
    )
    return replace(truth, title=title, fs=truth.fs / 2, dff=dff, spikes=spikes, spans=known)


def _halved(values: np.ndarray) -> np.ndarray:
    """Sums of pairs of frames."""
    return values[: len(values) // 2 * 2].reshape(-1, 2).sum(axis=1)


def _halved_spans(spans: np.ndarray, n_frames: int, joined: bool) -> tuple[np.ndarray, np.ndarray]:
    """Onset and peak in the frames of half the rate, and the first rise of each.

    Parameters
    ----------
    spans
        Onset and peak of each rise, in order, shape (rises, 2).
    n_frames
        Before halving.
    joined
        Whether rises with at most one frame between them are one.
    """
    onset = np.maximum((spans[:, 0] + 1) // 2 - 1, 0)
    peak = np.maximum(spans[:, 1] // 2, onset)
    first = np.arange(len(onset))
    if joined and len(onset):
        first = np.flatnonzero(np.append(True, onset[1:] - peak[:-1] > 1))
    last = np.append(first[1:], len(onset)) - 1 if len(first) else first
    return np.minimum(np.column_stack((onset[first], peak[last])), n_frames // 2 - 1), first


def _with_noise(y: np.ndarray, fs: float, nu: float, seed: int) -> np.ndarray:
    """White noise up to `nu`."""
    if _nu(y, fs) >= nu:
        return y
    noise = np.random.default_rng([0, seed]).standard_normal(y.size)
    low, high = 0.0, nu * np.sqrt(fs) / 50
    for _ in range(40):
        middle = (low + high) / 2
        too_quiet = _nu(y + middle * noise, fs) < nu
        low, high = (middle, high) if too_quiet else (low, middle)
    return y + high * noise


def _nu(y: np.ndarray, fs: float) -> float:
    return float(np.median(np.abs(np.diff(y))) / np.sqrt(fs) * 100)


def _sigma(y: np.ndarray) -> float:
    return float(np.median(np.abs(np.diff(y))) / (0.6745 * np.sqrt(2)))


ONE_PHOTON = {
    "clear": TraceConfig(
        frame_rate=20.0,
        rate_hz=(0.01, 0.1),
        burst_rate_hz=(0.01, 0.1),
        fast_fraction=0.0,
        one_photon=OnePhotonConfig(
            fraction=1.0, snr=(10.0, 80.0), crosstalk=(0.005, 0.05), neuropil=(0.3, 3.0),
            fluctuation=(0.0, 0.5),
        ),
    ),
    "labelled": TraceConfig(
        frame_rate=30.0,
        tau_rise_s=(0.1, 0.3),
        tau_decay_s=(0.4, 1.7),
        rate_hz=(0.0005, 0.005),
        burst_rate_hz=(0.02, 0.074),
        burst_spike_rate_hz=(10.0, 30.0),
        fast_fraction=0.0,
        state_fraction=0.0,
        repeat_fraction=0.0,
        one_photon=OnePhotonConfig(
            fraction=1.0, snr=(1.7, 13.0), neighbours=0.35, crosstalk=(0.01, 0.3),
            subtracted_fraction=0.3, neuropil=(0.5, 5.0), fluctuation=(0.0, 0.5),
            cut_fraction=1.0, cut_percentile=(38.0, 61.0),
        ),
    ),
    "mixed": TraceConfig(frame_rate=20.0, one_photon=OnePhotonConfig(fraction=1.0)),
}  # fmt: skip
"""One-photon CNMF cells of three kinds.

``"clear"``: well above the noise, little of their neighbours. ``"labelled"``:
as measured. How often and how long traces rise is as in cells that people have
labelled for CalTrig (2.2 transients per minute of 0.5 s each, 1.8 % of the
frames, 1 in 100 intervals below 1 s); noise, background, what is cut off at
zero and crosstalk are as in the traces of a genuine Minian session, regressed
on the true traces of the movie that it analysed (largest change over noise 390
in the median; background's changes within 0.2 s 0.007 of it; 0.3 neighbours
per cell seen with more than 0.05 of its height). ``"mixed"``: all that the
simulation makes, among them cells whose neighbours shine half as bright as
they do.
"""


def simulated_cnmf(kind: str) -> Truth:
    """One-photon CNMF traces that no training has seen, of a kind in `ONE_PHOTON`."""
    config = replace(
        ONE_PHOTON[kind],
        seed=2**31 + 2,
        n_cells=60,
        n_frames=round(300 * ONE_PHOTON[kind].frame_rate),
    )
    simulated = simulate_traces(config)
    cnmf = simulate_cnmf(np.random.default_rng(1), simulated)
    n = int((simulated.spans["snr"] >= 3).sum())
    return Truth(
        f"simulated one-photon CNMF traces, {kind}, {config.frame_rate:g} Hz: "
        f"60 cells, 300 min, {n} events",
        config.frame_rate,
        list(simulated.dff),
        list(simulated.spikes),
        simulated.spans,
        np.arange(60),
        np.clip(simulated.tau_decay_s, 0.1, 3).tolist(),
        list(cnmf.c),
        list(cnmf.s),
    )


def false_per_minute(found: pd.DataFrame, truth: Truth) -> float:
    """Detections far from any rise per minute of stretches of 5 s or more without a spike."""
    false = frames = 0
    reach = int(0.2 * truth.fs)
    for r, spikes in enumerate(truth.spikes):
        silent = np.concatenate(([False], spikes == 0, [False]))
        edges = np.flatnonzero(np.diff(silent.astype(int)))
        quiet = np.zeros(spikes.size, dtype=bool)
        for a, b in zip(edges[::2], edges[1::2], strict=True):
            quiet[a:b] = b - a >= QUIET_S * truth.fs
        frames += int(quiet.sum())
        for onset in truth.spans.loc[truth.spans["unit_id"] == r, "onset"]:
            quiet[max(onset - reach, 0) : onset + reach + 1] = False
        onsets = found.loc[found["unit_id"] == r, "onset"].to_numpy(dtype=int)
        false += int(quiet[onsets].sum())
    return false / (frames / truth.fs / 60) if frames else float("nan")


@dataclass(frozen=True, eq=False)
class MinianSession:
    """Cells of a session that match a true cell; arrays (cells, frames)."""

    dff: np.ndarray
    c: np.ndarray
    s: np.ndarray
    onsets: list[np.ndarray]


def minian_session(path: Path) -> MinianSession:
    """A genuine Minian session with the truth of the movie that it analysed."""
    recording = open_recording(path)
    with np.load(path / "ground_truth.npz") as stored:
        a, spikes = stored["A"].reshape(len(stored["A"]), -1), stored["S"]
    found = recording.footprints.to_csr()
    norms = np.sqrt(found.multiply(found).sum(axis=1)).reshape(-1, 1)
    cosine = np.asarray((found @ a.T) / norms / np.linalg.norm(a, axis=1))
    cells = np.flatnonzero(cosine.max(axis=1) > 0.8)
    onsets = []
    for cell in cells:
        frames = np.flatnonzero(spikes[cosine[cell].argmax()])
        onsets.append(frames[np.diff(frames, prepend=-99) > 4])
    dff, c, s = (np.asarray(recording.traces[name][cells]) for name in ("dff", "C", "S"))
    return MinianSession(dff, c, s, onsets)


def minian_truth(session: MinianSession, found: pd.DataFrame) -> tuple[float, float]:
    """Precision and recall of onsets within 4 frames (0.2 s)."""
    hits = false = missed = 0
    for r, known in enumerate(session.onsets):
        onsets = found.loc[found["unit_id"] == r, "onset"].to_numpy()
        near = np.abs(onsets[:, None] + 1 - known) <= 4
        hits += int(near.any(axis=0).sum())
        missed += int((~near.any(axis=0)).sum())
        false += int((~near.any(axis=1)).sum())
    return hits / max(hits + false, 1), hits / max(hits + missed, 1)


if __name__ == "__main__":
    print("helps benchmarks/transients.py; nothing to measure here")
