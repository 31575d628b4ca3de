"""A new network that knows nothing but the transients that a person has confirmed."""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from napari_caltrig.steps import Progress, run
from napari_caltrig.transients.inputs import CHANNELS
from napari_caltrig.transients.labelled import LabelledTraces
from napari_caltrig.transients.learning import (
    SAVE_EVERY,
    Learner,
    LearningStep,
    Schedule,
    all_arguments,
    unfinished_path,
)
from napari_caltrig.transients.own_examples import OwnWindows
from napari_caltrig.transients.training import TrainingConfig
from napari_caltrig.transients.tuning import cells_by_recording, described_labels, split_cells
from napari_caltrig.transients.validation import event_f1, scored
from napari_caltrig.weights import ModelCard, check_model_name, save_model

_MIN_CELLS_FOR_VALIDATION = 5
_WITHOUT_SUMMARIES = {"channels": CHANNELS.index("usual change")}


@dataclass(frozen=True)
class OwnTrainingConfig:
    """How a new network learns from a person's cells alone.

    Parameters
    ----------
    name
        Name of the new model.
    architecture
        A name in `training.PRESETS`.
    seed
        Of the weights, the split and every batch.
    steps
        Batches.
    learning_rate
        Highest rate of the one-cycle schedule.
    batch, window
        Examples per batch and frames per example.
    validation
        Share of the cells that are held back to score what was learned; none
        of fewer than five, none if this is 0.
    threshold
        Default threshold that the card will say. A network that knows a few
        cells is not sure of others: their transients often get less than 0.5.
    evaluate_every
        Steps between two scores.
    folder
        Where to save; the user's model folder by default.
    """

    name: str
    architecture: str = "gru"
    seed: int = 0
    steps: int = 300
    learning_rate: float = 4e-3
    batch: int = 24
    window: int = 400
    validation: float = 0.2
    threshold: float = 0.4
    evaluate_every: int = 20
    folder: Path | None = None

    def __post_init__(self) -> None:
        check_model_name(self.name)
        if min(self.steps, self.batch, self.window, self.evaluate_every) < 1:
            raise ValueError("steps, batch, window and evaluate_every must be positive")
        if not 0 <= self.validation < 1:
            raise ValueError(f"validation is a fraction from 0 to below 1, not {self.validation}")
        if not 0 < self.threshold < 1:
            raise ValueError(f"the threshold lies between 0 and 1, not {self.threshold}")
        TrainingConfig.preset(self.architecture)  # raises if there is none


def train_on_own(
    data: Sequence[LabelledTraces],
    config: OwnTrainingConfig,
    progress: Progress | None = None,
    *,
    resume: bool = False,
) -> Path:
    """Train a new network on some labelled cells, and save it with its card.

    Parameters
    ----------
    data
        Labelled cells of one or more recordings.
    config
        How.
    progress
        Called with a `learning.LearningStep` now and then; an exception stops
        the work.
    resume
        Go on with an interrupted training with this configuration and these
        labels, if there is one.

    Returns
    -------
    Path
        The ``.safetensors`` file; the card lies beside it.

    Raises
    ------
    ValueError
        If there is no labelled cell.
    FormatError
        If the interrupted training is damaged or of another configuration.

    Notes
    -----
    The network does without the last three channels of `inputs.CHANNELS`, which
    tell of each cell how large its changes are. Of a few cells they are not
    learned but serve to recognise these cells, and on other cells the network
    then errs.

    Whole cells are held back to be scored, one in five. Of the scores from half
    of the steps on, the latest than which none was better is kept; with nothing
    held back the last weights are.
    """
    return run(train_on_own_steps(data, config, resume=resume), progress)


def train_on_own_steps(
    data: Sequence[LabelledTraces], config: OwnTrainingConfig, *, resume: bool = False
) -> Generator[LearningStep, None, Path]:
    """`train_on_own` as a generator; close it to cancel, and `resume` to go on."""
    import torch

    from napari_caltrig.transients.networks import build_network

    data = [part for part in data if len(part)]
    if not data:
        raise ValueError("there is no cell with confirmed transients to learn from")
    learned, held_back = split_cells(
        data, config.validation, config.seed, at_least=_MIN_CELLS_FOR_VALIDATION
    )
    yield LearningStep(0, config.steps, "preparing traces")
    architecture = TrainingConfig.preset(config.architecture).architecture
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        network = build_network(architecture, _WITHOUT_SUMMARIES)
    schedule = Schedule(config.steps, config.learning_rate)
    learner = Learner(network, schedule, config.seed, _settings(config, data))
    own, judged = OwnWindows(learned, config.window), [scored(part) for part in held_back]
    unfinished = unfinished_path(config.name, config.folder)
    if resume and unfinished.is_file():
        learner.load(unfinished)
    while learner.step < config.steps:
        learner.learn(own.draw(learner.rng, config.batch))
        f1 = None
        if judged and (learner.step % config.evaluate_every == 0 or learner.step == config.steps):
            f1 = event_f1(network, judged, config.threshold)
            if learner.step >= config.steps // 2 and f1 >= learner.notes.get("f1", -math.inf):
                learner.notes = {"f1": f1, "step": learner.step}
                learner.keep_as_best()
        if learner.step % SAVE_EVERY == 0:
            learner.save(unfinished)
        yield _step(learner, config, f1)
    if not learner.best:
        learner.notes = {"step": learner.step}
        learner.keep_as_best()
    n_held_back = sum(map(len, held_back))
    path = save_model(
        _card(config, architecture, data, learner, n_held_back), learner.best, config.folder
    )
    unfinished.unlink(missing_ok=True)
    return path


def _step(learner: Learner, config: OwnTrainingConfig, f1: float | None) -> LearningStep:
    text = f"training {config.name}: loss {learner.mean_loss:.4f}"
    if f1 is not None:
        text += f", F1 {f1:.3f}"
    return LearningStep(learner.step, config.steps, text, learner.mean_loss, f1)


def _settings(config: OwnTrainingConfig, data: Sequence[LabelledTraces]) -> dict[str, Any]:
    settings = asdict(config)
    del settings["folder"]
    return {**settings, "training": "own cells alone", "labels": described_labels(data)}


def _card(
    config: OwnTrainingConfig,
    architecture: str,
    data: Sequence[LabelledTraces],
    learner: Learner,
    n_held_back: int,
) -> ModelCard:
    settings = asdict(config)
    for key in ("name", "architecture", "threshold", "folder", "seed"):
        del settings[key]
    n_cells, n_transients = sum(map(len, data)), sum(len(part.spans) for part in data)
    scores: dict[str, Any] = {
        "training loss (mean of the last 100 steps)": round(learner.mean_loss, 5)
    }
    if "f1" in learner.notes:
        scores["own cells held back (event F1, +-0.2 s)"] = {
            "cells": n_held_back,
            "F1": round(learner.notes["f1"], 3),
        }
    return ModelCard(
        name=config.name,
        kind="transients",
        architecture=architecture,
        arguments=all_arguments(architecture, _WITHOUT_SUMMARIES),
        version="1+own",
        threshold=config.threshold,
        description=f"Learned from {n_transients} transients of {n_cells} cells, and nothing else",
        seed=config.seed,
        training={
            "data": cells_by_recording(data),
            "base": "none",
            "steps": learner.notes["step"],
            "settings": settings,
        },
        scores=scores,
    )
