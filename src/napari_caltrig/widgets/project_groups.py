"""Tables and figures across the recordings of a project."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from pandas.api.types import is_numeric_dtype
from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QPixmap
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QSplitter,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from napari_caltrig.projects.labels import LABELS
from napari_caltrig.projects.model import labels_that_vary
from napari_caltrig.projects.project_file import write_text
from napari_caltrig.viewer.links import Links
from napari_caltrig.viewer.work import notify_error
from napari_caltrig.widgets.cell_model import CellTableModel
from napari_caltrig.widgets.job import JobRow
from napari_caltrig.widgets.parts import note

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.figure import Figure

    from napari_caltrig.projects.groups import GroupTables
    from napari_caltrig.projects.model import ProjectModel
    from napari_caltrig.steps import Steps


class ProjectGroups(QWidget):
    """Measures all recordings, shows a measure by group and the tables behind it.

    Parameters
    ----------
    model
        The project.
    """

    def __init__(self, model: ProjectModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = model
        self.tables: GroupTables | None = None
        self.figure: Figure | None = None
        self.job = JobRow("Measure all", self._make_steps, self._finish)
        self.measure, self.by = QComboBox(), QComboBox()
        self.unit, self.kind = QComboBox(), QComboBox()
        self.by.addItems(LABELS)
        self.unit.addItems(["recordings", "animals"])
        self.unit.setToolTip(
            "What a point is. Recordings of one animal are not independent: animals are the "
            "honest unit when groups are compared"
        )
        self.kind.addItems(["box", "violin"])
        self.picture = _Picture()
        self.rows = QComboBox()
        self.rows.addItems(["per recording", "per animal"])
        self.table = QTableView()
        self.table.setSortingEnabled(True)
        self.table.verticalHeader().setVisible(False)
        self.table.verticalHeader().setDefaultSectionSize(22)
        self.note = note()
        self._build_layout()
        self._links = Links(
            (self.measure.currentIndexChanged, self._draw),
            (self.by.currentIndexChanged, self._draw),
            (self.unit.currentIndexChanged, self._draw),
            (self.kind.currentIndexChanged, self._draw),
            (self.rows.currentIndexChanged, self._fill),
            (model.project_changed, self._say_stale),
        )
        self._show_buttons()

    def _build_layout(self) -> None:
        self.save_figure = QPushButton("Save figure…")
        self.save_figure.clicked.connect(lambda _=False: self._ask_figure())
        self.save_table = QPushButton("Save table…")
        self.save_table.clicked.connect(lambda _=False: self._ask_table())
        form = QFormLayout()
        form.addRow("Measure", self.measure)
        row = QHBoxLayout()
        for label, box in (("by", self.by), ("points", self.unit), ("as", self.kind)):
            row.addWidget(QLabel(label))
            row.addWidget(box, 1)
        upper, lower = QWidget(), QWidget()
        above, below = QVBoxLayout(upper), QVBoxLayout(lower)
        above.setContentsMargins(0, 0, 0, 0)
        above.addLayout(form)
        above.addLayout(row)
        above.addWidget(self.picture, 1)
        above.addWidget(self.save_figure)
        below.setContentsMargins(0, 0, 0, 0)
        line = QHBoxLayout()
        line.addWidget(self.rows, 1)
        line.addWidget(self.save_table, 1)
        below.addLayout(line)
        below.addWidget(self.table, 1)
        parts = QSplitter(Qt.Orientation.Vertical)
        parts.addWidget(upper)
        parts.addWidget(lower)
        parts.setStretchFactor(0, 3)
        parts.setStretchFactor(1, 2)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.addWidget(self.job)
        layout.addWidget(self.note)
        layout.addWidget(parts, 1)

    # Measuring ---------------------------------------------------------------

    def _make_steps(self) -> Callable[[], Steps[Any]] | None:
        from napari_caltrig.projects.groups import group_steps

        project = self._model.project
        if not project.recordings:
            raise ValueError("Open a folder or a project first.")
        return lambda: group_steps(project)

    def _finish(self, tables: GroupTables) -> None:
        from napari_caltrig.projects.groups import USUAL, measure_label, measures_of

        self.tables = tables
        measured = tables.recordings.dropna(axis=1, how="all")
        known = measures_of(measured)
        names = [n for n in USUAL if n in known] + [n for n in known if n not in USUAL]
        current = self.measure.currentData()
        self.measure.blockSignals(True)
        self.measure.clear()
        for name in names:
            self.measure.addItem(measure_label(name), name)
        if current in names:
            self.measure.setCurrentIndex(names.index(current))
        self.measure.blockSignals(False)
        if current is None:
            vary = labels_that_vary(self._model.project)
            self.by.setCurrentText(vary[0] if vary else "group")
        n, without = len(tables.recordings), len(tables.missing)
        said = f"{n} recordings measured"
        said += f", <b>{without} could not be</b> (hover to read)" if without else ""
        silent = len(tables.without_transients)
        said += (
            f"; {silent} have no transients yet and are left out of their rates" if silent else ""
        )
        self.note.setText(said)
        self.note.setToolTip("\n".join(f"{k}: {v}" for k, v in tables.missing.items()))
        self._draw()
        self._fill()
        self._show_buttons()

    def _say_stale(self) -> None:
        if self.tables is not None:
            self.note.setText("The project has changed: press “Measure all” again.")

    # Showing -----------------------------------------------------------------

    def _draw(self, *_: Any) -> None:
        from napari_caltrig.projects.groups import group_figure

        if self.tables is None or self.measure.currentData() is None:
            return
        try:
            self.figure = group_figure(
                self.tables,
                self.measure.currentData(),
                by=self.by.currentText(),
                unit=self.unit.currentText(),  # type: ignore[arg-type]
                kind=self.kind.currentText(),  # type: ignore[arg-type]
            )
        except ValueError as error:
            self.figure = None
            self.picture.show_text(str(error))
        else:
            self.picture.show_figure(self.figure)
        self._show_buttons()

    @property
    def shown_table(self) -> pd.DataFrame | None:
        """The table that is shown, one row per recording or animal."""
        if self.tables is None:
            return None
        if self.rows.currentIndex() == 0:
            return self.tables.recordings
        return self.tables.animals

    def _fill(self, *_: Any) -> None:
        table = self.shown_table
        if table is None:
            return
        texts = [c for c in table if c not in LABELS and not is_numeric_dtype(table[c])]
        rows = table[[c for c in table if c not in texts] + texts].reset_index()
        rows.index = pd.RangeIndex(1, len(rows) + 1, name="row")
        self.table.setModel(CellTableModel(rows))
        self.table.resizeColumnsToContents()

    def _show_buttons(self) -> None:
        self.save_figure.setEnabled(self.figure is not None)
        self.save_table.setEnabled(self.tables is not None)

    # Saving ------------------------------------------------------------------

    def _ask_figure(self) -> None:
        name = f"{self.measure.currentData()} by {self.by.currentText()}.svg"
        kinds = "Figures (*.svg *.pdf *.png)"
        file, _ = QFileDialog.getSaveFileName(self, "Save the figure", self._start(name), kinds)
        if file:
            self.write_figure(Path(file))

    def write_figure(self, path: Path) -> None:
        """Write the figure that is shown; the ending is the format."""
        from napari_caltrig.measures.figures import save_figure

        try:
            assert self.figure is not None
            save_figure(self.figure, path if path.suffix else path.with_suffix(".svg"))
        except (ValueError, OSError) as error:
            notify_error(error)

    def _ask_table(self) -> None:
        name = "recordings.csv" if self.rows.currentIndex() == 0 else "animals.csv"
        file, _ = QFileDialog.getSaveFileName(
            self, "Save the table", self._start(name), "Tables (*.csv)"
        )
        if file:
            self.write_table(Path(file))

    def write_table(self, path: Path) -> None:
        """Write the table that is shown as CSV."""
        table = self.shown_table
        try:
            assert table is not None
            named = path.suffix.lower() == ".csv"
            write_text(path if named else Path(f"{path}.csv"), table.to_csv())
        except OSError as error:
            notify_error(error)

    def _start(self, name: str) -> str:
        return str(self._model.project.output.parent / name)

    def disconnect_all(self) -> None:
        """Stop the work and listen no more."""
        self.job.stop()
        self._links.disconnect()


class _Picture(QLabel):
    """A matplotlib figure as large as there is room for it."""

    def __init__(self) -> None:
        super().__init__("Press “Measure all” to compare the recordings.")
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setWordWrap(True)
        self.setMinimumHeight(160)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Ignored)
        self._whole = QPixmap()

    def sizeHint(self) -> QSize:
        """Room for a figure."""
        return QSize(360, 320)

    def show_text(self, text: str) -> None:
        """Say why there is no figure."""
        self._whole = QPixmap()
        self.setText(text)

    def show_figure(self, figure: Figure) -> None:
        """Draw a figure."""
        from napari_caltrig.measures.figures.style import styled

        drawn = io.BytesIO()
        with styled():
            figure.savefig(drawn, format="png", dpi=200)
        self._whole = QPixmap()
        self._whole.loadFromData(drawn.getvalue())
        self._fit()

    def _fit(self) -> None:
        if not self._whole.isNull():
            self.setPixmap(
                self._whole.scaled(
                    self.size(),
                    Qt.AspectRatioMode.KeepAspectRatio,
                    Qt.TransformationMode.SmoothTransformation,
                )
            )

    def resizeEvent(self, event: Any) -> None:
        """Fit the figure to the new size."""
        super().resizeEvent(event)
        self._fit()
