"""How figures look: sizes of journal columns, colours that all can tell apart, text as text."""

from __future__ import annotations

import textwrap
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_caltrig.measures.whole import whole_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ONE_COLUMN, TWO_COLUMNS = 3.4, 7.0  # inches; 86 and 178 mm

# Okabe and Ito, Color Universal Design (2008): told apart with any kind of colour vision.
BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY, YELLOW = (
    "#0072b2",
    "#e69f00",
    "#009e73",
    "#d55e00",
    "#cc79a7",
    "#56b4e9",
    "#f0e442",
)
BLACK, GREY = "#222222", "#8a8a8a"
CYCLE = (BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY)
STATUS_COLORS = {"accepted": BLUE, "rejected": VERMILION, "unreviewed": GREY}

RC: Any = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "lines.linewidth": 1.2,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "napari-caltrig",  # the same figure is the same file
    "pdf.fonttype": 42,  # TrueType: editable
}

_lock = threading.RLock()


@contextmanager
def styled() -> Iterator[None]:
    """Draw and save in our style; matplotlib's settings are global, so one thread at a time."""
    import matplotlib as mpl

    with _lock, mpl.rc_context(RC):
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of a size in inches; it belongs to no window."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def save_figure(figure: Figure, path: str | Path, dpi: int = 300) -> Path:
    """Write a figure; the ending of `path` is the format. In SVG and PDF text stays text."""
    path = Path(path)
    without_date = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
    with styled(), whole_file(path) as part:
        figure.savefig(part, dpi=dpi, metadata=without_date.get(path.suffix.lower()))
    return path


def in_lines(name: str, width: int = 14) -> str:
    """A name below an axis, in lines short enough to leave its neighbours room."""
    return "\n".join(textwrap.wrap(name, width)) or name


def legend_below(figure: Figure, handles: Sequence[Any]) -> None:
    """A legend below everything else, in as many columns as its names leave room for."""
    longest = max(len(str(handle.get_label())) for handle in handles)
    letters = figure.get_figwidth() * 14  # of small print, in a line
    columns = int(max(letters // (longest + 7), 1))
    figure.legend(handles=handles, loc="outside lower center", ncols=columns)


def color_of(index: int) -> str:
    """One colour of the cycle."""
    return CYCLE[index % len(CYCLE)]


def panel_label(axes: Axes, text: str) -> None:
    """A title at the left, as above panels of a paper."""
    axes.set_title(text, loc="left")


def rasterize(figure: Figure, dpi: int = 150) -> Any:
    """Return the figure as pixels, shape (Y, X, 4), uint8 RGBA."""
    import numpy as np
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    with styled():
        old = figure.dpi
        figure.set_dpi(dpi)
        canvas: Any = FigureCanvasAgg(figure)
        canvas.draw()
        pixels = np.array(canvas.buffer_rgba())
        figure.set_dpi(old)
    return pixels
