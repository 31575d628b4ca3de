"""A population analysis as files: tables, figures and a summary."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from napari_caltrig.measures.figures import save_figure
from napari_caltrig.measures.population.figures import population_figures
from napari_caltrig.measures.saving import save_table
from napari_caltrig.measures.whole import whole_file

if TYPE_CHECKING:
    from napari_caltrig.measures.population.study import Population

SUMMARY = "population.json"


def write_population(found: Population, folder: str | Path, *, suffix: str = "svg") -> list[Path]:
    """Write everything that was found; files of the same names are replaced.

    Parameters
    ----------
    found
        The results.
    folder
        Made when missing.
    suffix
        Of the figures: ``"svg"`` (text stays text), ``"pdf"`` or ``"png"``.

    Returns
    -------
    list of Path
        The files, the summary last: where it is, the others are complete.
    """
    out = Path(folder)
    out.mkdir(parents=True, exist_ok=True)
    (out / SUMMARY).unlink(missing_ok=True)
    written = [save_table(table, out / f"{name}.csv") for name, table in found.tables().items()]
    figures = population_figures(found)
    for name, figure in zip(_file_names(figures), figures.values(), strict=True):
        written.append(save_figure(figure, out / f"{name}.{suffix}"))
    written.append(out / SUMMARY)
    with whole_file(written[-1]) as part:
        part.write_text(json.dumps(found.summary(), indent=2, allow_nan=False) + "\n")
    return written


def _file_names(names: Iterable[str]) -> list[str]:
    """Event names come from files of users: anything may be in them, also the same but for a +."""
    taken: list[str] = []
    for name in names:
        plain = free = re.sub(r"[^\w.-]+", "_", name)
        number = 2
        while free.lower() in (t.lower() for t in taken):
            free, number = f"{plain}-{number}", number + 1
        taken.append(free)
    return taken
