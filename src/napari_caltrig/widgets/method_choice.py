"""The method that finds transients, with its parameters and their units."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QSpinBox,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_caltrig.transients import NoiseFilter, SavGol
from napari_caltrig.transients.caltrig_rule import INTERVAL_FRAMES
from napari_caltrig.transients.oasis_rule import ACTIVITY_THRESHOLD
from napari_caltrig.transients.rule import INTERVAL_S, PEAK_THRESHOLD, SNR_THRESHOLD
from napari_caltrig.widgets.model_menu import ModelMenu

if TYPE_CHECKING:
    from napari_caltrig.session import Session
    from napari_caltrig.transients.methods import Method

METHOD_NAMES: dict[Method, str] = {
    "network": "Network",
    "rule": "Threshold rule",
    "oasis": "OASIS (deconvolution)",
    "caltrig-rule": "CalTrig's own rule",
}
METHOD_TIPS: dict[Method, str] = {
    "network": "A trained network; the most accurate by far where its training fits.",
    "rule": "Peaks of C (or of dF/F) that climb high enough, in dF/F and in sd of the noise.",
    "oasis": "Deconvolves dF/F; activity above the noise is a transient.",
    "caltrig-rule": "CalTrig's rule with its known flaws, to repeat published numbers. "
    "Needs C and S.",
}


class MethodChoice(QWidget):
    """A menu of methods; the parameters of the chosen one below it.

    Parameters
    ----------
    session
        Knows the frame rate, in which seconds become frames.
    label
        What stands before the menu.
    """

    def __init__(
        self, session: Session, label: str = "Method", parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.menu = QComboBox()
        self.network = NetworkPage()
        self.rule = RulePage(session)
        self.oasis = OasisPage()
        self.caltrig = CaltrigPage()
        self._pages: dict[Method, Any] = {
            "network": self.network,
            "rule": self.rule,
            "oasis": self.oasis,
            "caltrig-rule": self.caltrig,
        }
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        first = QHBoxLayout()
        first.addWidget(QLabel(label))
        first.addWidget(self.menu, 1)
        layout.addLayout(first)
        for method, page in self._pages.items():
            self.menu.addItem(METHOD_NAMES[method], method)
            tip = Qt.ItemDataRole.ToolTipRole
            self.menu.setItemData(self.menu.count() - 1, METHOD_TIPS[method], tip)
            layout.addWidget(page)
        self.menu.currentIndexChanged.connect(self._show)
        self._show()

    @property
    def method(self) -> Method:
        """The chosen method."""
        return self.menu.currentData()  # type: ignore[no-any-return]

    def choose(self, method: Method) -> None:
        """Choose a method."""
        self.menu.setCurrentIndex(self.menu.findData(method))

    def options(self, method: Method | None = None) -> dict[str, Any]:
        """Parameters of a method (the chosen one by default), as `method_steps` takes them."""
        return self._pages[method or self.method].options()  # type: ignore[no-any-return]

    def _show(self, *_: Any) -> None:
        self.menu.setToolTip(METHOD_TIPS[self.method])
        for method, page in self._pages.items():
            page.setVisible(method == self.method)


class NetworkPage(QWidget):
    """Model and threshold of a network."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model = ModelMenu()
        self.threshold = QDoubleSpinBox()
        self.threshold.setRange(0.01, 0.99)
        self.threshold.setSingleStep(0.05)
        self.threshold.setToolTip("Smallest probability of a transient; the model's own by default")
        form = _form(self)
        form.addRow("Model", self.model)
        form.addRow("Threshold", self.threshold)
        self.model.currentIndexChanged.connect(self._show_threshold)
        self._show_threshold()

    def _show_threshold(self, *_: Any) -> None:
        if self.model.card is not None:
            self.threshold.setValue(self.model.card.threshold)

    def options(self) -> dict[str, Any]:
        """Parameters, as `method_steps` takes them."""
        return {"model": self.model.currentData(), "threshold": self.threshold.value()}


