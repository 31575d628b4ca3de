"""Teach a model the transients that a person has confirmed, without unlearning the old ones."""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_caltrig.simulation.traces import TraceConfig
from napari_caltrig.steps import Progress, run
from napari_caltrig.transients.labelled import LabelledTraces
from napari_caltrig.transients.learning import (
    SAVE_EVERY,
    Learner,
    LearningStep,
    Schedule,
    all_arguments,
    unfinished_path,
)
from napari_caltrig.transients.own_examples import OwnWindows, mixed, replayed_examples
from napari_caltrig.transients.training import TrainingConfig
from napari_caltrig.transients.validation import ScoredTraces, event_f1, old_task, scored
from napari_caltrig.weights import ModelCard, check_model_name, load_model, save_model

if TYPE_CHECKING:
    import torch

_MIN_CELLS_FOR_VALIDATION = 3
_OLD_TASK_SEED = 2**31 + 11  # beyond all that trainings draw and that stopped the base's
_STEPS_BACK = (1.0, 0.5, 0.25)


@dataclass(frozen=True)
class TuningConfig:
    """How a model learns from a person's cells.

    Parameters
    ----------
    name
        Name of the new model.
    base
        Model to begin with: a name or the path of a ``.safetensors`` file.
    seed
        Of the split and of every batch.
    steps
        Most batches.
    learning_rate
        Highest rate; a quarter of that of a training from nothing, so that the
        model bends and does not break.
    share
        How far from the base towards what was learned the weights lie that are
        scored and kept. Half-way they do as well on cells like those labelled,
        and have forgotten a third as much (Wortsman et al. 2022). Where that
        is still too much, a quarter and an eighth of the way are tried.
    batch, window
        Examples per batch and frames per example.
    replay
        Share of simulated examples in a batch. They keep the old task alive
        (rehearsal, Robins 1995).
    max_loss_of_old
        By how much event F1 on the simulated traces of `validation.old_task`
        may fall. Weights beyond are never kept. What they lose on other traces
        differs from this by a few thousandths, so the default keeps it below
        0.02.
    validation
        Share of the cells that are held back to stop in time; at least one.
    evaluate_every, patience
        Steps between two scores, and how many of them may pass without a better one.
    simulation
        What the replayed traces look like.
    miniscope_share
        Share of the replayed batches with miniscope cells, see `TrainingConfig`.
    folder
        Where to save; the user's model folder by default.
    """

    name: str
    base: str = "gru"
    seed: int = 0
    steps: int = 120
    learning_rate: float = 1e-3
    share: float = 0.5
    batch: int = 24
    window: int = 800
    replay: float = 0.5
    max_loss_of_old: float = 0.01
    validation: float = 0.2
    evaluate_every: int = 20
    patience: int = 4
    simulation: TraceConfig = field(default_factory=lambda: TrainingConfig().simulation)
    miniscope_share: float = TrainingConfig.miniscope_share
    folder: Path | None = None

    def __post_init__(self) -> None:
        check_model_name(self.name)
        if min(self.steps, self.window, self.evaluate_every, self.patience) < 1 or self.batch < 2:
            raise ValueError(
                "steps, window, evaluate_every and patience are 1 or more, batch is 2 or more"
            )
        if not 0 <= self.validation < 1:
            raise ValueError(f"validation is a fraction from 0 to below 1, not {self.validation}")
        if not 0 <= self.replay < 1:
            raise ValueError(f"replay is a fraction from 0 to below 1, not {self.replay}")
        if not 0 < self.share <= 1:
            raise ValueError(f"share is a fraction above 0 and up to 1, not {self.share}")


def tune(
    data: Sequence[LabelledTraces],
    config: TuningConfig,
    progress: Progress | None = None,
    *,
    resume: bool = False,
) -> Path:
    """Teach a model the transients of some labelled cells, and save it with its card.

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
        If there is no labelled cell, or the base cannot learn.
    FormatError
        If there is no such base model.

    Notes
    -----
    Whole cells are held back for validation, one in five. Scored and kept are
    weights on the straight line from the base to what was learned: as far from
    the base as they still find simulated transients (`TuningConfig.share`,
    `TuningConfig.max_loss_of_old`). Of these the latest than which none were
    better in event F1 on the cells held back are kept; the base, if all are
    worse or have forgotten too much. With fewer than three labelled cells none
    is held back, and the last weights that remember are kept.
    """
    return run(tune_steps(data, config, resume=resume), progress)


