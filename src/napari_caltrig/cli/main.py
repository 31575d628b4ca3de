"""The group of all commands. Commands import what they need when they run."""

from __future__ import annotations

import click

from napari_caltrig import __version__
from napari_caltrig.cli.analyse import detect_transients, find_cells
from napari_caltrig.cli.batch import batch
from napari_caltrig.cli.behaviour import behaviour
from napari_caltrig.cli.export import export
from napari_caltrig.cli.label_next import label_next
from napari_caltrig.cli.look import demo, info, open_
from napari_caltrig.cli.measure import figures, measure
from napari_caltrig.cli.population import population
from napari_caltrig.cli.project import project
from napari_caltrig.cli.train import train


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="napari-caltrig")
def main() -> None:
    """Curate calcium imaging: cells, traces and transients of Minian and CaImAn recordings.

    Exit codes: 0 done, 1 could not be done, 2 wrong usage or unreadable input, 130 interrupted.
    """


ANALYSES = (detect_transients, find_cells, measure, figures, population)
MANY = (project, batch)
for command in (demo, open_, info, behaviour, *ANALYSES, label_next, train, export, *MANY):
    main.add_command(command)