class RulePage(QWidget):
    """Thresholds of the rule; its filters behind a button."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        savgol, noise = SavGol(), NoiseFilter()
        self.peak = _number(PEAK_THRESHOLD, 1e6, 3, " dF/F", 0.05)
        self.peak.setToolTip("Smallest climb of the smoothed trace, in dF/F; 0: the SNR decides")
        self.snr = _number(SNR_THRESHOLD, 1e4, 2, " sd", 0.5)
        self.snr.setToolTip("Smallest climb of the smoothed trace, in sd of the noise")
        self.interval = Length(session, INTERVAL_S)
        self.interval.setToolTip("Peaks this near are one rise if the later one is higher")
        self.window = Length(session, savgol.window_s)
        self.window.setToolTip("Window of the Savitzky-Golay filter that smooths dF/F")
        self.order = QSpinBox()
        self.order.setRange(0, 9)
        self.order.setValue(savgol.order)
        self.order.setToolTip("Order of the filter's polynomial")
        self.kind = QComboBox()
        self.kind.addItems(["median", "mean", "max"])
        self.kind.setMaximumWidth(84)
        self.kind.setToolTip("How the noise is taken from what the filter left out")
        self.noise_window = Length(session, noise.window_s)
        self.noise_window.setToolTip("Window of the noise estimate")
        self.floor = _number(noise.floor, 1e6, 3, " dF/F", 0.01)
        self.floor.setToolTip("The noise is never taken for smaller than this")
        self.more = QToolButton()
        self.more.setText("Smoothing and noise")
        self.more.setCheckable(True)
        self.more.setAutoRaise(True)
        self.more.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self._filters = QWidget()
        self._build()

    def _build(self) -> None:
        form = _form(self)
        form.addRow("Peak threshold", self.peak)
        form.addRow("SNR threshold", self.snr)
        form.addRow("Interval", self.interval)
        form.addRow(self.more)
        form.addRow(self._filters)
        filters = _form(self._filters)
        filters.addRow("SavGol window", self.window)
        filters.addRow("SavGol order", self.order)
        filters.addRow("Noise", _beside(self.kind, self.noise_window))
        filters.addRow("Noise floor", self.floor)
        self.more.toggled.connect(self._show_filters)
        self._show_filters(False)

    def _show_filters(self, on: bool) -> None:
        self.more.setArrowType(Qt.ArrowType.DownArrow if on else Qt.ArrowType.RightArrow)
        self._filters.setVisible(on)

    def options(self) -> dict[str, Any]:
        """Parameters, as `method_steps` takes them."""
        floor, kind = self.floor.value(), self.kind.currentText()
        return {
            "peak_threshold": self.peak.value(),
            "snr_threshold": self.snr.value(),
            "interval_s": self.interval.seconds,
            "savgol": SavGol(self.window.seconds, self.order.value()),
            "noise": NoiseFilter(kind, self.noise_window.seconds, floor),
        }


class OasisPage(QWidget):
    """Threshold and decay time of OASIS."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.activity = _number(ACTIVITY_THRESHOLD, 1e4, 2, " sd", 0.5)
        self.activity.setToolTip("Smallest activity of a frame, in sd of the noise")
        self.decay = _number(0.0, 100, 2, " s", 0.1)
        self.decay.setSpecialValueText("measure")
        self.decay.setToolTip("Decay time of the indicator; 0 measures it in every cell")
        form = _form(self)
        form.addRow("Activity threshold", self.activity)
        form.addRow("Decay time", self.decay)

    def options(self) -> dict[str, Any]:
        """Parameters, as `method_steps` takes them."""
        tau = self.decay.value()
        return {"activity_threshold": self.activity.value(), "tau_decay_s": tau or None}


class CaltrigPage(QWidget):
    """The three thresholds of CalTrig, in its units."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.peak = _number(0.0, 1e6, 3, " dF/F", 0.05)
        self.peak.setToolTip("Smallest range of dF/F from onset to peak")
        self.snr = _number(0.0, 1e6, 3, "", 0.1)
        self.snr.setToolTip("In CalTrig's units: up to the maximum of the smoothed dF/F")
        self.interval = QSpinBox()
        self.interval.setRange(0, 100_000)
        self.interval.setValue(INTERVAL_FRAMES)
        self.interval.setSuffix(" frames")
        self.interval.setToolTip("Peaks this near are one transient if the later one is higher")
        form = _form(self)
        form.addRow("Peak threshold", self.peak)
        form.addRow("SNR threshold", self.snr)
        form.addRow("Interval", self.interval)

    def options(self) -> dict[str, Any]:
        """Parameters, as `method_steps` takes them."""
        return {
            "peak_threshold": self.peak.value(),
            "snr_threshold": self.snr.value(),
            "interval_frames": self.interval.value(),
        }


class Length(QWidget):
    """A length in seconds or frames, as the user likes.

    Parameters
    ----------
    session
        Knows the frame rate; frames cannot be chosen while it is unknown.
    seconds
        The value at first.
    """

    def __init__(self, session: Session, seconds: float, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.value = _number(seconds, 1e5, 2, "", 0.05)
        self.unit = QComboBox()
        self.unit.setMaximumWidth(64)
        self.unit.addItems(["s", "frames"])
        self.unit.currentIndexChanged.connect(self._convert)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.value, 1)
        layout.addWidget(self.unit)

    @property
    def seconds(self) -> float:
        """The length in seconds."""
        if self.unit.currentText() == "s":
            return float(self.value.value())
        return float(self.value.value() / (self._session.clock.frame_rate or 1.0))

    def _convert(self, index: int) -> None:
        rate = self._session.clock.frame_rate
        if rate is None:
            self.unit.blockSignals(True)
            self.unit.setCurrentIndex(0)
            self.unit.blockSignals(False)
            return
        self.value.setValue(self.value.value() * rate if index else self.value.value() / rate)
        self.value.setSingleStep(1.0 if index else 0.05)


def _number(value: float, most: float, decimals: int, suffix: str, step: float) -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setRange(0, most)
    box.setDecimals(decimals)
    box.setSingleStep(step)
    box.setSuffix(suffix)
    box.setValue(value)
    return box


def _beside(*widgets: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    row.setContentsMargins(0, 0, 0, 0)
    for i, widget in enumerate(widgets):
        row.addWidget(widget, i)
    return row


def _form(widget: QWidget) -> QFormLayout:
    form = QFormLayout(widget)
    form.setContentsMargins(0, 0, 0, 0)
    form.setVerticalSpacing(4)
    return form
