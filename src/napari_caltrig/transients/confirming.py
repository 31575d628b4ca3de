"""Bringing found transients together with those a curation has already.

All modes look at rising phases, ``[onset, peak]``, as sets of frames of a cell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_caltrig.recording import Transients
from napari_caltrig.transients.inputs import bridge_gaps
from napari_caltrig.transients.marking import empty_table, joined
from napari_caltrig.transients.methods import table_methods
from napari_caltrig.transients.rises import BASELINE_S, baselines

ConfirmMode = Literal["update", "add", "replace", "intersect", "union"]
CONFIRM_MODES: tuple[ConfirmMode, ...] = get_args(ConfirmMode)


@dataclass(frozen=True, eq=False)
class Confirmed:
    """What a confirmation changes; everything else stays as it is.

    Parameters
    ----------
    removed
        Ids of transients that go.
    added
        Transients that come, columns as of `detect_transients`. `amplitude` is
        NaN where the span is neither the old nor the new one, see
        `with_amplitudes`.
    """

    removed: tuple[int, ...]
    added: pd.DataFrame


def confirm(
    existing: pd.DataFrame | Transients,
    new: pd.DataFrame | Transients,
    mode: ConfirmMode = "add",
    *,
    unit_ids: Iterable[int] | None = None,
    method: str | None = None,
) -> Confirmed:
    """Work out how found transients change those of a curation.

    Parameters
    ----------
    existing
        As of `Transients.table`; the index holds their ids.
    new
        Found transients, as of `detect_transients`.
    mode
        ``"add"``: new ones that share no frame with an existing one.
        ``"update"``: the same after the existing ones of the same method are
        gone, so that a method can be run again. CalTrig's rule is a method of
        its own.
        ``"replace"``: all new ones; all existing ones go.
        ``"intersect"`` (frame-wise AND): frames that are in both. Each overlap
        of an existing with a new transient is a transient; an existing one
        without overlap goes.
        ``"union"`` (frame-wise OR): frames that are in either. Transients that
        share a frame become one; those that only touch stay apart.
    unit_ids
        The cells that were looked at, with or without result: existing
        transients of others are left alone. By default those in `new`.
    method
        Whose transients ``"update"`` takes back, see `methods.METHODS`; by default those in
        `new`.

    Returns
    -------
    Confirmed
        A transient whose span does not change is neither removed nor added, and
        keeps its id; so does one that a method finds again just as it was. One
        whose span changes says of itself (method, model, probability) what the
        existing transient said from which it comes, of
        several the one with the earliest onset. `end` is the earlier (AND) or
        later (OR) one, and never beyond the next onset: an existing transient in
        whose decay another comes to begin ends there.

    Raises
    ------
    ValueError
        If there is no such mode.
    """
    if mode not in CONFIRM_MODES:
        raise ValueError(f"a mode is one of {', '.join(CONFIRM_MODES)}, not {mode!r}")
    old = existing.table() if isinstance(existing, Transients) else existing
    come = new.table() if isinstance(new, Transients) else new
    cells = come["unit_id"].unique().tolist() if unit_ids is None else list(unit_ids)
    old, come = (t[t["unit_id"].isin(cells)].sort_values("onset") for t in (old, come))
    all_old = old
    if mode == "update":
        methods = [method] if method is not None else table_methods(come).unique().tolist()
        stale = table_methods(old).isin(methods)
        removed, old = old.index[stale].tolist(), old[~stale]
    else:
        removed = []
    added: list[pd.DataFrame] = [empty_table()]
    by_cell = dict(list(come.groupby("unit_id")))
    of_cell = dict(list(old.groupby("unit_id")))
    for unit_id in dict.fromkeys(int(u) for u in cells):
        mine = of_cell.get(unit_id, old.iloc[:0])
        gone, comes = _MODES[mode](mine, by_cell.get(unit_id, come.iloc[:0]))
        removed += gone
        if len(comes):
            stay = mine.loc[~mine.index.isin(gone)]
            shorter = stay[stay["end"] > _next_onsets(stay, comes["onset"])]
            removed += shorter.index.tolist()
            added.append(_ends_before_next(joined([comes, shorter]), stay["onset"]))
    table = joined(added)[list(added[0].columns)]
    return _without_the_same(all_old.loc[removed], table)


def _without_the_same(removed: pd.DataFrame, added: pd.DataFrame) -> Confirmed:
    """What changes, less the transients that would go and come again in every respect equal."""
    columns = list(added.columns)
    goes, comes = (
        [
            tuple(None if pd.isna(v) else v for v in row)
            for row in t[columns].itertuples(index=False)
        ]
        for t in (removed, added)
    )
    same = set(goes) & set(comes)
    kept = tuple(int(i) for i, row in zip(removed.index, goes, strict=True) if row not in same)
    new = np.array([row not in same for row in comes], dtype=bool)
    return Confirmed(kept, added[new].reset_index(drop=True))


def with_amplitudes(
    table: pd.DataFrame,
    dff: NDArray[np.floating[Any]],
    unit_ids: Iterable[int],
    frame_rate: float,
) -> pd.DataFrame:
    """Measure the amplitudes that are NaN: dF/F at the peak above the 0.1 s up to the onset.

    Parameters
    ----------
    table
        Transients, as of `Confirmed.added`.
    dff
        Shape (cells, frames); cells of the table that are not in it keep NaN.
    unit_ids
        Ids of the cells in `dff`.
    frame_rate
        Frames per second (Hz).
    """
    width = max(round(BASELINE_S * frame_rate), 1)
    amplitude = table["amplitude"].to_numpy(np.float64).copy()
    unknown = np.isnan(amplitude)
    for unit_id, trace in zip(unit_ids, bridge_gaps(dff), strict=True):
        rows = np.flatnonzero(unknown & (table["unit_id"] == unit_id).to_numpy())
        onset, peak = (table[c].to_numpy(np.int64)[rows] for c in ("onset", "peak"))
        amplitude[rows] = trace[peak] - baselines(trace, onset, width)
    return table.assign(amplitude=amplitude)


_Change = tuple[list[int], pd.DataFrame]


def _add(old: pd.DataFrame, new: pd.DataFrame) -> _Change:
    free = np.flatnonzero(~_overlaps(new, old).any(axis=1))
    return [], new.iloc[free]


def _replace(old: pd.DataFrame, new: pd.DataFrame) -> _Change:
    return old.index.tolist(), new


def _intersect(old: pd.DataFrame, new: pd.DataFrame) -> _Change:
    pairs = np.argwhere(_overlaps(old, new))
    gone, rows = set(range(len(old))), []
    for i, k in pairs.tolist():
        a, b = old.iloc[i], new.iloc[k]
        onset, peak = max(a["onset"], b["onset"]), min(a["peak"], b["peak"])
        if (onset, peak) == (a["onset"], a["peak"]):
            gone.discard(i)
            continue
        rows.append(_like(a, onset, peak, max(min(a["end"], b["end"]), peak + 1), (a, b)))
    return old.index[sorted(gone)].tolist(), _table_of(rows)


def _union(old: pd.DataFrame, new: pd.DataFrame) -> _Change:
    both = pd.concat([t for t in (old, new) if len(t)]) if len(old) or len(new) else new
    is_old = np.arange(len(both)) < len(old)
    gone, rows = [], []
    for group in _groups(both):
        members = [both.iloc[i] for i in group]
        mine = [i for i in group if is_old[i]]
        onset, peak = min(m["onset"] for m in members), max(m["peak"] for m in members)
        if len(mine) == 1:
            a = both.iloc[mine[0]]
            if (onset, peak) == (a["onset"], a["peak"]):
                continue
        gone += [int(both.index[i]) for i in mine]
        end = max(m["end"] for m in members)
        rows.append(_like(both.iloc[(mine or group)[0]], onset, peak, end, members))
    return gone, _table_of(rows)


_MODES: dict[str, Callable[[pd.DataFrame, pd.DataFrame], _Change]] = {
    "update": _add,  # what is stale has gone before
    "add": _add,
    "replace": _replace,
    "intersect": _intersect,
    "union": _union,
}


def _overlaps(first: pd.DataFrame, second: pd.DataFrame) -> NDArray[np.bool_]:
    """Whether two rising phases share a frame, shape (first, second)."""
    onset, peak = (first[c].to_numpy(np.int64)[:, None] for c in ("onset", "peak"))
    others = (second[c].to_numpy(np.int64) for c in ("onset", "peak"))
    other_onset, other_peak = others
    return np.asarray((onset <= other_peak) & (peak >= other_onset))


def _groups(table: pd.DataFrame) -> Iterator[list[int]]:
    """Rows that are linked by shared frames, the earliest onset first."""
    onset, peak = (table[c].to_numpy(np.int64) for c in ("onset", "peak"))
    group: list[int] = []
    reach = -1
    for i in np.argsort(onset, kind="stable").tolist():
        if group and onset[i] > reach:
            yield group
            group = []
        group.append(i)
        reach = max(reach, int(peak[i]))
    if group:
        yield group


def _like(
    origin: pd.Series[Any], onset: int, peak: int, end: int, sources: Iterable[pd.Series[Any]]
) -> dict[str, Any]:
    """A row that comes from another, with a span of its own."""
    same = [s["amplitude"] for s in sources if (s["onset"], s["peak"]) == (onset, peak)]
    amplitude = same[0] if same else np.nan
    return {**origin, "onset": onset, "peak": peak, "end": end, "amplitude": amplitude}


def _table_of(rows: list[dict[str, Any]]) -> pd.DataFrame:
    if not rows:
        return empty_table()
    return pd.DataFrame(rows).astype(dict.fromkeys(("unit_id", "onset", "peak", "end"), "int64"))


def _ends_before_next(table: pd.DataFrame, others: pd.Series[int]) -> pd.DataFrame:
    """Transients of one cell, none of which lasts beyond the next onset."""
    table = table.sort_values("onset")
    limit = _next_onsets(table, pd.concat([table["onset"], others]))
    return table.assign(end=np.minimum(table["end"].to_numpy(np.int64), limit))


def _next_onsets(table: pd.DataFrame, onsets: pd.Series[int]) -> NDArray[np.int64]:
    """The first of the onsets after each peak, of one cell."""
    ordered = np.sort(onsets.to_numpy(np.int64))
    following = np.append(ordered, np.iinfo(np.int64).max)
    peak = table["peak"].to_numpy(np.int64)
    return np.asarray(following[np.searchsorted(ordered, peak, side="right")])
