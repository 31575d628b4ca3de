"""A population analysis as files: tables, figures and a summary."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from napari_caltrig.measures.figures import save_figure
from napari_caltrig.measures.population.figures import population_figures

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
    written = []
    for name, table in found.tables().items():
        written.append(out / f"{_file_name(name)}.csv")
        table.to_csv(written[-1], index=False)
    for name, figure in population_figures(found).items():
        written.append(save_figure(figure, out / f"{_file_name(name)}.{suffix}"))
    written.append(out / SUMMARY)
    written[-1].write_text(json.dumps(found.summary(), indent=2, allow_nan=False) + "\n")
    return written


def _file_name(name: str) -> str:
    """Event names come from files of users: anything may be in them."""
    return re.sub(r"[^\w.-]+", "_", name)
