"""Commands in napari's menus."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from napari.viewer import Viewer

PLUGIN = "napari-caltrig"

_FILE_FILTER = (
    "Results and movies (*.caltrig *.ini *.hdf5 *.h5 *.nwb *.nc *.mmap *.mat *.csv "
    "*.npz *.npy *.tif *.tiff *.avi *.mp4 *.m4v *.mkv *.mov *.webm *.wmv)"
    ";;All files (*)"
)


def open_folder(viewer: Viewer) -> None:
    """Ask for the folder of a recording and open it with the workspace."""
    from qtpy.QtWidgets import QFileDialog

    folder = QFileDialog.getExistingDirectory(
        None, "Open a Minian result, a miniscope folder or a zarr movie"
    )
    if folder:
        open_path(viewer, folder)


def open_file(viewer: Viewer) -> None:
    """Ask for a result file or movie and open it with the workspace."""
    from qtpy.QtWidgets import QFileDialog

    file, _ = QFileDialog.getOpenFileName(
        None, "Open a CaImAn result, a movie or a .caltrig file", "", _FILE_FILTER
    )
    if file:
        open_path(viewer, file)


def open_path(viewer: Viewer, path: str | Path, *, tabify: bool = False) -> None:
    """Open a recording in the background, then show its layers and the workspace.

    With `tabify` the workspace shares the place of the docks that are there.
    """
    from napari_caltrig.steps import Step, Steps
    from napari_caltrig.viewer import work
    from napari_caltrig.viewer.reader import get_reader, read

    def steps() -> Steps[Any]:
        yield Step(0, 0, f"Opening {path}")
        return (get_reader(str(path)) or read)(str(path))

    def show(layers: list[Any]) -> None:
        add_layer_data(viewer, layers)
        show_workspace(viewer, tabify=tabify)

    work.start(steps, on_done=show)


def add_layer_data(viewer: Viewer, layers: list[Any]) -> None:
    """Add layer data tuples to a viewer."""
    from napari.layers import Layer

    for data, attributes, kind in layers:
        viewer.add_layer(Layer.create(data, attributes, kind))


def show_workspace(viewer: Viewer, *, tabify: bool = False) -> Any:
    """Open the workspace, or bring it to the front; returns the widget."""
    return _show_widget(viewer, "Workspace", tabify=tabify)


def show_find_cells(viewer: Viewer) -> Any:
    """Open the panel that finds cells in movies; returns the widget."""
    return _show_widget(viewer, "Find cells", tabify=True)


def show_export(viewer: Viewer) -> Any:
    """Open the panel that exports; returns the widget."""
    return _show_widget(viewer, "Export", tabify=True)


def show_results(viewer: Viewer) -> Any:
    """Open the panel of tables and figures; returns the widget."""
    return _show_widget(viewer, "Results", tabify=True)


def show_panel(viewer: Viewer, name: str) -> Any:
    """Open any of our panels by its name in the menu; returns the widget."""
    return _show_widget(viewer, name, tabify=True)


def _show_widget(viewer: Viewer, name: str, *, tabify: bool) -> Any:
    dock, widget = viewer.window.add_plugin_dock_widget(PLUGIN, name, tabify=tabify)
    dock.show()
    dock.raise_()
    return widget
