"""Plugins > CalTrig > Train: a model learns the transients that a person has confirmed."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QListWidget,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_caltrig.viewer.links import LetGo, Links
from napari_caltrig.viewer.sessions import shown, shown_session
from napari_caltrig.weights import check_new_model, load_model
from napari_caltrig.widgets.docking import TabbedPanel
from napari_caltrig.widgets.job import JobRow
from napari_caltrig.widgets.label_next import LabelNext
from napari_caltrig.widgets.learning_plot import LearningPlot
from napari_caltrig.widgets.model_menu import NOTHING, ModelMenu, models
from napari_caltrig.widgets.parts import RecordingName, fill, note

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtGui import QCloseEvent, QShowEvent

    from napari_caltrig.curation import Change
    from napari_caltrig.session import Session
    from napari_caltrig.steps import Step, Steps
    from napari_caltrig.transients.labelled import LabelledTraces

    Learn = Callable[[list[LabelledTraces]], Steps[Path]]

OWN, SIMULATION = range(2)
_ARCHITECTURES = ("gru", "lstm", "transformer", "local-transformer")
_FROM_MODEL, _FROM_NOTHING, _FROM_SIMULATION = (
    (160, "my-gru"),
    (300, "my-new-gru"),
    (1600, "my-simulated-gru"),
)
"""Steps and name of the new model that each kind of training begins with."""
_NAMES = ("", *(name for _, name in (_FROM_MODEL, _FROM_NOTHING, _FROM_SIMULATION)))


class Train(TabbedPanel):
    """Trains a model for transients, and says which cells to label next.

    Parameters
    ----------
    napari_viewer
        The viewer (napari passes it in).
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._build_choices()
        self.job = JobRow("Train", self._make_steps, self._finish, on_step=self._show_step)
        self.plot = LearningPlot(napari_viewer.theme)
        self.result = note()
        self.label_next = LabelNext(self.session, self._ranking_model)
        self._build_layout()
        self._counted: Callable[[], Session | None] = lambda: None
        self._links_of_session = Links()
        self._links = Links(
            (self.source.currentIndexChanged, self._show_source),
            (self.base.currentIndexChanged, self._show_beginning),
            (self.use_recording.toggled, self._count),
            (self.name.textChanged, self._show_unfinished),
            (shown.changed, self._count),
            (napari_viewer.events.theme, self._apply_theme),
        )
        self.job.ended.connect(self._show_unfinished)
        self._show_source()
        self.setMinimumWidth(380)
        self._let_go = LetGo(
            self._links.disconnect,
            self._links_of_session.disconnect,
            self.job.stop,
            self.label_next.job.stop,
        )
        self.destroyed.connect(self._let_go)

    # Building ----------------------------------------------------------------

    def _build_choices(self) -> None:
        self.recording = RecordingName()
        self.source = QComboBox()
        self.source.addItems(["confirmed transients", "simulated traces"])
        self.use_recording = QCheckBox("of the open recording")
        self.use_recording.setChecked(True)
        self.files = QListWidget()
        self.files.setMaximumHeight(64)
        self.files.setToolTip("More .caltrig files to learn from; Delete takes one out")
        self.add_files = QPushButton("Add .caltrig files…")
        self.add_files.clicked.connect(lambda _=False: self._ask_files())
        self.count = note()
        self.base = ModelMenu(trainable=True, nothing="nothing (a new network)")
        self.base.setToolTip(
            "The model that learns; it stays as it is, the new one is a copy. A new network knows "
            "only your transients, and needs those of many cells."
        )
        self.architecture = QComboBox()
        self.architecture.addItems(_ARCHITECTURES)
        self.name = QLineEdit()
        self.name.setToolTip("Name of the new model, as it will be in the menus")
        self.steps = QSpinBox()
        self.steps.setRange(1, 100_000)
        self.steps.setToolTip(
            "Most batches to learn from; own cells end sooner when F1 stops rising"
        )
        self.resume = QCheckBox("continue the interrupted training of this name")

    def _build_layout(self) -> None:
        self._own = QWidget()
        own = QVBoxLayout(self._own)
        own.setContentsMargins(0, 0, 0, 0)
        row = QHBoxLayout()
        row.addWidget(self.use_recording, 1)
        row.addWidget(self.add_files)
        own.addLayout(row)
        own.addWidget(self.files)
        own.addWidget(self.count)
        self._form = QFormLayout()
        self._form.addRow("Recording", self.recording)
        self._form.addRow("Learn from", self.source)
        self._form.addRow(self._own)
        self._form.addRow("Begin with", self.base)
        self._form.addRow("Network", self.architecture)
        self._form.addRow("Steps", self.steps)
        self._form.addRow("New model", self.name)
        self._form.addRow(self.resume)
        self._form.addRow(self.job)
        content = QWidget()
        layout = QVBoxLayout(content)
        layout.addLayout(self._form)
        layout.addWidget(self.plot, 2)
        layout.addWidget(self.result)
        layout.addWidget(self.label_next, 1)
        fill(self, content)

    # Choices -----------------------------------------------------------------

    def session(self) -> Session | None:
        """The recording that is shown, None without one."""
        return shown_session(self._viewer)

    def _show_source(self, *_: Any) -> None:
        own = self.source.currentIndex() == OWN
        for widget in (self._own, self.base):
            self._form.setRowVisible(widget, own)
        self._show_beginning()
        self._count()

    def _show_beginning(self, *_: Any) -> None:
        """Steps and names that suit what the training begins with."""
        own, new = self.source.currentIndex() == OWN, self.base.currentData() == NOTHING
        self._form.setRowVisible(self.architecture, new or not own)
        steps, name = (_FROM_NOTHING if new else _FROM_MODEL) if own else _FROM_SIMULATION
        self.steps.setValue(steps)
        if self.name.text() in _NAMES:  # a name that somebody has typed stays
            self.name.setText(name)
        self._show_unfinished()

    def _ranking_model(self) -> str:
        """Which model says what to label next: the one that learns."""
        base = str(self.base.currentData())
        if base != NOTHING:
            return base
        name = self.name.text().strip()
        if name not in [card.name for card in self.base.cards]:
            raise ValueError(
                "A new network ranks cells by what it has learned: label two or three cells that "
                "you take by chance, and train it first."
            )
        return name

    def _count(self, *_: Any) -> None:
        """Say how much there is to learn from."""
        session = self.session()
        self._follow(session)
        files = self.files.count()
        self.files.setVisible(files > 0)
        self.use_recording.setEnabled(session is not None)
        more = f" And those of {files} file{'s' * (files != 1)}." if files else ""
        if session is None or not self.use_recording.isChecked():
            text = "" if files else "Open a recording with confirmed transients, or add files."
            self.count.setText(text + more.strip())
            return
        from napari_caltrig.transients.labelled import CONFIRMED_METHODS, labelled_cells

        table = session.curation.transients.table()
        n = int(table["method"].isin(CONFIRMED_METHODS).sum())
        cells = len(labelled_cells(session.curation.transients))
        text = f"{n} confirmed transients of {cells} cells in {session.recording.name}."
        if not n and not files:
            text += " Mark or confirm the transients of some cells first."
        self.count.setText(text + more)

    def _follow(self, session: Session | None) -> None:
        """Count again whenever something is marked in this recording."""
        if session is not self._counted():
            self._links_of_session.disconnect()
            self.recording.show_session(session)
            self.label_next.show_session(session)
            self._counted = (lambda: None) if session is None else weakref.ref(session)
            if session is not None:
                self._links_of_session.add(session.curation_changed, self._count_again)

    def _count_again(self, change: Change) -> None:
        if change.transients:
            self._count()

    def _ask_files(self) -> None:
        paths, _ = QFileDialog.getOpenFileNames(
            self, "Learn from more recordings", "", "Curations (*.caltrig)"
        )
        self.add_paths(paths)

    def add_paths(self, paths: list[str]) -> None:
        """Learn from these ``.caltrig`` files too."""
        known = {self.files.item(i).text() for i in range(self.files.count())}
        self.files.addItems([p for p in paths if p not in known])
        self._count()

    def keyPressEvent(self, event: Any) -> None:
        """Take the chosen file out of the list."""
        if event.key() == Qt.Key.Key_Delete and self.files.hasFocus():
            self.files.takeItem(self.files.currentRow())
            self._count()
        else:
            super().keyPressEvent(event)

    @property
    def _is_unfinished(self) -> bool:
        from napari_caltrig.transients.learning import unfinished_path

        name = self.name.text().strip()
        return bool(name) and unfinished_path(name).is_file()

    def _show_unfinished(self, *_: Any) -> None:
        there = self._is_unfinished
        self._form.setRowVisible(self.resume, there)
        self.resume.setChecked(there)

    # Training ----------------------------------------------------------------

    def _make_steps(self) -> Callable[[], Steps[Path]] | None:
        from napari.utils.notifications import show_warning

        from napari_caltrig.training_data import each_once

        name, n_steps = self.name.text().strip(), self.steps.value()
        resume = self.resume.isChecked()
        check_new_model(name)
        if self.source.currentIndex() == SIMULATION:
            make = _simulation_steps(self.architecture.currentText(), name, n_steps, resume)
        else:
            session = self.session() if self.use_recording.isChecked() else None
            paths = [self.files.item(i).text() for i in range(self.files.count())]
            if session is None and not paths:
                raise ValueError("Open a recording with confirmed transients, or add files.")
            if session is not None and session.clock.frame_rate is None:
                raise ValueError("Set the frame rate at the top of the workspace first.")
            for repeated in each_once(paths, session)[1]:
                show_warning(repeated)
            begin = self.base.currentData()
            if begin == NOTHING:
                learn = _new_network(self.architecture.currentText(), name, n_steps, resume)
            else:
                learn = _tuned(begin, name, n_steps, resume)
            make = _own_steps(session, paths, learn)
        self.plot.clear()
        self.result.setText("")
        return make

    def _show_step(self, step: Step) -> None:
        from napari_caltrig.transients.learning import LearningStep

        if isinstance(step, LearningStep):
            self.plot.add(step, on_simulation=self.source.currentIndex() == SIMULATION)

    def _finish(self, path: Path) -> None:
        card, _ = load_model(path, "transients")
        models.changed.emit()
        lines = [f"<b>{card.name}</b> is in the menus now."]
        self.result.setText("<br>".join([*lines, *card.described_scores()]))
        self.result.setToolTip(str(path))
        self._show_unfinished()

    def _apply_theme(self, *_: Any) -> None:
        self.plot.apply_theme(self._viewer.theme)

    def showEvent(self, event: QShowEvent) -> None:
        """Offer to continue a training that was interrupted elsewhere."""
        super().showEvent(event)
        if self._is_unfinished != self._form.isRowVisible(self.resume):
            self._show_unfinished()

    # The end -----------------------------------------------------------------

    def closeEvent(self, event: QCloseEvent) -> None:
        """Let go of the viewer; a training that runs can be continued later."""
        self._let_go()
        for row in (self.job, self.label_next.job):
            row.reset()
        super().closeEvent(event)


