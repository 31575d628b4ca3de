"""Plugins > CalTrig > Train on my cells: a model goes on learning from a person's cells."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtWidgets import (
    QFileDialog,
    QFormLayout,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_caltrig.viewer.links import LetGo, Links
from napari_caltrig.viewer.sessions import sessions_of
from napari_caltrig.weights import check_new_model, load_model
from napari_caltrig.widgets.docking import TabbedPanel
from napari_caltrig.widgets.job import JobRow
from napari_caltrig.widgets.layer_menu import LayerMenu, data_of, is_labelled_image, is_movie
from napari_caltrig.widgets.model_menu import ModelMenu, models
from napari_caltrig.widgets.parts import note

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtGui import QCloseEvent

    from napari_caltrig.cells.labelled import LabelledField
    from napari_caltrig.session import Session
    from napari_caltrig.steps import Steps

_CELLS = "accepted cells of the recording"
_FILE = "file…"
_FILES = "ImageJ regions or labels image (*.zip *.roi *.tif *.tiff *.npy)"


class TrainCells(TabbedPanel):
    """Trains a model that finds cells on those of the open recording or image.

    Parameters
    ----------
    napari_viewer
        The viewer (napari passes it in).
    """

    def __init__(self, napari_viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = napari_viewer
        self._file: Path | None = None
        self.movie = LayerMenu(napari_viewer, is_movie)
        self.movie.setToolTip("The movie or image in which the cells lie")
        self.source = LayerMenu(
            napari_viewer, is_labelled_image, prefix="layer: ", before=[_CELLS], after=[_FILE]
        )
        self.source.setToolTip(
            "Which cells: those you accepted (rejected ones count as background, unreviewed ones "
            "are left open), a Labels layer, or a file of regions"
        )
        self.file = QPushButton("Choose file…")
        self.file.setToolTip("ImageJ regions (.zip, .roi) or a labels image (.tif, .npy)")
        self.file.clicked.connect(lambda _=False: self._ask_file())
        self.base = ModelMenu("cells")
        self.base.setToolTip("The model that learns; it stays as it is, the new one is a copy")
        self.steps = QSpinBox()
        self.steps.setRange(1, 100_000)
        self.steps.setValue(300)
        self.steps.setToolTip("Batches to learn from; 300 take a few minutes")
        self.name = QLineEdit("my-cells")
        self.name.setToolTip("Name of the new model, as it will be in the menus")
        self.job = JobRow("Train", self._make_steps, self._finish)
        self.result = note(
            "A part of the field is held out; the model is scored there before and after."
        )
        self._build()
        self._links = Links((self.source.currentIndexChanged, self._show_source))
        self._show_source()
        self.setMinimumWidth(380)
        self._let_go = LetGo(
            self._links.disconnect,
            self.movie.disconnect_all,
            self.source.disconnect_all,
            self.job.stop,
        )
        self.destroyed.connect(self._let_go)

    def _build(self) -> None:
        self._form = QFormLayout()
        self._form.addRow("Movie", self.movie)
        self._form.addRow("Cells", self.source)
        self._form.addRow("", self.file)
        self._form.addRow("Begin with", self.base)
        self._form.addRow("Steps", self.steps)
        self._form.addRow("New model", self.name)
        self._form.addRow(self.job)
        layout = QVBoxLayout(self)
        layout.addLayout(self._form)
        layout.addWidget(self.result)
        layout.addStretch(1)

    # Choices -----------------------------------------------------------------

    def _show_source(self, *_: Any) -> None:
        self._form.setRowVisible(self.file, self.source.currentText() == _FILE)

    def _ask_file(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Cells of this movie", "", _FILES)
        if path:
            self.set_file(path)

    def set_file(self, path: str | Path) -> None:
        """Take the cells from a file of regions or labels."""
        self._file = Path(path)
        self.file.setText(self._file.name)
        self.source.setCurrentText(_FILE)

    def _session(self) -> Session | None:
        sessions = sessions_of(self._viewer)
        movie = self.movie.layer
        return None if sessions is None or movie is None else sessions.session_of(movie)

    # Training ----------------------------------------------------------------

    def _make_steps(self) -> Callable[[], Steps[Path]]:
        name = self.name.text().strip()
        check_new_model(name)
        make_field = self._field()
        base, n_steps = self.base.currentData(), self.steps.value()
        self.result.setText("")

        def steps() -> Steps[Path]:
            from napari_caltrig.cells.own_training import OwnConfig, own_training_steps

            config = OwnConfig(name=name, base=base, n_steps=n_steps)
            return (yield from own_training_steps([make_field()], config))

        return steps

    def _field(self) -> Callable[[], LabelledField]:
        """What makes the labelled field, in the worker."""
        from napari_caltrig.cells.labelled import LabelledField, read_labels
        from napari_caltrig.recording import Footprints
        from napari_caltrig.training_data import labelled_field

        layer, name = self.movie.layer, self.movie.currentText()
        if layer is None:
            raise ValueError("There is no movie or image to learn from: open one first.")
        session, source = self._session(), self.source.currentText()
        movie = data_of(layer)
        rate = None if session is None else session.clock.frame_rate
        shape = (int(movie.shape[-2]), int(movie.shape[-1]))
        if source == _CELLS:
            if session is None:
                raise ValueError(
                    "This movie belongs to no recording with a workspace: choose a Labels layer "
                    "or a file with its cells."
                )
            return lambda: labelled_field(session)
        if source == _FILE:
            file = self._file
            if file is None:
                raise ValueError("Choose the file with the cells of this movie.")
            return lambda: LabelledField(name, movie, read_labels(file, shape), None, rate)
        labels = np.asarray(data_of(self.source.layer))
        return lambda: LabelledField(name, movie, Footprints.from_labels(labels), None, rate)

    def _finish(self, path: Path) -> None:
        card, _ = load_model(path, "cells")
        models.changed.emit()
        lines = [f"<b>{card.name}</b> is in the menu of “Find cells” now."]
        self.result.setText("<br>".join([*lines, *card.described_scores()]))
        self.result.setToolTip(str(path))

    # The end -----------------------------------------------------------------

    def disconnect_all(self) -> None:
        """Stop all work and all listening."""
        self._let_go()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Let go of the viewer."""
        self.disconnect_all()
        super().closeEvent(event)
