"""Colours of the cells: by cell, by status, or by any column of the table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from napari_caltrig.session import Session

BY_CELL = "cell"
BY_STATUS = "status"

Color = tuple[float, float, float, float]

# Rejected cells stay visible, so that a rejection can be judged and undone.
REJECTED_GREY: Color = (0.55, 0.55, 0.55, 0.35)
STATUS_COLORS: dict[str, Color] = {
    "accepted": (0.25, 0.85, 0.35, 1.0),
    "rejected": (0.95, 0.27, 0.25, 0.8),
    "unreviewed": (0.45, 0.72, 1.0, 1.0),
}
UNKNOWN: Color = (0.6, 0.6, 0.6, 0.6)
HIDDEN: Color = (0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Coloring:
    """Colour of every cell, and what the colours mean.

    Parameters
    ----------
    colors
        RGBA from 0 to 1 per unit_id.
    legend
        For the user: values or limits with their colours, low to high.
    """

    colors: dict[int, Color]
    legend: tuple[tuple[str, Color], ...] = ()


def color_cells(session: Session, by: str) -> Coloring:
    """Give every cell of a session a colour.

    Parameters
    ----------
    session
        Whose cells. Those that were merged or split are not drawn.
    by
        `BY_CELL` (neighbours differ), `BY_STATUS` or a column of the table:
        numbers on a scale from their 2nd to their 98th percentile, anything
        else a colour per value.
    """
    table = session.cell_table()
    if by == BY_CELL or by not in table.columns:
        coloring = _by_cell(table)
    elif by == BY_STATUS:
        colors = {u: STATUS_COLORS[s] for u, s in table["status"].items()}
        coloring = Coloring(colors, tuple(STATUS_COLORS.items()))
    elif table[by].dtype.kind in "iuf":
        coloring = _by_number(table[by])
    else:
        coloring = _by_text(table[by])
    hidden = hidden_cells(session)
    return Coloring({**coloring.colors, **dict.fromkeys(hidden, HIDDEN)}, coloring.legend)


def hidden_cells(session: Session) -> set[int]:
    """Cells that others stand for: merged or split, and not taken back by the user."""
    replaced = session.curation.replaced
    return {u for u in replaced if session.curation.status(u).status == "rejected"}


def _by_cell(table: pd.DataFrame) -> Coloring:
    from napari.utils.colormaps import label_colormap

    colors = label_colormap(49).map(table.index.to_numpy() + 1)
    rejected = (table["status"] == "rejected").to_numpy()
    return Coloring(
        {
            int(u): REJECTED_GREY if grey else _color(c)
            for u, c, grey in zip(table.index, colors, rejected, strict=True)
        }
    )


def _by_number(values: pd.Series) -> Coloring:
    from napari.utils.colormaps import ensure_colormap

    numbers = values.to_numpy(float)
    finite = numbers[np.isfinite(numbers)]
    if not finite.size:
        return Coloring(dict.fromkeys(map(int, values.index), UNKNOWN))
    low, high = (float(v) for v in np.percentile(finite, [2, 98]))
    span = high - low or 1.0
    scale = ensure_colormap("viridis")
    colors = scale.map(np.clip(np.nan_to_num((numbers - low) / span), 0, 1))
    known = np.isfinite(numbers)
    ends = scale.map(np.array([0.0, 0.5, 1.0]))
    texts = (f"≤ {low:.3g}", f"{(low + high) / 2:.3g}", f"≥ {high:.3g}")
    return Coloring(
        {
            int(u): _color(c) if k else UNKNOWN
            for u, c, k in zip(values.index, colors, known, strict=True)
        },
        tuple((text, _color(c)) for text, c in zip(texts, ends, strict=True)),
    )


def _by_text(values: pd.Series) -> Coloring:
    from napari.utils.colormaps import label_colormap

    names = sorted(v for v in values.unique() if v)
    palette = dict(
        zip(names, map(_color, label_colormap(49).map(np.arange(1, len(names) + 1))), strict=True)
    )
    colors = {int(u): palette.get(v, UNKNOWN) for u, v in values.items()}
    return Coloring(colors, tuple(palette.items()))


def selection_image(session: Session) -> NDArray[np.uint8]:
    """The selected cells as they truly are: weighted footprints with an outline, (Y, X, 4).

    Each in its own colour, as dense as its weight; the outline lies at half of
    the peak.
    """
    from napari.utils.colormaps import label_colormap

    height, width = session.recording.shape
    image = np.zeros((height * width, 4), np.uint8)
    chosen = [u for u in session.selection if u in session.footprints]
    if not chosen:
        return image.reshape(height, width, 4)
    colors = label_colormap(49).map(np.array(chosen) + 1)[:, :3]
    # Dark colours of the palette would not be seen over a grey movie.
    tints = (255 * colors / colors.max(axis=1, keepdims=True)).astype(np.uint8)
    outlines = []
    for unit_id, tint in zip(chosen, tints, strict=True):
        pixels, weights = session.footprints.pixels(unit_id)
        if not pixels.size:
            continue
        alpha = (200 * weights / weights.max()).astype(np.uint8)
        wins = alpha > image[pixels, 3]
        image[pixels[wins], :3] = tint
        image[pixels[wins], 3] = alpha[wins]
        outlines.append(_outline(session, unit_id))
    image[np.concatenate(outlines) if outlines else []] = (255, 230, 60, 255)
    return image.reshape(height, width, 4)


def _outline(session: Session, unit_id: int) -> NDArray[np.int64]:
    """Pixels at the rim of a cell's body."""
    from scipy.ndimage import binary_erosion

    crop = session.footprints.crop(unit_id, margin=1)
    body = crop.weights >= 0.5 * crop.weights.max()
    # At the border of the field the box ends with the body.
    y, x = np.nonzero(body & ~binary_erosion(body))
    return np.asarray((y + crop.top) * session.recording.shape[1] + x + crop.left, np.int64)


def _color(values: Any) -> Color:
    r, g, b, a = (float(v) for v in values)
    return (r, g, b, a)
