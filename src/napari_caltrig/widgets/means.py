"""Means over cells as rows of the trace plot."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QLabel,
    QVBoxLayout,
    QWidget,
)

from napari_caltrig.recording.averages import averaged
from napari_caltrig.recording.decimate import Pyramid
from napari_caltrig.session_overviews import mean_steps
from napari_caltrig.viewer import work

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_caltrig.session import Session

_KINDS = (
    ("none", "frame by frame", "The mean over cells as it is"),
    ("rolling", "rolling average", "Centred running mean over the window"),
    ("block", "block average", "One value per window"),
)
_FIRST_WINDOW_S = 2.0
_ALL, _ACCEPTED, _SELECTED = "all", "accepted", "selected"


class MeanChoice(QWidget):
    """Whose means are shown, and how they are averaged over time.

    Parameters
    ----------
    session
        Its cells, statuses and groups.
    """

    changed = Signal()

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.boxes: dict[str, QCheckBox] = {}
        self._column = QVBoxLayout()
        self.kind = QComboBox()
        for kind, text, tip in _KINDS:
            self.kind.addItem(text, kind)
            self.kind.setItemData(self.kind.count() - 1, tip, 3)
        self.window = QDoubleSpinBox()
        self.window.setRange(0.01, 1e5)
        self.window.setValue(_FIRST_WINDOW_S)
        self.window.setKeyboardTracking(False)
        form = QFormLayout(self)
        form.addRow(QLabel("Mean of the shown signals over"))
        form.addRow(self._column)
        form.addRow("Over time", self.kind)
        form.addRow("Window", self.window)
        self.kind.currentIndexChanged.connect(lambda _: self.changed.emit())
        self.window.valueChanged.connect(lambda _: self.changed.emit())
        self.show_clock()
        self.show_groups()

    def show_clock(self) -> None:
        """Say in what unit the window is typed."""
        self.window.setSuffix(" s" if self._session.clock.is_known else " frames")

    def show_groups(self) -> None:
        """One box for all, accepted and selected cells, and one per group."""
        names = [_ALL, _ACCEPTED, _SELECTED]
        names += [f"group {name}" for name in sorted(self._session.curation.groups)]
        for name in [n for n in self.boxes if n not in names]:
            box = self.boxes.pop(name)
            self._column.removeWidget(box)
            box.deleteLater()
        for name in [n for n in names if n not in self.boxes]:
            text = name if name.startswith("group") else f"{name} cells"
            box = QCheckBox(text.replace("&", "&&"))  # Qt makes a key of a single one
            box.toggled.connect(lambda _: self.changed.emit())
            self.boxes[name] = box
            self._column.addWidget(box)

    @property
    def shown(self) -> dict[str, tuple[int, ...]]:
        """Cells of each mean that is switched on; those without cells are left out."""
        cells = {name: self._cells(name) for name, box in self.boxes.items() if box.isChecked()}
        return {name: unit_ids for name, unit_ids in cells.items() if unit_ids}

    def _cells(self, name: str) -> tuple[int, ...]:
        session = self._session
        if name == _SELECTED:
            return session.selection
        if name == _ACCEPTED:
            return tuple(u for u in session.unit_ids if session.status(u).status == "accepted")
        if name == _ALL:
            return tuple(session.unit_ids)
        return tuple(session.curation.groups.get(name.removeprefix("group "), ()))

    def smooth(self, trace: NDArray[Any]) -> NDArray[Any]:
        """Average a mean over time as chosen."""
        rate = self._session.clock.frame_rate or 1.0
        return averaged(trace, self.kind.currentData(), max(round(self.window.value() * rate), 1))


class Means:
    """Computes means in the background and keeps them.

    Parameters
    ----------
    session
        Whose cells.
    choice
        What is wanted.
    on_ready
        Called when a mean has arrived.
    """

    def __init__(self, session: Session, choice: MeanChoice, on_ready: Callable[[], None]) -> None:
        self._session, self._choice, self._on_ready = session, choice, on_ready
        self._raw: dict[tuple[str, tuple[int, ...]], NDArray[Any]] = {}
        self._smooth: dict[tuple[Any, ...], Pyramid] = {}
        self._signals: tuple[str, ...] = ()
        self._computing = work.Jobs()
        self.rows: dict[str, tuple[int, ...]] = {}

    def want(self, signals: list[str]) -> None:
        """Show the chosen means of these signals."""
        known = self._session.trace_names
        self._signals = tuple(name for name in signals if name in known)
        self.rows = {f"mean {name}": cells for name, cells in self._choice.shown.items()}
        wanted = [(name, cells) for cells in self.rows.values() for name in self._signals]
        self._raw = {key: self._raw[key] for key in wanted if key in self._raw}
        self._smooth = {}
        missing = next((key for key in wanted if key not in self._raw), None)
        if missing is not None and not self._computing:
            self._start(missing)

    def pyramid(self, row: str, signal: str) -> Pyramid | None:
        """A mean, averaged over time; None while it is being computed."""
        raw = self._raw.get((signal, self.rows.get(row, ())))
        if raw is None:
            return None
        if (row, signal) not in self._smooth:
            self._smooth[row, signal] = Pyramid(self._choice.smooth(raw))
        return self._smooth[row, signal]

    def forget(self) -> None:
        """Compute all anew: the traces themselves have changed."""
        self.stop()
        self._raw, self._smooth = {}, {}

    def _start(self, key: tuple[str, tuple[int, ...]]) -> None:
        name, cells = key

        def done(mean: NDArray[Any]) -> None:
            self._raw[key] = mean

        def fail(error: Exception) -> None:
            work.notify_error(error)
            self.rows = {}

        def end() -> None:
            if self.rows:
                self.want(list(self._signals))
            self._on_ready()

        self._computing.start(
            lambda: mean_steps(self._session, name, cells),
            on_done=done,
            on_error=fail,
            on_end=end,
        )

    def stop(self) -> None:
        """Stop computing."""
        self._computing.stop()
