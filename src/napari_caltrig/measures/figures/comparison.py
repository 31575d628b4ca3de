"""Accepted against rejected cells, as Figure 9 of Lange et al. (eNeuro 12(7), 2025)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.measures.columns import column
from napari_caltrig.measures.figures.distributions import cumulative_curve
from napari_caltrig.measures.figures.options import FigureError, Option
from napari_caltrig.measures.figures.style import STATUS_COLORS, TWO_COLUMNS, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from napari_caltrig.measures.measuring import Measures

PANELS = ("rise_time_s", "rise_auc", "amplitude", "interval_s")

OPTIONS = (
    Option(
        "unit",
        "One value per",
        "transient",
        ("transient", "cell"),
        tip="Transients of one cell are no independent samples: per cell, the test is honest.",
    ),
    Option("log", "Logarithmic axis", False),
)


class Comparison(NamedTuple):
    """A two-sample Kolmogorov-Smirnov test.

    Parameters
    ----------
    n_accepted, n_rejected
        Finite values on each side.
    statistic
        Largest distance of the two cumulative curves, 0 to 1; NaN without
        values on either side.
    p_value
        Two-sided.
    """

    n_accepted: int
    n_rejected: int
    statistic: float
    p_value: float


def compare(measures: Measures, measure: str, unit: str = "transient") -> Comparison:
    """Test whether accepted and rejected cells differ in a measure of transients.

    Parameters
    ----------
    measures
        Of `measure`.
    measure
        Column of the table of transients.
    unit
        ``"transient"``, or ``"cell"`` for the means of cells.
    """
    from scipy.stats import ks_2samp

    accepted, rejected = (_values(measures, measure, s, unit) for s in ("accepted", "rejected"))
    if not accepted.size or not rejected.size:
        return Comparison(accepted.size, rejected.size, np.nan, np.nan)
    test = ks_2samp(accepted, rejected)
    return Comparison(accepted.size, rejected.size, float(test.statistic), float(test.pvalue))


def accepted_rejected(measures: Measures, *, unit: str, log: bool) -> Figure:
    """Cumulative curves of rise time, rise AUC, peak amplitude and interval."""
    tests = {name: compare(measures, name, unit) for name in PANELS}
    for side, count in (("accepted", 0), ("rejected", 1)):
        if not any(test[count] for test in tests.values()):
            raise FigureError(f"no {side} cell has transients: accept and reject cells first")
    figure = new_figure(TWO_COLUMNS, 4.4)
    for axes, (name, test) in zip(figure.subplots(2, 2).ravel(), tests.items(), strict=True):
        for status in ("accepted", "rejected"):
            values = _values(measures, name, status, unit)
            if log:
                values = values[values > 0]
            if values.size:
                x, share = cumulative_curve(values)
                label = f"{status} (n = {values.size})"
                axes.step(x, share, where="post", color=STATUS_COLORS[status], label=label)
        _finish(axes, name, test, log)
    of = "transients" if unit == "transient" else "means of cells"
    figure.suptitle(f"{measures.recording.name}: {of}", fontsize=8)
    return figure


def _finish(axes: Axes, name: str, test: Comparison, log: bool) -> None:
    title = "one side has no values"
    if np.isfinite(test.statistic):
        title = f"KS: D = {test.statistic:.2f}, {_p(test.p_value)}"
    axes.set_title(title, loc="left")
    axes.set(xlabel=column(name).label, ylabel="cumulative share", ylim=(0, 1.02))
    if log:
        axes.set_xscale("log")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="lower right")


def _p(value: float) -> str:
    return f"p = {value:.2g}" if value >= 1e-4 else "p < 0.0001"


def _values(measures: Measures, measure: str, status: str, unit: str) -> NDArray[np.float64]:
    if unit == "cell":
        table, name = measures.cells, f"mean_{measure}"
    else:
        table, name = measures.transients, measure
    values = table.loc[table["status"] == status, name].to_numpy(np.float64)
    return np.asarray(values[np.isfinite(values)])
