"""Figures of the results: chosen, adjusted, saved one by one or all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QVBoxLayout,
    QWidget,
)

from napari_caltrig.measures.figures import CELLS_CHOICES, FIGURES, FORMATS
from napari_caltrig.steps import Step, Steps
from napari_caltrig.viewer import work
from napari_caltrig.widgets.figure_options import SELECTED, FigureOptions
from napari_caltrig.widgets.figure_view import FigureView
from napari_caltrig.widgets.job import JobRow
from napari_caltrig.widgets.parts import button

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_caltrig.measures import Measures
    from napari_caltrig.session import Session

_EMPTY = "Measure first: the button above."
_SETTLE_MS = 350
_FILTER = "SVG (*.svg);;PDF (*.pdf);;PNG (*.png)"


class ResultsFigures(QWidget):
    """Any figure of the measures with its options."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session: Session | None = None
        self._measures: Measures | None = None
        self._figure: Any = None
        self._saving = work.Jobs()
        self.options: FigureOptions | None = None
        self.choice = QComboBox()
        for name, kind in FIGURES.items():
            self.choice.addItem(kind.title, name)
            self.choice.setItemData(self.choice.count() - 1, kind.meaning, 3)  # tooltip
        self.view = FigureView(_EMPTY)
        self.job = JobRow("Draw", self._make_steps, self._finish)
        self.format = QComboBox()
        self.format.addItems(list(FORMATS))
        self.format.setToolTip("Format of all figures; SVG and PDF keep text as text")
        self.save = button(
            "Save this…", "SVG, PDF or PNG, by the ending of the name", self._ask_and_save
        )
        self.save_all = JobRow("Save all…", self._make_all_steps, self._finish_all)
        self.save_all.button.setToolTip("All figures into a folder, with the cells chosen here")
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_SETTLE_MS)
        self._build()
        self._timer.timeout.connect(self._redraw)
        self.choice.currentIndexChanged.connect(self._on_choice)
        self._on_choice()

    def _build(self) -> None:
        self._holder = QVBoxLayout()
        grid = QGridLayout()
        grid.addWidget(self.save, 0, 0)
        grid.addWidget(self.save_all, 0, 1)
        grid.addWidget(self.format, 0, 2)
        grid.setColumnStretch(1, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        top = QHBoxLayout()
        top.addWidget(self.choice, 3)
        top.addWidget(self.job, 2)
        layout.addLayout(top)
        layout.addLayout(self._holder)
        layout.addWidget(self.view, 1)
        layout.addLayout(grid)

    # What is shown -----------------------------------------------------------

    @property
    def name(self) -> str:
        """Name of the chosen figure."""
        return str(self.choice.currentData())

    def show_measures(self, session: Session | None, measures: Measures | None) -> None:
        """Draw from other measures; None: there are none."""
        self._session, self._measures = session, measures
        self._figure = None
        self._on_choice()
        if measures is None:
            self.view.show_text(_EMPTY)

    def _on_choice(self, *_: Any) -> None:
        """Options of the chosen figure; what was set for another of the same name is kept."""
        old = {} if self.options is None else self.options.values
        if self.options is not None:
            self._holder.removeWidget(self.options)
            self.options.hide()
            self.options.deleteLater()
        options = FIGURES[self.name].options
        self.options = FigureOptions(options, self._suggestions())
        self.options.changed.connect(self.redraw_soon)
        self._holder.addWidget(self.options)
        cells = self.options.fields.get("cells")
        if isinstance(cells, QComboBox) and old.get("cells") not in (None, "kept", "all", "best"):
            cells.setCurrentText(old["cells"])
        for part in (self.save, self.save_all, self.job):
            part.setEnabled(self._measures is not None)
        self.redraw_soon()

    def _suggestions(self) -> dict[str, list[str]]:
        cells = [*CELLS_CHOICES, SELECTED]
        if self._measures is None:
            return {"cells": cells}
        recording = self._measures.recording
        return {
            "cells": cells + [f"group:{name}" for name in self._measures.curation.groups],
            "event": list(recording.behaviour.events),
            "image": [*recording.summary_images, "none"],
        }

    # Drawing -----------------------------------------------------------------

    def redraw_soon(self) -> None:
        """Draw once the options have settled."""
        if self._measures is not None:
            self._timer.start()

    def _redraw(self) -> None:
        if self.job.running:  # what it draws is no longer wanted
            self.job.cancel()
            self._timer.start()
        elif self._measures is not None and self.isVisible():
            self.job.toggle()

    def showEvent(self, event: Any) -> None:
        """Draw what was not worth drawing while nobody looked."""
        super().showEvent(event)
        if self._figure is None:
            self.redraw_soon()

    def _wanted(self) -> dict[str, Any]:
        values = {} if self.options is None else self.options.values
        if values.get("cells") == SELECTED:
            selection = () if self._session is None else self._session.selection
            if not selection:
                raise ValueError("Select cells first, or choose other cells.")
            values["cells"] = ",".join(map(str, selection))
        return values

    def _make_steps(self) -> Callable[[], Steps[Any]] | None:
        measures, name = self._measures, self.name
        if measures is None:
            return None
        try:
            values = self._wanted()
        except ValueError as error:
            self.view.show_text(str(error))
            return None
        return lambda: _drawing_steps(name, measures, values)

    def _finish(self, result: tuple[Any, Any] | str) -> None:
        self._figure = None
        self.save.setEnabled(not isinstance(result, str))
        if isinstance(result, str):
            self.view.show_text(result)
            return
        self._figure, pixels = result
        self.view.show_pixels(pixels)

    # Saving ------------------------------------------------------------------

    def _ask_and_save(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save the figure", f"{self.name}.svg", _FILTER)
        if path:
            self.save_to(path)

    def save_to(self, path: str | Path) -> None:
        """Write the figure that is shown."""
        figure, target = self._figure, Path(path)
        if figure is None:
            return
        if target.suffix.lower().lstrip(".") not in FORMATS:
            work.notify_error(ValueError(f"Figures are saved as {', '.join(FORMATS)}."))
            return
        self._saving.start(lambda: _saving_steps(figure, target))

    def _make_all_steps(self) -> Callable[[], Steps[Any]] | None:
        folder = QFileDialog.getExistingDirectory(self, "Folder for all figures")
        return self.all_steps(Path(folder)) if folder else None

    def all_steps(self, folder: Path) -> Callable[[], Steps[Any]] | None:
        """Write all figures into a folder, with the cells that are chosen here."""
        from napari_caltrig.measures.figures import figure_steps

        measures, file_format = self._measures, self.format.currentText()
        if measures is None:
            return None
        wanted = self._wanted()
        cells = wanted.get("cells")
        options = {} if cells in (None, "kept", "all", "best") else {"cells": cells}
        return lambda: figure_steps(
            measures,
            folder,
            file_format=file_format,  # type: ignore[arg-type]
            options=options,
        )

    def _finish_all(self, written: Any) -> None:
        from napari.utils.notifications import show_info

        lines = [f"{len(written.files)} figures written."]
        lines += [f"{name}: {why}" for name, why in written.missing.items()]
        show_info("\n".join(lines))

    def stop_work(self) -> None:
        """Stop drawing and saving, also after the widget itself is gone."""
        self.job.stop()
        self.save_all.stop()
        self._saving.stop()

    def stop(self) -> None:
        """Stop all work and let go of what is shown."""
        self._timer.stop()
        self.stop_work()
        self._session = self._measures = self._figure = None


def _drawing_steps(
    name: str, measures: Measures, values: dict[str, Any]
) -> Steps[tuple[Any, Any] | str]:
    from napari_caltrig.measures.figures import draw, rasterize

    yield Step(0, 0, "Drawing")
    try:
        figure = draw(name, measures, values)
    except ValueError as error:
        return str(error)
    yield Step(1, 2, "Drawing")
    return figure, rasterize(figure, dpi=200)


def _saving_steps(figure: Any, path: Path) -> Steps[Path]:
    from napari_caltrig.measures.figures import save_figure

    yield Step(0, 0, f"Saving {path.name}")
    return save_figure(figure, path)
