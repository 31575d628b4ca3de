"""The one reader that napari sees; it hands a path to the format that knows it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_caltrig.viewer.layers import LayerData

    Reader = Callable[[str | Sequence[str]], list[LayerData]]


def get_reader(path: str | Sequence[str]) -> Reader | None:
    """Return a reader for a recording, a movie or a ``.caltrig`` file, else None.

    A folder is always taken, since napari asks only when the user chose this
    plugin for it; `read` then says what is wrong with it.
    """
    if not isinstance(path, str):
        if len(path) != 1:
            return None
        path = path[0]
    if Path(path).suffix.lower() == ".caltrig":
        return read_curated
    from napari_caltrig.formats import find_format

    return read if Path(path).is_dir() or find_format(Path(path)) is not None else None


def read(path: str | Sequence[str]) -> list[LayerData]:
    """Layers of a recording or movie.

    Raises
    ------
    FormatError
        If it cannot be read.
    """
    from napari_caltrig.opening import open_recording
    from napari_caltrig.viewer.layers import layer_data
    from napari_caltrig.viewer.registry import register

    recording = open_recording(_single(path))
    return layer_data(recording, register(recording))


def read_curated(path: str | Sequence[str]) -> list[LayerData]:
    """Layers of the recording of a ``.caltrig`` file; the workspace shows the rest.

    Raises
    ------
    FormatError
        If the file or its recording cannot be read.
    """
    from napari_caltrig.curation import recording_path
    from napari_caltrig.opening import open_recording
    from napari_caltrig.viewer.layers import layer_data
    from napari_caltrig.viewer.registry import register

    file = Path(_single(path)).absolute()
    recording = open_recording(recording_path(file))
    layers = layer_data(recording, register(recording, file))
    _show_workspace()
    return layers


def _single(path: str | Sequence[str]) -> str:
    return path if isinstance(path, str) else path[0]


def _show_workspace() -> None:
    """Open the workspace in the current viewer once its layers are in."""
    from napari import current_viewer

    viewer = current_viewer()
    if viewer is None or not hasattr(viewer, "window"):
        return
    from qtpy.QtCore import QTimer

    from napari_caltrig.viewer.commands import show_workspace

    QTimer.singleShot(0, lambda: show_workspace(viewer))
