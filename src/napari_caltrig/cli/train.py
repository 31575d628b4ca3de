"""Commands that train models."""

from __future__ import annotations

from pathlib import Path

import click

from napari_caltrig.cli.common import plain_errors, progress_bar

_folder = click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where to save the model; your own model folder by default, so that menus list it.",
)
_seed = click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)


@click.group()
def train() -> None:
    """Train a model on simulated data; without options, as the shipped one was."""


@train.command()
@click.option("--name", default="gru", show_default=True, help="Name of the model.")
@click.option("--steps", type=click.IntRange(min=1), help="Batches to train on.")
@_seed
@_folder
def transients(name: str, steps: int | None, seed: int, folder: Path | None) -> None:
    """Train the GRU that finds transients, on simulated traces."""
    from napari_caltrig.transients import TrainingConfig
    from napari_caltrig.transients import train as run_training

    changes = {} if steps is None else {"steps": steps}
    with plain_errors(), progress_bar("Training") as show:
        config = TrainingConfig(name=name, seed=seed, folder=folder, **changes)
        path = run_training(config, show)
    click.echo(f"model written to {path}")


@train.command()
@click.option(
    "--model",
    type=click.Choice(["compact", "apthorpe-2016"]),
    default="compact",
    show_default=True,
    help="Which network.",
)
@click.option("--steps", type=click.IntRange(min=1), help="Batches to train on.")
@click.option("--examples", type=click.IntRange(min=1), help="Simulated fields to train on.")
@_seed
@_folder
def cells(
    model: str, steps: int | None, examples: int | None, seed: int, folder: Path | None
) -> None:
    """Train a network that finds cells, on simulated movies."""
    from napari_caltrig.cells.training import TrainingConfig
    from napari_caltrig.cells.training import train as run_training

    changes = {"n_steps": steps, "n_examples": examples}
    changes = {key: value for key, value in changes.items() if value is not None}
    with plain_errors(), progress_bar("Training") as show:
        config = TrainingConfig.default(model, seed=seed, **changes)
        path = run_training(config, folder, show)
    click.echo(f"model written to {path}")
