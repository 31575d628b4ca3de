"""Figures for a paper: vector files whose text stays text.

Importing the package brings in no matplotlib; drawing does.
"""

from napari_caltrig.measures.figures.comparison import Comparison, compare
from napari_caltrig.measures.figures.options import CELLS_CHOICES, FigureError, Option
from napari_caltrig.measures.figures.registry import FIGURES, FigureKind, draw, figure_kind
from napari_caltrig.measures.figures.style import rasterize, save_figure
from napari_caltrig.measures.figures.writing import FORMATS, Format, Written, figure_steps

__all__ = [
    "CELLS_CHOICES",
    "FIGURES",
    "FORMATS",
    "Comparison",
    "FigureError",
    "FigureKind",
    "Format",
    "Option",
    "Written",
    "compare",
    "draw",
    "figure_kind",
    "figure_steps",
    "rasterize",
    "save_figure",
]
