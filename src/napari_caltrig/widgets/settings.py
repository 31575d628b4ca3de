"""The settings, as a dialog: the user's own, and a project's file to save and load."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QDoubleSpinBox,
    QFileDialog,
    QFormLayout,
    QPlainTextEdit,
    QVBoxLayout,
    QWidget,
)

from napari_caltrig.settings import FILE_NAME, ColorBy, Settings, save_settings
from napari_caltrig.viewer import settings
from napari_caltrig.viewer.work import notify_error
from napari_caltrig.widgets.parts import button, note, row


class SettingsDialog(QDialog):
    """Shows the settings in force.

    Parameters
    ----------
    folder
        Where a project's settings file is kept.
    """

    def __init__(self, folder: Path, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._folder = folder
        self.setWindowTitle("Settings of CalTrig")
        self.reasons = QPlainTextEdit()
        self.reasons.setToolTip("One reason per line")
        self.reasons.setMinimumHeight(180)
        self.around = _number(0.1, 60, " s")
        self.color_by = QComboBox()
        self.color_by.addItems(list(get_args(ColorBy)))
        self.filled = QCheckBox("fill footprints")
        self.overlap = _number(0.01, 1, "")
        self.correlation = _number(0, 1, "")
        self._project = note()
        form = QFormLayout()
        form.addRow("Reasons for rejecting", self.reasons)
        form.addRow("Play around a moment", self.around)
        form.addRow("Colour cells by", self.color_by)
        form.addRow("", self.filled)
        form.addRow("Duplicates share at least", self.overlap)
        form.addRow("and correlate at least", self.correlation)
        buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel
        )
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        self.save = button("Save for the project …", f"Write {FILE_NAME}, to be shared", self._save)
        self.load = button("Load …", "Use a project's settings file", self._load)
        self.drop = button("Without project", "Go back to your own settings", self._drop)
        layout = QVBoxLayout(self)
        layout.addLayout(form)
        layout.addWidget(self._project)
        layout.addLayout(row(self.save, self.load, self.drop))
        layout.addWidget(buttons)
        self.show_settings(settings.current())

    def show_settings(self, values: Settings) -> None:
        """Fill the fields."""
        self.reasons.setPlainText("\n".join(values.rejection_reasons))
        self.around.setValue(values.play_around_s)
        self.color_by.setCurrentText(values.color_by)
        self.filled.setChecked(values.filled)
        self.overlap.setValue(values.min_overlap)
        self.correlation.setValue(values.min_correlation)
        file = settings.project_file()
        self._project.setText(
            "Your own settings (also in napari's Preferences)."
            if file is None
            else f"Settings of the project: {file}"
        )
        self.drop.setEnabled(file is not None)

    def values(self) -> Settings:
        """What the fields say."""
        return Settings(
            tuple(self.reasons.toPlainText().splitlines()),
            self.around.value(),
            self.color_by.currentText(),  # type: ignore[arg-type]
            self.filled.isChecked(),
            self.overlap.value(),
            self.correlation.value(),
        )

    def accept(self) -> None:
        """Keep what the fields say: in the project's file if one is in force, else for the user."""
        file = settings.project_file()
        if file is None:
            settings.set_user(self.values())
            super().accept()
        elif self.save_to(file):
            super().accept()

    def save_to(self, path: Path) -> bool:
        """Write a settings file and let it hold."""
        try:
            save_settings(path, self.values())
            settings.use_project(path)
        except OSError as error:
            notify_error(OSError(f"{path} could not be written: {error}"))
            return False
        self.show_settings(settings.current())
        return True

    def load_from(self, path: Path) -> None:
        """Let a settings file hold."""
        from napari_caltrig.recording import FormatError

        try:
            settings.use_project(path)
        except FormatError as error:
            notify_error(error)
            return
        self.show_settings(settings.current())

    def _save(self) -> None:
        start = str(self._folder / FILE_NAME)
        path, _ = QFileDialog.getSaveFileName(self, "Save the settings", start, "TOML (*.toml)")
        if path:
            self.save_to(Path(path))

    def _load(self) -> None:
        start = str(self._folder)
        path, _ = QFileDialog.getOpenFileName(self, "Load settings", start, "TOML (*.toml)")
        if path:
            self.load_from(Path(path))

    def _drop(self) -> None:
        settings.use_project(None)
        self.show_settings(settings.current())


def _number(low: float, high: float, suffix: str) -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setRange(low, high)
    box.setSingleStep(0.05 if high <= 1 else 0.5)
    box.setSuffix(suffix)
    return box
