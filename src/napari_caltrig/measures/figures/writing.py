"""Figures to files, one by one or all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from napari_caltrig.measures.figures.options import FigureError
from napari_caltrig.measures.figures.registry import FIGURES, draw, figure_kind
from napari_caltrig.measures.figures.style import save_figure
from napari_caltrig.steps import Step, Steps

if TYPE_CHECKING:
    from napari_caltrig.measures.measuring import Measures

FORMATS = ("svg", "pdf", "png")
Format = Literal["svg", "pdf", "png"]


@dataclass(frozen=True)
class Written:
    """What came of writing figures.

    Parameters
    ----------
    files
        Those that were written.
    missing
        Per figure that could not be drawn: why.
    """

    files: list[Path] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)


def figure_steps(
    measures: Measures,
    folder: Path,
    names: Iterable[str] | None = None,
    *,
    file_format: Format = "svg",
    options: Mapping[str, Any] | None = None,
) -> Steps[Written]:
    """Write figures into a folder, as ``NAME.FORMAT``.

    Parameters
    ----------
    measures
        Of `measure`.
    folder
        Made when missing; files of the same name are replaced.
    names
        Of `FIGURES`; all by default.
    file_format
        ``"svg"``, ``"pdf"`` or ``"png"`` (300 dpi).
    options
        By name; each figure takes those that it knows.

    Returns
    -------
    Written
        Figures that the data do not allow are named, the others are there.

    Raises
    ------
    ValueError
        If there is no such figure, format or option.
    """
    if file_format not in FORMATS:
        raise ValueError(f"figures are written as {', '.join(FORMATS)}, not {file_format!r}")
    chosen = list(FIGURES) if names is None else list(names)
    given = dict(options or {})
    known = {o.name for name in chosen for o in figure_kind(name).options}
    if unknown := sorted(set(given) - known):
        raise ValueError(f"none of these figures has the option {', '.join(unknown)}")
    folder.mkdir(parents=True, exist_ok=True)
    written = Written()
    for i, name in enumerate(chosen):
        yield Step(i, len(chosen), f"Drawing {name}")
        own = {o.name: given[o.name] for o in FIGURES[name].options if o.name in given}
        try:
            figure = draw(name, measures, own)
        except FigureError as error:
            written.missing[name] = str(error)
            continue
        written.files.append(save_figure(figure, folder / f"{name}.{file_format}"))
    yield Step(len(chosen), len(chosen), "Drawing figures")
    return written