def tune_steps(
    data: Sequence[LabelledTraces], config: TuningConfig, *, resume: bool = False
) -> Generator[LearningStep, None, Path]:
    """`tune` as a generator; close it to cancel, and `resume` to go on."""
    from napari_caltrig.transients.networks import ARCHITECTURES, build_network

    data = [part for part in data if len(part)]
    if not data:
        raise ValueError("there is no cell with confirmed transients to learn from")
    card, weights = load_model(config.base, "transients")
    if card.architecture not in ARCHITECTURES:
        raise ValueError(f"{card.name} is a CalTrig checkpoint and cannot learn here")
    learned, held_back = split_cells(data, config.validation, config.seed)
    yield LearningStep(0, config.steps, "preparing traces")
    network = build_network(card.architecture, card.arguments, weights, model=config.base)
    network.train()
    schedule = Schedule(config.steps, config.learning_rate, warm_up=0.2)
    learner = Learner(network, schedule, config.seed, _settings(config, card, data))
    own = OwnWindows(learned, config.window)
    simulated = replayed_examples(
        config.simulation, config.miniscope_share, config.window, config.seed
    )
    blend = build_network(card.architecture, card.arguments, weights)
    judge = _Judge(blend, card.threshold, [scored(part) for part in held_back], config)
    unfinished = unfinished_path(config.name, config.folder)
    if resume and unfinished.is_file():
        learner.load(unfinished)
    else:
        judge.score_base(learner)
    yield _step(learner, config, scores=True)
    while learner.step < config.steps and not _is_over(learner, config):
        n_old = round(config.batch * config.replay)
        batch = own.draw(learner.rng, config.batch - n_old)
        learner.learn(mixed(batch, simulated, learner.rng, n_old))
        at_score = learner.step % config.evaluate_every == 0 or learner.step == config.steps
        if at_score:
            judge.score(learner)
        if learner.step % SAVE_EVERY == 0:
            learner.save(unfinished)
        yield _step(learner, config, scores=at_score)
    new = _card(config, card, data, (learned, held_back), learner)
    path = save_model(new, learner.best, config.folder)
    unfinished.unlink(missing_ok=True)
    return path


def split_cells(
    data: Sequence[LabelledTraces],
    share: float,
    seed: int,
    at_least: int = _MIN_CELLS_FOR_VALIDATION,
) -> tuple[list[LabelledTraces], list[LabelledTraces]]:
    """Cells to learn from and cells held back; no cell is in both.

    Parameters
    ----------
    data
        Labelled cells of one or more recordings.
    share
        Of the cells to hold back; at least one, or none if this is 0.
    seed
        Of the split.
    at_least
        Of fewer cells none is held back.
    """
    cells = [(i, row) for i, part in enumerate(data) for row in range(len(part))]
    n_back = max(1, round(share * len(cells))) if share and len(cells) >= at_least else 0
    order = np.random.default_rng([seed, len(cells)]).permutation(len(cells))
    back = {cells[k] for k in order[:n_back]}
    rows = [
        [[r for r in range(len(part)) if ((i, r) in back) == wanted] for wanted in (False, True)]
        for i, part in enumerate(data)
    ]
    learned = [part.select(r[0]) for part, r in zip(data, rows, strict=True) if r[0]]
    held_back = [part.select(r[1]) for part, r in zip(data, rows, strict=True) if r[1]]
    return learned, held_back


# Stopping in time --------------------------------------------------------------


class _Judge:
    """Scores what was learned, and keeps the best of it that has not forgotten the old task.

    Scores stand in the learner's notes, and so survive an interruption.
    """

    def __init__(
        self,
        blend: torch.nn.Module,
        threshold: float,
        held_back: list[ScoredTraces],
        config: TuningConfig,
    ) -> None:
        self._blend, self._threshold, self._config = blend, threshold, config
        self._base = {name: t.clone() for name, t in blend.state_dict().items()}
        self._own, self._old = held_back, old_task(config.simulation, _OLD_TASK_SEED)

    def score_base(self, learner: Learner) -> None:
        """Note the scores before anything was learned."""
        own, old = (event_f1(self._blend, p, self._threshold) for p in (self._own, self._old))
        learner.notes = {"f1": [own], "old": [old], "share": [0.0], "best": 0}
        learner.keep_as_best(self._blend)

    def score(self, learner: Learner) -> None:
        """Note the scores of now, and keep the weights if they are the best so far."""
        notes = learner.notes
        limit = notes["old"][0] - self._config.max_loss_of_old
        for part in _STEPS_BACK:
            share = part * self._config.share
            self._go(share, learner.network)
            old = event_f1(self._blend, self._old, self._threshold)
            if remembers := not old < limit:
                break
        own = event_f1(self._blend, self._own, self._threshold)
        best = notes["f1"][notes["best"]]
        for name, value in (("f1", own), ("old", old), ("share", share)):
            notes[name].append(value)
        if remembers and (math.isnan(own) or math.isnan(best) or own >= best):
            notes["best"] = len(notes["f1"]) - 1
            learner.keep_as_best(self._blend)

    def _go(self, share: float, learned: torch.nn.Module) -> None:
        """Weights on the straight line from the base to what was learned."""
        now = learned.state_dict()
        mean = {k: base + share * (now[k] - base) for k, base in self._base.items()}
        self._blend.load_state_dict(mean)


