"""Copy and save what the trace plot shows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtGui import QAction, QKeySequence
from qtpy.QtWidgets import QApplication, QFileDialog, QMenu, QWidget

from napari_caltrig.exports.writing import ExportError, replacing
from napari_caltrig.measures.figures import save_figure
from napari_caltrig.measures.trace_views import TraceView, ViewedTrace, heatmap_figure
from napari_caltrig.viewer.work import notify_error
from napari_caltrig.widgets.popup import MenuButton
from napari_caltrig.widgets.trace_axis import row_name
from napari_caltrig.widgets.trace_colors import event_color, method_color, signal_name
from napari_caltrig.widgets.trace_layout import ROW_FILL

if TYPE_CHECKING:
    from napari_caltrig.session import Session
    from napari_caltrig.widgets.traces import TracePlot

_PICTURES = "SVG, text stays text (*.svg);;PNG (*.png)"


class TraceExport:
    """A menu: picture and numbers, to the clipboard and to files.

    Parameters
    ----------
    session
        Whose traces.
    view
        The trace plot.
    """

    def __init__(self, session: Session, view: TracePlot) -> None:
        self._session, self._view = session, view
        menu = QMenu()
        menu.setToolTipsVisible(True)
        self.actions_by_name: dict[str, QAction] = {}
        for name, text, key, slot, tip in (
            ("copy", "Copy picture", "Ctrl+C", self.copy_picture, "The plot as you see it"),
            ("numbers", "Copy numbers of the window", "Ctrl+Shift+C", self.copy_numbers,
             "Tab-separated, for a spreadsheet"),
            ("picture", "Save picture of the window …", "", self._ask_picture,
             "SVG or PNG on white; in SVG the text stays text"),
            ("csv", "Save numbers of the window …", "", lambda: self._ask_table(whole=False),
             "CSV: a column per trace, a row per frame"),
            ("whole", "Save whole traces …", "", lambda: self._ask_table(whole=True),
             "CSV: all frames of the shown traces"),
        ):  # fmt: skip
            action = QAction(text, menu)
            if key:
                action.setShortcut(QKeySequence(key))
                action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            action.setToolTip(tip)
            action.triggered.connect(lambda _=False, slot=slot: slot())
            menu.addAction(action)
            view.addAction(action)
            self.actions_by_name[name] = action
        self.button: QWidget = MenuButton("Save", menu, "Copy or save what is shown")

    # What is shown -----------------------------------------------------------

    def view(self) -> TraceView:
        """What is shown, for figures and tables."""
        plot, layout = self._view, self._view.layout_of_rows
        traces = [
            ViewedTrace(
                row_name(curve.key),
                signal_name(curve.signal),
                curve.pyramid,
                curve.scale.offset,
                curve.scale.gain,
                curve.color,
            )
            for curve in plot.curves()
        ]
        overlay = layout.settings.overlay
        ticks = [(bottom + ROW_FILL / 2, str(key)) for key, bottom in layout.bottoms.items()]
        cells = [key for key in layout.keys if isinstance(key, int)]
        spans = self._session.curation.transients.of(cells).table()
        spans["low"] = [layout.boxes[u][0] for u in spans["unit_id"].tolist()]
        spans["height"] = layout.span_height()
        spans["color"] = [method_color(m) for m in spans["method"]]
        return TraceView(
            traces,
            self._session.clock,
            plot.time.visible_frames,
            plot.time.in_seconds,
            layout.y_range,
            None if overlay else ticks,
            spans,
            self._events(),
        )

    def _events(self) -> dict[str, Any]:
        spans = self._view.bar.events.spans
        return {name: (event_color(i), first, last) for name, (i, first, last) in spans.items()}

    # Clipboard ---------------------------------------------------------------

    def copy_picture(self) -> None:
        """Put the plot as it is on the clipboard."""
        QApplication.clipboard().setPixmap(self._view.plot.grab())
        self._view.say("Copied the picture.")

    def copy_numbers(self) -> None:
        """Put the numbers of the window on the clipboard."""
        table = self.view().table()
        QApplication.clipboard().setText(table.to_csv(sep="\t", index=False))
        self._view.say(f"Copied {len(table)} frames of {len(self.view().traces)} traces.")

    # Files -------------------------------------------------------------------

    def save_picture(self, path: Path) -> None:
        """Write the window as SVG or PNG, whatever the name ends in."""
        heatmap = self._view.heatmap
        if heatmap.is_on:
            image, frames = heatmap.visible()
            figure = heatmap_figure(
                image,
                self._session.clock,
                frames,
                seconds=self._view.time.in_seconds,
                label=f"{len(image)} cells",
            )
        else:
            figure = self.view().figure()
        with self._replacing(path) as temporary:
            save_figure(figure, temporary)

    def save_table(self, path: Path, *, whole: bool) -> None:
        """Write the numbers of the window, or of the whole traces, as CSV."""
        table = self.view().table(whole=whole)
        with self._replacing(path) as temporary:
            table.to_csv(temporary, index=False)

    def _replacing(self, path: Path) -> Any:
        originals = [self._session.recording.path, self._session.store.path]
        return replacing(path, folder=False, overwrite=True, originals=originals)

    def _ask_picture(self) -> None:
        if not self._view.heatmap.is_on and not self.view().traces:
            self._view.say("Select cells and signals first: there is nothing to save.")
            return
        path = self._ask("Save picture", "svg", _PICTURES)
        if path is not None:
            self._try(lambda: self.save_picture(path), path)

    def _ask_table(self, *, whole: bool) -> None:
        if not self.view().traces:
            self._view.say("Select cells and signals first: there is nothing to save.")
            return
        path = self._ask("Save traces" if whole else "Save the window", "csv", "CSV (*.csv)")
        if path is not None:
            self._try(lambda: self.save_table(path, whole=whole), path)

    def _ask(self, title: str, suffix: str, kinds: str) -> Path | None:
        folder = self._session.recording.path.parent
        proposed = folder / f"{self._session.recording.name} traces.{suffix}"
        name, chosen = QFileDialog.getSaveFileName(self._view, title, str(proposed), kinds)
        if not name:
            return None
        path = Path(name)
        wanted = ".png" if chosen.startswith("PNG") else f".{suffix}"
        return path if path.suffix else path.with_suffix(wanted)

    def _try(self, save: Any, path: Path) -> None:
        try:
            save()
        except (ExportError, OSError, ValueError) as error:
            notify_error(error)
            return
        self._view.say(f"Saved {path.name}.")
