"""Loss and event F1 of a training, while it runs."""

from __future__ import annotations

import math

from qtpy.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from napari_caltrig.transients.learning import LearningStep
from napari_caltrig.widgets.plot import apply_theme, pg, thin_pen

_OWN, _OLD, _LOSS = (90, 200, 120), (230, 160, 60), (120, 160, 240)


class LearningPlot(QWidget):
    """Two curves over the same steps: what is minimised, and what counts.

    Parameters
    ----------
    theme
        Name of a napari theme.
    """

    def __init__(self, theme: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.loss_plot, self.f1_plot = pg.PlotWidget(), pg.PlotWidget()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        for plot, name, least in ((self.loss_plot, "loss", 80), (self.f1_plot, "event F1", 115)):
            plot.setMinimumHeight(least)  # and no more where there is little room
            plot.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Ignored)
            plot.setMouseEnabled(x=False, y=False)
            plot.hideButtons()
            plot.setMenuEnabled(False)
            plot.setLabel("left", name)
            plot.getPlotItem().getAxis("left").setWidth(52)
            plot.getPlotItem().getAxis("left").enableAutoSIPrefix(False)
            layout.addWidget(plot)
        self.f1_plot.setXLink(self.loss_plot)
        self.f1_plot.setLabel("bottom", "step")
        self.f1_plot.getPlotItem().addLegend(offset=(-8, -8), labelTextSize="8pt")
        self._loss = self.loss_plot.plot(pen=thin_pen(_LOSS))
        self._f1 = self._curve("cells held back", _OWN)
        self._old = self._curve("simulated traces", _OLD)
        self.apply_theme(theme)
        self.clear()

    def _curve(self, name: str, color: tuple[int, int, int]) -> pg.PlotDataItem:
        style = {"symbol": "o", "symbolSize": 5, "symbolBrush": color, "symbolPen": None}
        return self.f1_plot.plot(pen=thin_pen(color), name=name, **style)

    def apply_theme(self, theme: str) -> None:
        """Take the colours of a napari theme."""
        for plot in (self.loss_plot, self.f1_plot):
            foreground, _ = apply_theme(plot, theme)
            plot.getPlotItem().getAxis("left").label.setDefaultTextColor(pg.mkColor(foreground))
        legend = self.f1_plot.getPlotItem().legend
        legend.setLabelTextColor(foreground)  # of labels to come
        for _, label in legend.items:
            label.setText(label.text, color=foreground)

    def clear(self) -> None:
        """Forget the training before."""
        self.losses: list[tuple[float, float]] = []
        self.scores: list[tuple[float, float]] = []
        self.old_scores: list[tuple[float, float]] = []
        self._draw()

    def add(self, step: LearningStep, *, on_simulation: bool) -> None:
        """Draw one more step.

        Parameters
        ----------
        step
            What the training reports.
        on_simulation
            The cells held back are simulated ones, there are no others.
        """
        if step.done and math.isfinite(step.loss):
            self.losses.append((step.done, step.loss))
        f1, old = (None, step.f1) if on_simulation else (step.f1, step.old_f1)
        if f1 is not None:
            self.scores.append((step.done, f1))
        if old is not None:
            self.old_scores.append((step.done, old))
        self._draw()

    def _draw(self) -> None:
        last = max((x for points in (self.losses, self.scores) for x, _ in points), default=0)
        self.loss_plot.setXRange(0, last or 1, padding=0.02)  # F1 is known before the first loss
        for curve, points in (
            (self._loss, self.losses),
            (self._f1, self.scores),
            (self._old, self.old_scores),
        ):
            x, y = zip(*points, strict=True) if points else ((), ())
            curve.setData(list(x), list(y))
