"""The group of all commands. Commands import what they need when they run."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

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

_PACKAGE = Path(__file__).parents[1]


class _Commands(click.Group):
    """All commands: what they warn of is a line each, and an interruption has its exit code."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Remember what was asked for."""
        ctx.meta[__name__] = list(args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            try:
                return super().invoke(ctx)
            except KeyboardInterrupt:
                again = "; the same command with --resume continues" if _can_resume(ctx) else ""
                click.echo(f"Interrupted{again}.", err=True)
                raise click.exceptions.Exit(130) from None


def _can_resume(ctx: click.Context) -> bool:
    """Whether the command that runs has ``--resume``."""
    command = ctx.command
    for word in ctx.meta[__name__]:
        if isinstance(command, click.Group):
            command = command.commands.get(word, command)
    return any("--resume" in parameter.opts for parameter in command.params)


def _show_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, *more: Any
) -> None:
    """Warnings to the person at the shell; those of other packages as Python shows them."""
    own = Path(filename).is_relative_to(_PACKAGE)
    text = f"warning: {message}\n"
    if not own:
        text = warnings.formatwarning(message, category, filename, lineno)
    click.echo(text, err=True, nl=False)


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="napari-caltrig")
def main() -> None:
    """Curate calcium imaging: cells, traces and transients of Minian and CaImAn recordings.

    Exit codes: 0 done, 1 could not be done, 2 wrong usage or unreadable input, 130 interrupted.
    """


ANALYSES = (detect_transients, find_cells, measure, figures, population)
MANY = (project, batch)
for command in (demo, open_, info, behaviour, *ANALYSES, label_next, train, export, *MANY):
    main.add_command(command)
