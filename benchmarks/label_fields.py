"""Fields of cells for `benchmarks/label_next.py`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from few_shot import KINDS, Cells
from transient_truth import ONE_PHOTON

from napari_caltrig.simulation.traces import SimulatedTraces, simulate_traces
from napari_caltrig.transients.examples import simulate_cnmf

N_FRAMES = 4800  # four minutes at 20 Hz
LARGE_SHARE = 0.3
JOINED_S = 0.35  # CalTrig's default interval: 10 frames at 30 Hz, and the frame after
# activity differs by three orders of magnitude between cells (Buzsaki & Mizuseki 2014)
ACTIVITY: dict[str, Any] = {
    "rate_hz": (0.0002, 0.2), "burst_rate_hz": (0.0002, 0.06), "fast_fraction": 0.03,
    "snr": (1.0, 30.0),  # pipelines find no cells of which less is seen
}  # fmt: skip

# of pyramidal cells as people label them: bursts, hardly a spike alone, no interneurons
BURSTS = {"rate_hz": (0.0001, 0.02), "burst_rate_hz": (0.0004, 0.15), "fast_fraction": 0.0}
QUIET, QUIET_SHARE = ", quiet", 0.25
ORDINARY = KINDS["ordinary"]
CONFIGS = {
    "slow": KINDS["slow"],
    "one-photon": ONE_PHOTON["mixed"],
    "clear": ONE_PHOTON["clear"],
    "as labelled": ONE_PHOTON["labelled"],
    "volumes": replace(
        ORDINARY, frame_rate=3.0, tau_rise_s=(0.2, 0.6), tau_decay_s=(1.5, 4.0)
    ),
    "astrocytes": replace(
        ORDINARY, frame_rate=10.0, tau_rise_s=(0.3, 1.0), tau_decay_s=(1.5, 5.0),
        burst_spike_rate_hz=(4.0, 15.0),
    ),
    "motion": replace(ORDINARY, motion_rate_hz=0.15, motion=(3.0, 10.0)),
    "neighbours": replace(ORDINARY, crosstalk=(0.2, 0.6), crosstalk_fraction=1.0),
    "steps": KINDS["slow"],
    "large only": KINDS["slow"],
    "joined": ORDINARY,
}  # fmt: skip
"""What the traces of each kind of field look like.

`slow` indicators with neighbours in three traces of five; one-photon CNMF cells
of all sorts, `clear` ones and ones `as labelled` for CalTrig (see
`transient_truth.ONE_PHOTON`); `volumes` at 3 Hz of an indicator in the nucleus;
`astrocytes`, whose calcium rises for a second; cells that move ten times a
minute; `neighbours` in every trace; focus that jumps for 3 to 30 s twice a
minute (`steps`); people who mark only what reaches a third of the cell's
largest (`large only`), or rises within a third of a second as one (`joined`). `quiet`
fields are a quarter as active.
"""
KIND_NAMES = [*CONFIGS, *(f"{name}{QUIET}" for name in ("as labelled", "volumes", "astrocytes"))]


def field(kind: str, number: int, n_cells: int) -> Cells:
    """Cells of very different activity; one-photon ones come with denoised traces."""
    name = kind.removesuffix(QUIET)
    activity = ACTIVITY | (BURSTS if name == "as labelled" else {})
    if kind != name:
        rates = ("rate_hz", "burst_rate_hz")
        activity |= {k: tuple(QUIET_SHARE * rate for rate in activity[k]) for k in rates}
    config = replace(
        CONFIGS[name], seed=20_000 + number, n_cells=n_cells, n_frames=N_FRAMES, **activity
    )
    if config.frame_rate < 5:
        config = replace(config, n_frames=N_FRAMES // 2)  # 13 minutes at 3 Hz
    s = simulate_traces(config)
    s = CHANGES.get(name, lambda s, _: s)(s, np.random.default_rng([number, 7]))
    with_c = config.one_photon.fraction > 0
    return Cells(s, simulate_cnmf(np.random.default_rng(number), s).c if with_c else None)


def _steps(s: SimulatedTraces, rng: np.random.Generator) -> SimulatedTraces:
    """Levels that jump up for a while."""
    dff, n = s.dff.copy(), s.dff.shape[1]
    for i in range(len(dff)):
        for _ in range(rng.poisson(2 * n / s.frame_rate / 60)):
            start, length = rng.integers(n), round(rng.uniform(3, 30) * s.frame_rate)
            dff[i, start : start + length] += rng.uniform(4, 15) * s.sigma[i]
    return replace(s, dff=dff)


def _large_only(s: SimulatedTraces, _: np.random.Generator) -> SimulatedTraces:
    """What is small beside the cell's largest rises is no transient."""
    spans = s.spans
    top = spans.groupby("unit_id")["snr"].transform(lambda snr: np.percentile(snr, 95))
    snr = spans["snr"].where(spans["snr"] >= LARGE_SHARE * top, 0.0)
    return replace(s, spans=spans.assign(snr=snr))


def _joined(s: SimulatedTraces, _: np.random.Generator) -> SimulatedTraces:
    """Rises that follow each other closely are one transient."""
    seen = s.spans[s.spans["snr"] >= 1.8]
    gap = seen["onset"] - seen["peak"].shift()
    apart = (seen["unit_id"] != seen["unit_id"].shift()) | (gap > JOINED_S * s.frame_rate)
    of = seen.groupby(apart.cumsum())
    spans = of.agg({"unit_id": "first", "onset": "first", "peak": "last", "snr": "max"})
    return replace(s, spans=pd.DataFrame(spans).reset_index(drop=True))


CHANGES: dict[str, Callable[[SimulatedTraces, np.random.Generator], SimulatedTraces]] = {
    "steps": _steps,
    "large only": _large_only,
    "joined": _joined,
}


if __name__ == "__main__":
    print("helps benchmarks/label_next.py; nothing to measure here")
