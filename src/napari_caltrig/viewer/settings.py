"""Settings in force: napari's preferences, and over them a project's file.

napari keeps the user's values (Preferences > napari-caltrig) and shows them
from version 0.9 on; our own dialog shows the same values in any version.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_caltrig.settings import Settings, load_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

PLUGIN = "napari-caltrig"
_CATEGORY = "workspace"
_SEPARATOR = ";"  # napari's preferences show no lists


class _Current:
    changed = Signal()
    """Another value is in force."""

    def __init__(self) -> None:
        self.project: dict[str, Any] = {}
        self.project_file: Path | None = None
        # Where napari keeps no settings of plugins: for this run only.
        self.user: dict[str, Any] = {}
        # napari's values, as far as we listen to them already.
        self.heard: Any = None


_current = _Current()
changed = _current.changed


def current() -> Settings:
    """The settings in force."""
    return user_settings().with_values(_current.project)


def user_settings() -> Settings:
    """The user's own settings."""
    values = dict(_current.user)
    stored = _napari_settings()
    if stored is not None:
        values = {name: getattr(stored, name) for name in asdict(Settings())}
        reasons = str(values["rejection_reasons"]).split(_SEPARATOR)
        values["rejection_reasons"] = tuple(r.strip() for r in reasons)
    try:
        return Settings().with_values(values)
    except (ValueError, TypeError):
        return Settings()  # a preferences file that somebody has edited


def set_user(settings: Settings) -> None:
    """Keep the user's own settings."""
    stored = _napari_settings()
    _current.user = asdict(settings)
    if stored is not None:
        values = {**asdict(settings)}
        values["rejection_reasons"] = f"{_SEPARATOR} ".join(settings.rejection_reasons)
        for name, value in values.items():
            if getattr(stored, name) != value:
                setattr(stored, name, value)
    _current.changed.emit()


def project_file() -> Path | None:
    """The settings file that is in force."""
    return _current.project_file


def use_project(path: Path | None) -> None:
    """Let a project's settings file hold over the user's settings; None: no project.

    Raises
    ------
    FormatError
        If the file cannot be used; nothing has changed then.
    """
    values: Mapping[str, Any] = {} if path is None else load_settings(path)
    _current.project, _current.project_file = dict(values), path
    _current.changed.emit()


def _napari_settings() -> Any | None:
    """What napari keeps for us; None before napari 0.9 or where it does not know us."""
    try:
        from napari.settings import get_plugin_settings
    except ImportError:
        return None
    try:
        stored = getattr(get_plugin_settings(PLUGIN), _CATEGORY)
    except (KeyError, AttributeError):
        return None
    if _current.heard is not stored:
        stored.events.connect(_on_preferences)
        _current.heard = stored
    return stored


def _on_preferences(event: Any = None) -> None:
    _current.changed.emit()
