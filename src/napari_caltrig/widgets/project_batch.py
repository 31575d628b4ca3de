"""Running a batch over the recordings of a project, in a process of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import (
    QCheckBox,
    QFormLayout,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_caltrig.projects.kinds import KINDS
from napari_caltrig.viewer.links import Links
from napari_caltrig.widgets.job import JobRow
from napari_caltrig.widgets.parts import note

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_caltrig.projects.model import ProjectModel
    from napari_caltrig.steps import Step, Steps


class ProjectBatch(QWidget):
    """Chooses steps and where they run; the options stand in the project file.

    Parameters
    ----------
    model
        The project.
    """

    def __init__(self, model: ProjectModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = model
        self._out: Path | None = None
        self.steps: dict[str, QCheckBox] = {}
        steps = QWidget()
        column = QVBoxLayout(steps)
        column.setContentsMargins(0, 0, 0, 0)
        for kind in KINDS.values():
            box = QCheckBox(kind.title)
            box.setChecked(kind.name != "find-cells")
            self.steps[kind.name] = box
            column.addWidget(box)
        self.scheduler = QLineEdit()
        self.scheduler.setPlaceholderText("this machine")
        self.scheduler.setToolTip("Address of a Dask cluster, e.g. tcp://host:8786")
        self.workers = QSpinBox()
        self.workers.setRange(0, 256)
        self.workers.setSpecialValueText("one per processor")
        self.job = JobRow("Run batch", self._make_steps, self._finish, on_step=self._show_step)
        self.log = QPlainTextEdit()
        self.log.setReadOnly(True)
        self.log.setPlaceholderText(
            "What is done already with the same input and options is not done again. "
            "Options of the steps, and lists of them to be compared, stand in the project file."
        )
        self.what = note()
        self.result = note()
        self.show_folder = QPushButton("Show the results")
        self.show_folder.setEnabled(False)
        self.show_folder.clicked.connect(lambda _=False: self._open_folder())
        form = QFormLayout()
        form.addRow("Steps", steps)
        form.addRow("Cluster", self.scheduler)
        form.addRow("Processes", self.workers)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.what)
        layout.addLayout(form)
        layout.addWidget(self.job)
        layout.addWidget(self.log, 1)
        layout.addWidget(self.result)
        layout.addWidget(self.show_folder)
        self._links = Links((model.project_changed, self._show_what))
        self._show_what()

    def _show_what(self) -> None:
        """Say on what it runs, with which options, and where the results go."""
        project = self._model.project
        said = [f"{len(project.recordings)} recordings; results in {project.output}"]
        for step, options in project.options.items():
            listed = ", ".join(f"{k} = {v}" for k, v in options.items())
            said.append(f"{step}: {listed}")
        self.what.setText("<br>".join(said))

    def _make_steps(self) -> Callable[[], Steps[Any]] | None:
        from napari_caltrig.projects.process import process_steps

        project = self._model.project
        if project.path is None:
            raise ValueError("Save the project first: a batch reads its file.")
        chosen = [name for name, box in self.steps.items() if box.isChecked()]
        if not chosen:
            raise ValueError("Choose at least one step.")
        file, self._out = project.path, project.output
        out = project.output
        scheduler, workers = self.scheduler.text().strip() or None, self.workers.value() or None
        self.log.clear()
        self.result.setText("")

        def steps() -> Steps[Any]:
            return (
                yield from process_steps(file, chosen, out, scheduler=scheduler, workers=workers)
            )

        return steps

    def _show_step(self, step: Step) -> None:
        line = f"{step.done}/{step.total}  {step.message}"
        if step.message and step.message != "starting":
            last = self.log.document().lastBlock().text()
            if line != last:
                self.log.appendPlainText(line)

    def _finish(self, manifest: dict[str, Any]) -> None:
        ended = [
            job["status"]
            for recording in manifest["recordings"]
            for run in recording["runs"].values()
            for job in run.values()
        ]
        failed = len(ended) - ended.count("done") - ended.count("reused")
        text = f"{ended.count('done')} steps done, {ended.count('reused')} were there already"
        text += f", <b>{failed} did not work out</b>: see the lines above" if failed else ""
        self.result.setText(f"{text}.<br>{self._out}")
        self.show_folder.setEnabled(True)
        self._model.refresh()

    def _open_folder(self) -> None:
        if self._out is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._out)))

    def disconnect_all(self) -> None:
        """Stop the batch; it can be continued later."""
        self._links.disconnect()
        self.job.stop()
