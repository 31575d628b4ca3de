"""What simulated traces look like."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

Range = tuple[float, float]


@dataclass(frozen=True)
class OnePhotonConfig:
    """Traces of one-photon movies among those that `simulate_traces` makes.

    The ranges cover what Minian and CNMF-E leave of miniscope movies. All
    heights but `crosstalk` are in sd of the noise per frame.

    Parameters
    ----------
    fraction
        Fraction of the cells that are like this; the others are two-photon
        cells. The following is per cell.
    snr
        Peak after one spike over the sd of the noise per frame (log-uniform).
    neuropil, neuropil_tau_s
        Sd and time constant in seconds of what the background model left of
        the neuropil (log-uniform).
    fluctuation, fluctuation_tau_s
        Sd (uniform) and time constant in seconds (log-uniform) of faster
        changes that no spike causes.
    neighbours, crosstalk, subtracted_fraction
        Mean number of other cells whose unlabelled transients are seen, their
        height over the cell's own (log-uniform; never brighter than they are)
        and the fraction of them that were subtracted.
    shot_noise
        Growth of the noise variance per sd of light (uniform).
    smooth_fraction, smooth_frames
        Fraction of cells whose noise is smooth in time, and the width of that
        in frames (sd of a Gaussian, uniform).
    cut_fraction, cut_percentile
        Fraction of traces that are cut off at zero, as Minian's raw traces
        are, and the percentile of the trace where zero lies (uniform).
    rounded_fraction
        Fraction of those that come in whole grey values.
    """

    fraction: float = 0.0
    snr: Range = (2.0, 80.0)
    neuropil: Range = (0.3, 15.0)
    neuropil_tau_s: Range = (0.5, 5.0)
    fluctuation: Range = (0.0, 2.0)
    fluctuation_tau_s: Range = (0.05, 1.0)
    neighbours: float = 2.0
    crosstalk: Range = (0.005, 0.5)
    subtracted_fraction: float = 0.15
    shot_noise: Range = (0.0, 0.4)
    smooth_fraction: float = 0.3
    smooth_frames: Range = (0.3, 1.0)
    cut_fraction: float = 0.6
    cut_percentile: Range = (5.0, 60.0)
    rounded_fraction: float = 0.2

    def __post_init__(self) -> None:
        if not 0 <= self.fraction <= 1:
            raise ValueError(f"a fraction must be from 0 to 1, not {self.fraction}")


@dataclass(frozen=True)
class TraceConfig:
    """Everything that `simulate_traces` draws from; ranges are per cell.

    Defaults span GCaMP6 to jGCaMP8 in vivo: kinetics and amplitudes as fitted
    to recordings with simultaneous spikes (Chen et al. 2013; Zhang et al.
    2023), noise from very good to poor (Rupprecht et al. 2021).

    Parameters
    ----------
    seed
        The only source of randomness.
    n_cells, n_frames, frame_rate
        Size; the rate in Hz.
    tau_rise_s, tau_decay_s
        Time constants in seconds (log-uniform).
    tau_decay2_ratio, decay_weight
        Slower second decay as a multiple of the first (log-uniform), and the
        weight of the first one (uniform).
    hill, saturation
        Exponent of the response (uniform) and the calcium, in single spikes,
        at which it is half saturated (log-uniform).
    spike_cv
        Coefficient of variation of the calcium of single spikes (uniform).
    amplitude
        dF/F at the peak after one spike (log-uniform).
    snr
        Peak after one spike over the sd of the noise (log-uniform).
    rate_hz, burst_rate_hz, burst_spike_rate_hz
        Rates of single spikes, of bursts, and of spikes in a burst in Hz
        (log-uniform).
    fast_fraction, fast_rate_hz
        Fraction of cells that fire at an interneuron's rate, and that rate.
    state_fraction, state_tau_s, state_sd
        Fraction of cells with up and down states: an Ornstein-Uhlenbeck log
        rate, its time constant in seconds and its sd.
    shot_noise
        Growth of the noise variance per dF/F of one spike (uniform).
    coloured_noise
        Fraction of the noise variance that is slow (uniform).
    drift, drift_tau_s, bleaching
        Sd of the baseline's drift, its time constant in seconds, and height of
        exponential bleaching, in disturbance units: per cell drawn between the
        sd of the noise and the peak after one spike, since some disturbances
        follow the light and others the cell.
    neuropil
        Peak-to-peak neuropil over that of the cell's own signal (uniform).
    crosstalk, crosstalk_fraction
        Weight of another cell's trace (uniform), and the fraction of cells
        that get one; its transients are not labelled.
    fluctuation, fluctuation_tau_s
        Sd, in units of one spike's peak, and time constant in seconds of
        fluctuations that no spike of the cell causes.
    motion_rate_hz, motion
        Motion artefacts per second and their size in disturbance units.
    offset
        Error of the baseline in units of `amplitude` (uniform).
    repeat_fraction
        Fraction of cells with a duplicated (dropped) frame now and then.
    min_rise_snr, ignore_rise_snr
        Rises of at least the first, in sd of the noise, are transients;
        those below the second are not; between them nobody can say.
    one_photon
        Cells as CNMF finds them in one-photon movies; none by default.
    """

    seed: int = 0
    n_cells: int = 100
    n_frames: int = 9000
    frame_rate: float = 30.0
    tau_rise_s: Range = (0.002, 0.13)
    tau_decay_s: Range = (0.035, 1.7)
    tau_decay2_ratio: Range = (2.0, 8.0)
    decay_weight: Range = (0.2, 1.0)
    hill: Range = (1.0, 1.8)
    saturation: Range = (5.0, 40.0)
    spike_cv: Range = (0.0, 0.4)
    amplitude: Range = (0.05, 0.8)
    snr: Range = (0.4, 30.0)
    rate_hz: Range = (0.01, 1.5)
    burst_rate_hz: Range = (0.02, 0.4)
    burst_spike_rate_hz: Range = (4.0, 70.0)
    fast_fraction: float = 0.07
    fast_rate_hz: Range = (2.0, 12.0)
    state_fraction: float = 0.4
    state_tau_s: Range = (1.0, 10.0)
    state_sd: float = 1.0
    shot_noise: Range = (0.0, 0.3)
    coloured_noise: Range = (0.0, 0.3)
    drift: Range = (0.0, 2.0)
    drift_tau_s: Range = (5.0, 60.0)
    bleaching: Range = (0.0, 3.0)
    neuropil: Range = (0.0, 0.3)
    crosstalk: Range = (0.0, 0.5)
    crosstalk_fraction: float = 0.15
    fluctuation: Range = (0.0, 0.3)
    fluctuation_tau_s: Range = (0.05, 1.0)
    motion_rate_hz: float = 0.0125
    motion: Range = (1.5, 6.0)
    offset: Range = (-0.3, 0.3)
    repeat_fraction: float = 0.1
    min_rise_snr: float = 3.0
    ignore_rise_snr: float = 1.0
    one_photon: OnePhotonConfig = field(default_factory=OnePhotonConfig)

    def __post_init__(self) -> None:
        if self.n_cells < 0 or self.n_frames < 1:
            raise ValueError("a simulation needs 0 or more cells and at least one frame")
        if not (np.isfinite(self.frame_rate) and self.frame_rate > 0):
            raise ValueError(f"the frame rate must be a positive number, not {self.frame_rate}")


MINISCOPE = TraceConfig(
    tau_rise_s=(0.08, 0.35),
    tau_decay_s=(0.3, 2.0),
    rate_hz=(0.0005, 0.02),
    burst_rate_hz=(0.02, 0.15),
    burst_spike_rate_hz=(8.0, 40.0),
    fast_fraction=0.0,
    state_fraction=0.0,
    repeat_fraction=0.05,
    min_rise_snr=2.2,
    one_photon=OnePhotonConfig(
        fraction=1.0,
        snr=(1.5, 20.0),
        neuropil=(0.4, 10.0),
        fluctuation=(0.0, 1.2),
        neighbours=0.7,
        crosstalk=(0.01, 0.3),
        subtracted_fraction=0.3,
        cut_fraction=0.8,
        cut_percentile=(30.0, 61.0),
    ),
)
"""Miniscope cells as Minian leaves them and people mark them: rare bursts with slow
rises (0.08 to 0.35 s), traces that are zero for much of the time."""
