"""Commands that train models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from napari_caltrig.cli.common import Number, plain_errors, progress_bar

if TYPE_CHECKING:
    from napari_caltrig.steps import Progress
    from napari_caltrig.weights import Kind

_folder = click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where to save the model; your own model folder by default, so that menus list it.",
)
_seed = click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
_overwrite = click.option("--overwrite", is_flag=True, help="Replace a model of this name.")


@click.group()
def train() -> None:
    """Train a model on simulated data, as the shipped ones were, or on your own transients."""


@train.command()
@click.option(
    "--from",
    "sources",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="SESSION.caltrig",
    help="Learn from the confirmed transients in this file; may be given several times.",
)
@click.option(
    "--architecture",
    type=click.Choice(["gru", "lstm", "transformer", "local-transformer"]),
    help="Network to train from nothing: on simulated traces, or with --from on your transients "
    "alone [default without --from: gru].",
)
@click.option("--base", help="With --from: the model to begin with [default: gru].")
@click.option(
    "--name",
    help="Name of the model [default: the architecture; with --from BASE-own or own-ARCHITECTURE].",
)
@click.option("--steps", type=click.IntRange(min=1), help="Batches to train on, at most.")
@click.option("--resume", is_flag=True, help="Go on where an interrupted training ended.")
@_seed
@_folder
@_overwrite
def transients(
    sources: tuple[Path, ...],
    architecture: str | None,
    base: str | None,
    name: str | None,
    steps: int | None,
    resume: bool,
    seed: int,
    folder: Path | None,
    overwrite: bool,
) -> None:
    """Train a network that finds transients.

    Without --from it learns from simulated traces, as the shipped models did.
    With --from a shipped model learns from the transients that you have
    confirmed, or with --architecture a new network that knows nothing else; a
    fifth of your cells is held back to score it.
    """
    if base and architecture:
        raise click.UsageError(
            "--base goes on with a model, --architecture begins with a new network: give one"
        )
    if base and not sources:
        raise click.UsageError("--base needs --from")
    if sources and not architecture:
        usual = f"{Path(base or 'gru').stem}-own"
    else:
        usual = f"own-{architecture}" if sources else architecture or "gru"
    chosen = name or usual
    _check_model(chosen, folder, overwrite, anew=not (sources or name), resume=resume)
    changes = {} if steps is None else {"steps": steps}
    options = {"name": chosen, "seed": seed, "folder": folder, **changes}
    with plain_errors(), progress_bar("Training") as show:
        if sources:
            begin = {"architecture": architecture} if architecture else {"base": base or "gru"}
            path = _learn_own(sources, {**begin, **options}, show, resume)
        else:
            from napari_caltrig.transients.training import TrainingConfig
            from napari_caltrig.transients.training import train as run_training

            config = TrainingConfig.preset(architecture or "gru", **options)
            path = run_training(config, show, resume=resume)
    _report(path, "transients")


def _learn_own(
    sources: tuple[Path, ...], options: dict[str, Any], show: Progress, resume: bool
) -> Path:
    from napari_caltrig.steps import run
    from napari_caltrig.training_data import read_labelled_steps
    from napari_caltrig.transients.own_training import OwnTrainingConfig, train_on_own
    from napari_caltrig.transients.tuning import TuningConfig, tune

    new = "architecture" in options
    config = OwnTrainingConfig(**options) if new else TuningConfig(**options)
    data = run(read_labelled_steps(sources))
    n_cells, n_spans = sum(map(len, data)), sum(len(part.spans) for part in data)
    click.echo(f"learning from {n_spans} transients of {n_cells} cells")
    if isinstance(config, OwnTrainingConfig):
        return train_on_own(data, config, show, resume=resume)
    return tune(data, config, show, resume=resume)


@train.command()
@click.option("--batches", type=click.IntRange(min=1), help="Batches of traces to simulate.")
@_seed
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Where to save the model.",
)
@_overwrite
def onsets(batches: int | None, seed: int, folder: Path, overwrite: bool) -> None:
    """Train anew the shipped network that places the onsets of transients.

    It learns from simulated traces how far from the true onset the networks
    for transients are.
    """
    from napari_caltrig.transients.onset_training import OnsetTrainingConfig, train_onsets
    from napari_caltrig.transients.onsets import MODEL

    _check_model(MODEL, folder, overwrite, anew=True)
    changes = {} if batches is None else {"batches": batches}
    with plain_errors(), progress_bar("Training") as show:
        path = train_onsets(OnsetTrainingConfig(seed=seed, folder=folder, **changes), show)
    _report(path, "onsets")


def _check_model(
    name: str, folder: Path | None, overwrite: bool, *, anew: bool = False, resume: bool = False
) -> None:
    """Refuse a model that cannot or must not be written, before any work is done."""
    from napari_caltrig.transients.learning import unfinished_path
    from napari_caltrig.weights import check_new_model, model_path

    try:
        check_new_model(name, folder, anew=anew)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    # What goes on has been allowed to replace it when it was begun.
    goes_on = resume and unfinished_path(name, folder).is_file()
    path = model_path(name, folder)
    if path.exists() and not overwrite and not goes_on:
        raise click.UsageError(f"{path} exists already; give --overwrite to replace it")


def _report(path: Path, kind: Kind) -> None:
    from napari_caltrig.weights import is_shipped, load_model

    click.echo(f"model written to {path}")
    if is_shipped(path.stem) and kind != "onsets":
        click.echo(f"use it by this path: {path.stem} alone means the shipped model")
    for line in load_model(path, kind)[0].described_scores():
        click.echo(line)


@train.command()
@click.option(
    "--model",
    default="compact",
    show_default=True,
    metavar="NAME",
    help="compact, apthorpe-2016 or apthorpe-2016-2d; with --from also a model of your own. --data "
    "needs one of the last two.",
)
@click.option(
    "--from",
    "sources",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Go on learning from the accepted cells in this .caltrig file, or from this movie or "
    "image and its --labels; may be given several times.",
)
@click.option(
    "--labels",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="With --from MOVIE: ImageJ regions (.zip) or a labels image (.tif, .npy), one for each.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Learn from TIFF movies with ImageJ regions (same name, .zip) in FOLDER/training; the "
    "outlines are tuned on FOLDER/validation and the model is scored on FOLDER/test.",
)
@click.option("--name", help="With --from, --data: name of the model [default: NAME-own].")
@click.option("--steps", type=click.IntRange(min=1), help="Batches to train on.")
@click.option("--examples", type=click.IntRange(min=1), help="Simulated fields to train on.")
@click.option(
    "--diameter",
    type=Number(min=2),
    metavar="PX",
    help="With --data: cell diameter; measured from the regions by default. 10 keeps the pixels.",
)
@_seed
@_folder
@_overwrite
def cells(
    model: str,
    sources: tuple[Path, ...],
    labels: tuple[Path, ...],
    data: Path | None,
    name: str | None,
    steps: int | None,
    examples: int | None,
    diameter: float | None,
    seed: int,
    folder: Path | None,
    overwrite: bool,
) -> None:
    """Train a network that finds cells.

    Without --from or --data it learns from simulated movies, as the shipped models did. With
    --from a model goes on learning from your cells, and is scored before and after on a part
    that was held out. With --data a network of Apthorpe et al. (2016) learns from nothing, is
    tuned and scored on your own fields.
    """
    if data is not None and sources:
        raise click.UsageError("give --from or --data, not both")
    if data is None and diameter:
        raise click.UsageError("--diameter needs --data")
    if name and not (data or sources):
        raise click.UsageError("--name needs --from or --data")
    if labels and not sources:
        raise click.UsageError("--labels needs --from MOVIE")
    if examples and (data or sources):
        raise click.UsageError("--examples is for simulated fields")
    if data is not None:
        from napari_caltrig.cells.training import PAPER_MODELS

        if model not in PAPER_MODELS:
            raise click.UsageError(f"--data needs --model {' or '.join(PAPER_MODELS)}")
    own, stem = bool(data or sources), Path(model).stem
    _check_model(name or (f"{stem}-own" if own else stem), folder, overwrite, anew=not own)
    given = {"name": name, "n_steps": steps, "diameter": diameter, "n_examples": examples}
    changes = {key: value for key, value in given.items() if value is not None}
    with plain_errors(), progress_bar("Training") as show:
        path = _train_cells(model, sources, labels, data, {"seed": seed, **changes}, folder, show)
    _report(path, "cells")


def _train_cells(
    model: str,
    sources: tuple[Path, ...],
    labels: tuple[Path, ...],
    data: Path | None,
    changes: dict[str, Any],
    folder: Path | None,
    show: Progress,
) -> Path:
    if sources:
        from napari_caltrig.cells.own_training import OwnConfig, train_on_own
        from napari_caltrig.training_data import read_labelled_fields

        fields = read_labelled_fields(sources, labels)
        n_cells = sum(len(field.cells) for field in fields)
        click.echo(f"learning from {n_cells} cells in {len(fields)} field(s)")
        return train_on_own(fields, OwnConfig(base=model, **changes), folder, show)
    if data is not None:
        from napari_caltrig.cells.paper_training import PaperConfig, train_on_folder

        return train_on_folder(data, PaperConfig(model=model, **changes), folder, show)
    from napari_caltrig.cells.training import TrainingConfig
    from napari_caltrig.cells.training import train as run_training

    return run_training(TrainingConfig.default(model, **changes), folder, show)