def _simulation_steps(
    architecture: str, name: str, n_steps: int, resume: bool
) -> Callable[[], Steps[Path]]:
    def steps() -> Steps[Path]:
        from napari_caltrig.transients.training import TrainingConfig, train_steps

        config = TrainingConfig.preset(architecture, name=name, steps=n_steps)
        return (yield from train_steps(config, resume=resume))

    return steps


def _own_steps(
    session: Session | None, paths: list[str], learn: Learn
) -> Callable[[], Steps[Path]]:
    def steps() -> Steps[Path]:
        from napari_caltrig.training_data import read_labelled_steps

        data = yield from read_labelled_steps(paths, session)
        return (yield from learn(data))

    return steps


def _tuned(base: str, name: str, n_steps: int, resume: bool) -> Learn:
    def learn(data: list[LabelledTraces]) -> Steps[Path]:
        from napari_caltrig.transients.tuning import TuningConfig, tune_steps

        config = TuningConfig(name=name, base=base, steps=n_steps)
        return (yield from tune_steps(data, config, resume=resume))

    return learn


def _new_network(architecture: str, name: str, n_steps: int, resume: bool) -> Learn:
    def learn(data: list[LabelledTraces]) -> Steps[Path]:
        from napari_caltrig.transients.own_training import OwnTrainingConfig, train_on_own_steps

        config = OwnTrainingConfig(name=name, architecture=architecture, steps=n_steps)
        return (yield from train_on_own_steps(data, config, resume=resume))

    return learn
