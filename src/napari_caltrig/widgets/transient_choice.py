"""The selected transients of the trace plot: choosing, walking, outlining."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

from napari_caltrig.viewer.links import Links
from napari_caltrig.widgets.plot import pg, thin_pen

if TYPE_CHECKING:
    import pandas as pd

    from napari_caltrig.session import Session
    from napari_caltrig.transients.by_hand import Edge
    from napari_caltrig.widgets.traces import TracePlot

_CHOSEN = "#ffffff"
_CHOSEN_ON_LIGHT = "#000000"
_GRIP_PX = 6
_SMALLEST_PX = 14  # a narrower transient is clicked and not gripped


class TransientChoice:
    """Which transients are selected.

    Parameters
    ----------
    session
        Where the transients live.
    view
        The trace plot.
    """

    changed = Signal()
    """Others are selected now."""

    def __init__(self, session: Session, view: TracePlot) -> None:
        self._session = session
        self._view = view
        self.ids: tuple[int, ...] = ()
        self._outline = pg.PlotCurveItem(pen=thin_pen(_CHOSEN), connect="finite")
        self._outline.setZValue(8)
        view.plot.addItem(self._outline)
        self._links = Links(
            (session.curation_changed, self._forget_hidden),
            (session.selection_changed, self._forget_hidden),
        )

    # Choosing ----------------------------------------------------------------

    def choose(self, transient_ids: Iterable[int]) -> None:
        """Select transients by their ids."""
        self.ids = tuple(dict.fromkeys(int(i) for i in transient_ids))
        self.show()
        self.changed.emit()

    def table(self) -> pd.DataFrame:
        """The selected ones."""
        return self._session.curation.transients.take(self.ids).table()

    def shown(self) -> pd.DataFrame:
        """All transients of the shown cells."""
        return self._session.curation.transients.of(self._view.rows).table()

    def at(self, x: float, y: float) -> list[int]:
        """The transient at a point of the plot, as a list of one or none."""
        key = self._view.cell_at(x, y)
        if not isinstance(key, int):
            return []
        table = self._session.curation.transients.of(key).table()
        hit = table.index[(table["onset"] - 1 <= x) & (x < table["end"])]
        return [int(i) for i in hit[-1:]]

    def click(self, x: float, y: float, *, add: bool = False) -> None:
        """Select the transient at a point of the plot, or none; `add` to what is selected."""
        hit = self.at(x, y)
        if not add:
            self.choose(hit)
        elif hit and hit[0] in self.ids:
            self.choose(i for i in self.ids if i != hit[0])
        elif hit:
            self.choose([*self.ids, *hit])

    def choose_box(self, start: tuple[float, float], stop: tuple[float, float]) -> None:
        """Select what a rectangle of the plot touches."""
        (left, right), (low, high) = sorted((start[0], stop[0])), sorted((start[1], stop[1]))
        boxes = self._view.layout_of_rows.boxes
        cells = [k for k, (a, b) in boxes.items() if a < high and b > low]
        table = self.shown()
        hit = table["unit_id"].isin(cells) & (table["onset"] <= right) & (table["end"] > left)
        self.choose(table.index[hit])

    def choose_all(self) -> None:
        """Select every transient of the shown cells."""
        self.choose(self.shown().index)

    def step(self, direction: int) -> bool:
        """Select the next (1) or previous (-1) prediction in the shown cells; False: none left."""
        from napari_caltrig.curation.by_hand import predictions

        rows = {unit_id: i for i, unit_id in enumerate(self._view.rows)}
        table = predictions(self._session.curation, rows)
        places = sorted(
            (rows[unit_id], onset, i)
            for i, unit_id, onset in zip(table.index, table["unit_id"], table["onset"], strict=True)
        )
        now = self._position(rows)
        ahead = [p for p in places if p > now] if direction > 0 else [p for p in places if p < now]
        if not ahead:
            return False
        self.choose([ahead[0 if direction > 0 else -1][2]])
        row = self.table().iloc[0]
        self._view.time.bring_into_view(int(row["onset"]), int(row["end"]))
        self._session.set_frame(int(row["peak"]))
        return True

    def _position(self, rows: dict[int, int]) -> tuple[int, float, int]:
        """Where walking goes on: row, onset, id."""
        table = self.table()
        table = table[table["unit_id"].isin(list(rows))]
        if table.empty:
            return 0, self._session.frame - 0.5, -1
        last = table.iloc[-1]
        return rows[int(last["unit_id"])], int(last["onset"]), int(table.index[-1])

    def _forget_hidden(self, *_: Any) -> None:
        """What is not shown is not selected: a key would delete it unseen."""
        # There may be tens of thousands of transients, and mostly none is selected.
        shown = set(self.shown().index) if self.ids else ()
        self.choose(i for i in self.ids if i in shown)

    # Gripping ----------------------------------------------------------------

    def edge_at(self, x: float, y: float) -> tuple[int, Edge] | None:
        """The edge of a selected transient that can be gripped at a point of the plot."""
        px = self._view.time.frames_per_px
        table = self.table()
        table = table[(table["end"] - table["onset"]) > _SMALLEST_PX * px]
        best: tuple[float, int, Edge] | None = None
        for row in table.itertuples():
            low, high = self._view.layout_of_rows.boxes.get(row.unit_id, (np.inf, -np.inf))
            if not low <= y < high:
                continue
            edges: tuple[tuple[Edge, int], ...] = (
                ("onset", row.onset),
                ("peak", row.peak),
                ("end", row.end - 1),
            )
            for edge, frame in edges:
                distance = abs(frame - x) / px
                if distance <= _GRIP_PX and (best is None or distance < best[0]):
                    best = (distance, int(row.Index), edge)
        return None if best is None else best[1:]

    # Drawing -----------------------------------------------------------------

    def show(self) -> None:
        """Outline the selected ones; a line at the peak."""
        if not self.ids:
            self._outline.setData([], [])
            return
        layout = self._view.layout_of_rows
        x: list[float] = []
        y: list[float] = []
        table = self.table()
        for row in table.itertuples():
            box = layout.boxes.get(row.unit_id)
            if box is not None:
                low, high = box[0], box[0] + layout.span_height()
                left, right, peak = row.onset, row.end - 1, row.peak
                x += [left, left, right, right, left, np.nan, peak, peak, np.nan]
                y += [low, high, high, low, low, np.nan, low, high, np.nan]
        self._outline.setData(np.array(x, float), np.array(y, float))

    def set_dark(self, dark: bool) -> None:
        """Draw for a dark or a light background."""
        self._outline.setPen(thin_pen(_CHOSEN if dark else _CHOSEN_ON_LIGHT))

    def disconnect_all(self) -> None:
        """Stop listening."""
        self._links.disconnect()