def _is_over(learner: Learner, config: TuningConfig) -> bool:
    scores = learner.notes["f1"]
    if math.isnan(scores[0]):  # nothing held back: there is nothing to stop by
        return False
    return len(scores) - 1 - int(learner.notes["best"]) >= config.patience


def _step(learner: Learner, config: TuningConfig, *, scores: bool) -> LearningStep:
    f1, old = learner.notes["f1"][-1], learner.notes["old"][-1]
    text = f"training {config.name}"
    if learner.step:
        text += f": loss {learner.mean_loss:.4f}"
    if not math.isnan(f1):
        text += f", F1 {f1:.3f}"
    held = None if math.isnan(f1) or not scores else f1
    return LearningStep(
        learner.step, config.steps, text, learner.mean_loss, held, old if scores else None
    )


# Card --------------------------------------------------------------------------


def _settings(
    config: TuningConfig, card: ModelCard, data: Sequence[LabelledTraces]
) -> dict[str, Any]:
    settings = asdict(config)
    del settings["folder"]
    return {**settings, "base sha256": card.sha256, "labels": described_labels(data)}


def described_labels(data: Sequence[LabelledTraces]) -> list[list[Any]]:
    """Recordings, cells and sums of frames: other labels have others."""
    return [
        [part.name, part.unit_ids.tolist(), part.spans.to_numpy().sum(axis=0).tolist()]
        for part in data
    ]


def cells_by_recording(data: Sequence[LabelledTraces]) -> dict[str, list[int]]:
    """Ids of the cells for a card; recordings of one name are numbered."""
    cells: dict[str, list[int]] = {}
    for i, part in enumerate(data):
        name = part.name or f"recording {i + 1}"
        names = chain([name], (f"{name} ({n})" for n in count(2)))
        cells[next(n for n in names if n not in cells)] = part.unit_ids.tolist()
    return cells


def _card(
    config: TuningConfig,
    base: ModelCard,
    data: Sequence[LabelledTraces],
    split: tuple[Sequence[LabelledTraces], Sequence[LabelledTraces]],
    learner: Learner,
) -> ModelCard:
    settings = asdict(config)
    for key in ("name", "base", "folder", "seed"):
        del settings[key]
    notes = learner.notes
    best = int(notes["best"])
    n_cells, n_transients = sum(map(len, data)), sum(len(part.spans) for part in data)
    scores: dict[str, Any] = {
        "simulated traces (event F1, +-0.2 s)": {
            "before": round(notes["old"][0], 3),
            "after": round(notes["old"][best], 3),
        }
    }
    if not math.isnan(notes["f1"][0]):
        scores["own cells held back (event F1, +-0.2 s)"] = {
            "cells": sum(map(len, split[1])),
            "before": round(notes["f1"][0], 3),
            "after": round(notes["f1"][best], 3),
        }
    return ModelCard(
        name=config.name,
        kind="transients",
        architecture=base.architecture,
        arguments=all_arguments(base.architecture, base.arguments),
        version=f"{base.version}+own",
        threshold=base.threshold,
        description=(
            f"{base.name} {base.version}, taught with {n_transients} transients of {n_cells} cells"
        ),
        licence=base.licence,
        seed=config.seed,
        training={
            "data": cells_by_recording(data),
            "base": f"{base.name} {base.version}",
            "base sha256": base.sha256,
            "steps": min(best * config.evaluate_every, config.steps),
            "share of what was learned": notes["share"][best],
            "settings": settings,
        },
        scores=scores,
    )
