"""What each measure is: its title, unit and definition, once, for tables, figures and tooltips."""

from __future__ import annotations

from typing import NamedTuple


class Column(NamedTuple):
    """One measure.

    Parameters
    ----------
    title
        For axes and headers.
    unit
        Empty for names, counts and ids.
    meaning
        One sentence.
    """

    title: str
    unit: str
    meaning: str

    @property
    def label(self) -> str:
        """Title with unit."""
        return f"{self.title} ({self.unit})" if self.unit else self.title


TRANSIENT: dict[str, Column] = {
    "unit_id": Column("cell", "", "The cell, by the pipeline's own id."),
    "status": Column("status", "", "Status of the cell: unreviewed, accepted or rejected."),
    "group": Column("group", "", "Groups of the cell, parted by commas."),
    "onset": Column("onset", "frames", "Last frame before the trace rises; frames count from 0."),
    "peak": Column("peak", "frames", "Highest frame of the rise."),
    "end": Column("end", "frames", "First frame after the transient."),
    "onset_s": Column("onset", "s", "Time of the onset."),
    "peak_s": Column("peak", "s", "Time of the peak."),
    "end_s": Column("end", "s", "Time of the end."),
    "rise_frames": Column("rise time", "frames", "Onset to peak."),
    "rise_time_s": Column("rise time", "s", "Onset to peak."),
    "rise_10_90_s": Column("10–90 % rise", "s", "From 10 % to 90 % of the amplitude."),
    "decay_time_s": Column("decay time", "s", "Peak to 1/e (37 %) of the amplitude."),
    "half_width_s": Column("half-width", "s", "Time above half of the amplitude, around the peak."),
    "duration_s": Column("duration", "s", "Onset to end."),
    "amplitude": Column("peak amplitude", "dF/F", "dF/F at the peak above the baseline."),
    "peak_dff": Column("peak dF/F", "dF/F", "dF/F at the peak, absolute."),
    "baseline": Column("baseline", "dF/F", "Mean dF/F of the 0.1 s up to the onset."),
    "rise_auc": Column("rise AUC", "dF/F × s", "Area above the baseline from onset to peak."),
    "auc": Column("AUC", "dF/F × s", "Area above the baseline from onset to end."),
    "interval_frames": Column("interval", "frames", "Onset to onset, from the previous transient."),
    "interval_s": Column("interval", "s", "Onset to onset, from the cell's previous transient."),
    "nearest_event": Column("nearest event", "", "Behaviour event nearest to the onset."),
    "event_frame": Column("event", "frames", "Frame of that event."),
    "event_lag_s": Column("lag to event", "s", "Onset minus event: positive after it."),
    "cut_by": Column("decay cut by", "", "What came before the decay was over, if anything."),
    "gap_frames": Column("gap", "frames", "Frames of the transient without a value."),
    "probability": Column("probability", "", "What the network gave it; empty for other methods."),
    "method": Column("method", "", "How it was found: manual, rule, network ..."),
    "model": Column("model", "", "Name and version of the model or rule."),
}
"""Columns of the table of transients, in its order; the index is ``transient_id``."""

AVERAGED: tuple[str, ...] = (
    "rise_time_s",
    "rise_10_90_s",
    "decay_time_s",
    "half_width_s",
    "duration_s",
    "amplitude",
    "peak_dff",
    "rise_auc",
    "auc",
    "interval_s",
    "event_lag_s",
)
"""Measures of transients whose mean and SD every cell and recording has."""

_CELL: dict[str, Column] = {
    "status": Column("status", "", "unreviewed, accepted or rejected."),
    "reason": Column("reason", "", "Why, if anybody said so."),
    "group": Column("group", "", "Groups of the cell, parted by commas."),
    "source": Column("source", "", "pipeline, missed, merged or split."),
    "area": Column("area", "px", "Pixels with at least half of the footprint's peak weight."),
    "y": Column("y", "px", "Centroid of the footprint, weighted; pixel rows."),
    "x": Column("x", "px", "Centroid of the footprint, weighted; pixel columns."),
    "n_transients": Column("transients", "", "Number of transients."),
    "rate_hz": Column("transient rate", "Hz", "Transients per second of trace with values."),
    "sd_dff": Column("SD of dF/F", "dF/F", "Standard deviation over all frames."),
    "mad_dff": Column("MAD of dF/F", "dF/F", "1.4826 × median absolute deviation."),
    "noise_dff": Column("noise of dF/F", "dF/F", "SD of the noise from frame to frame."),
    "snr": Column("SNR", "", "99.9th percentile of dF/F above its median, over the noise."),
    "observed_s": Column("observed", "s", "Length of the trace without gaps and pauses."),
}

CELL: dict[str, Column] = {
    **_CELL,
    **{
        f"{kind}_{name}": Column(
            f"{word} {TRANSIENT[name].title}",
            TRANSIENT[name].unit,
            f"{word.capitalize()} of {name} over the cell's transients.",
        )
        for name in AVERAGED
        for kind, word in (("mean", "mean"), ("sd", "SD of"))
    },
}
"""Columns of the table of cells, in its order; the index is ``unit_id``."""


def column(name: str) -> Column:
    """What a column is; a column that nobody described stands for itself."""
    return TRANSIENT.get(name) or CELL.get(name) or Column(name, "", "")
