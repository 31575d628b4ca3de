"""Training on one's own cells: a model goes on learning from what a person drew or accepted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.cells.calibration import refit_calibration
from napari_caltrig.cells.crops import channel_crop
from napari_caltrig.cells.finding import calibration_of, probability_steps
from napari_caltrig.cells.held_out import (
    FieldPart,
    answers,
    best_threshold,
    cut_to,
    described_parts,
    split_fields,
    split_scores,
)
from napari_caltrig.cells.inference import load_network
from napari_caltrig.cells.labelled import LabelledField, median_diameter
from napari_caltrig.cells.losses import compact_loss
from napari_caltrig.cells.own_examples import views
from napari_caltrig.cells.paper_training import PAPER_MODELS, PaperConfig, paper_training_steps
from napari_caltrig.cells.results import CellProbabilities, with_confidence
from napari_caltrig.steps import Progress, Step, Steps, run
from napari_caltrig.weights import ModelCard, check_new_model, load_model, save_model

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class OwnConfig:
    """How a model goes on learning.

    Parameters
    ----------
    name
        Of the new model; the base's and ``-own`` by default.
    base
        Model to begin with: ``"compact"``, a network of Apthorpe et al., or one of your own.
    n_steps
        Optimizer steps.
    batch, crop_px
        Crops per step and their size in pixels of the network (a cell is 10 wide).
    learning_rate
        Highest rate of a one-cycle schedule; a tenth of that from scratch, so that what the
        base knows is kept.
    seed
        Of the crops.
    """

    name: str = ""
    base: str = "compact"
    n_steps: int = 300
    batch: int = 8
    crop_px: int = 96
    learning_rate: float = 3e-4
    seed: int = 0

    @property
    def saved_name(self) -> str:
        """Name of the model's files."""
        return self.name or f"{Path(self.base).stem}-own"


def train_on_own(
    fields: Sequence[LabelledField],
    config: OwnConfig | None = None,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> Path:
    """Let a model go on learning from labelled fields.

    Parameters
    ----------
    fields
        Movies or images with their cells. From three fields on every fifth, at least one, is
        held out to score; else a side of each field with a fair share of its cells.
    config
        How.
    folder
        Where to save; the user's model folder by default, so that menus list it.
    progress
        Called with every step.

    Returns
    -------
    Path
        The ``.safetensors`` file. ``scores`` of its card: precision, recall and F1 (IoU 0.5) on
        what was held out, before and after; ``training["learned"]``: ``"network and
        confidence"``, ``"confidence"`` alone or ``"nothing"``, whichever holds best there, the
        least on ties (networks of Apthorpe et al.: ``"network and outlines"`` or ``"nothing"``).

    Raises
    ------
    ValueError
        If there are too few cells, they lie too close together to hold some out, or the model
        cannot be saved under this name or there.
    """
    return run(own_training_steps(fields, config or OwnConfig(), folder), progress)


def own_training_steps(
    fields: Sequence[LabelledField], config: OwnConfig, folder: Path | None = None
) -> Steps[Path]:
    """Do what `train_on_own` does, as a generator of steps."""
    check_new_model(config.saved_name, folder)
    diameter = median_diameter(fields)
    parts = split_fields(fields)
    card, tensors = load_model(config.base, "cells")
    paper = card.architecture in PAPER_MODELS
    scored = [part for part in parts if part.held is not None] if paper else parts
    before = yield from _searched(scored, config.base, diameter)
    nothing = _Way("nothing", tensors, card, split_scores(scored, before, card.threshold))
    settings: OwnConfig | PaperConfig = config
    if paper:
        settings = PaperConfig(
            model=card.architecture,
            name=config.saved_name,
            base=config.base,
            seed=config.seed,
            n_steps=config.n_steps,
            learning_rate=1e-3,
            diameter=diameter,
        )
        learned = yield from _paper_ways(parts, settings)
    else:
        learned = yield from _compact_ways(parts, before, config, card, tensors)
    # What few cells teach can do harm: kept is what holds on cells that nothing was learned from,
    # and of what holds alike, what changes least.
    best = max([nothing, *learned], key=lambda way: way.score["F1"])
    training: dict[str, Any] = {
        "base": card.name,
        "base_sha256": card.sha256,
        "fields": [part.field.name for part in parts],
        "held_out": described_parts(parts),
        "cell_diameter_px": round(diameter, 2),
        **asdict(settings),
        "learned": best.name,
    }
    if "outlines" in best.card.training:
        training["outlines"] = best.card.training["outlines"]
    if best.score["F1"] == 0:
        training["note"] = _none_found(best.score["cells"])
        yield Step(config.n_steps, config.n_steps, training["note"])
    own = replace(
        best.card,
        name=config.saved_name,
        version="1",
        description=f"{card.name}, gone on learning from your own cells.",
        licence="",
        seed=config.seed,
        training=training,
        scores={"held out, before": nothing.score, "held out, after": best.score},
    )
    return save_model(own, best.tensors, folder)


def _none_found(n_cells: float) -> str:
    return (
        f"none of the {n_cells} cells that were held out is found, before or after: see whether "
        "they can be seen in this movie, and whether they were drawn in it"
    )


@dataclass(frozen=True)
class _Way:
    """One way to go on from the base, and how it does on what was held out."""

    name: str
    tensors: Mapping[str, NDArray[Any]]
    card: ModelCard
    score: dict[str, float]

    @classmethod
    def refitted(
        cls,
        name: str,
        parts: Sequence[FieldPart],
        results: Sequence[CellProbabilities],
        tensors: Mapping[str, NDArray[Any]],
        card: ModelCard,
    ) -> _Way:
        """Confidence and threshold learned from the results of a network."""
        known = [
            (result.evidence, answers(part, result.evidence))
            for part, result in zip(parts, results, strict=True)
            if result.evidence is not None
        ]
        candidates, judged = (list(each) for each in zip(*known, strict=True))
        calibration = refit_calibration(calibration_of(card), candidates, judged)
        surer = [with_confidence(result, calibration) for result in results]
        threshold = best_threshold(parts, surer, card.threshold)
        own = replace(card, threshold=threshold, calibration=calibration.to_card())
        return cls(name, tensors, own, split_scores(parts, surer, threshold))


def _compact_ways(
    parts: Sequence[FieldPart],
    before: Sequence[CellProbabilities],
    config: OwnConfig,
    card: ModelCard,
    tensors: Mapping[str, NDArray[Any]],
) -> Steps[list[_Way]]:
    """Confidence alone, and with the network."""
    network = yield from _optimize(config, parts, before)
    learned = {k: v.detach().cpu().numpy() for k, v in network.state_dict().items()}
    with TemporaryDirectory() as making:  # no half-finished model in the menus
        path = save_model(replace(card, name="learned"), learned, Path(making))
        after = yield from _searched(parts, str(path), before[0].diameter)
    return [
        _Way.refitted("confidence", parts, before, tensors, card),
        _Way.refitted("network and confidence", parts, after, learned, card),
    ]


def _paper_ways(parts: Sequence[FieldPart], config: PaperConfig) -> Steps[list[_Way]]:
    """The network with the outlines that suit it."""
    assert config.diameter is not None
    training = []
    for part in parts:
        if part.held is None:
            training.append(part.field)
        elif not part.all_held:
            left = part.held.start == 0
            rest = slice(part.held.stop, None) if left else slice(0, part.held.start)
            training.append(cut_to(part.field, rest))
    held = [part for part in parts if part.held is not None]
    with TemporaryDirectory() as making:
        path = yield from paper_training_steps({"training": training}, config, Path(making))
        card, learned = load_model(path, "cells")
        after = yield from _searched(held, str(path), config.diameter)
    score = split_scores(held, after, card.threshold)
    return [_Way("network and outlines", learned, card, score)]


def _searched(
    parts: Sequence[FieldPart], model: str, diameter: float
) -> Steps[list[CellProbabilities]]:
    """What a model says of the whole fields."""
    results = []
    for field in (part.field for part in parts):
        result = yield from probability_steps(
            field.movie,
            frame_rate=field.frame_rate,
            diameter=diameter,
            model=model,
            device="cpu",
        )
        results.append(result)
    return results


def _optimize(
    config: OwnConfig, parts: Sequence[FieldPart], known: Sequence[CellProbabilities]
) -> Steps[nn.Module]:
    import torch

    examples = [
        views(part, result) for part, result in zip(parts, known, strict=True) if not part.all_held
    ]
    rng = np.random.default_rng([config.seed, 17])
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # sums in another order would change the weights
    try:
        _, network = load_network(config.base, "cpu")
        network.train()
        for module in network.modules():
            # Few fields make poor statistics: keep those of the base.
            if isinstance(module, torch.nn.BatchNorm2d):
                module.eval()
        optimizer = torch.optim.AdamW(network.parameters(), config.learning_rate, weight_decay=1e-4)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, config.learning_rate, total_steps=config.n_steps, pct_start=0.1
        )
        recent: list[float] = []
        for i in range(config.n_steps):
            chosen = rng.integers(len(examples), size=config.batch)
            crops = [channel_crop(rng, config.crop_px, examples[k]) for k in chosen]
            size = min(c[0].shape[-1] for c in crops), min(c[0].shape[-2] for c in crops)
            inputs, wanted = (
                torch.from_numpy(np.stack([_even(c, size) for c in each]))
                for each in zip(*crops, strict=True)
            )
            loss = compact_loss(network(inputs), wanted)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimizer.step()
            schedule.step()
            recent = [*recent[-49:], float(loss.detach())]
            yield Step(i + 1, config.n_steps, f"training, loss {np.mean(recent):.3f}")
    finally:
        torch.set_num_threads(threads)
    return network.eval()


def _even(image: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Cut to one size, a multiple of 8: crops of a narrow field may be turned."""
    side = min(size) // 8 * 8
    return np.ascontiguousarray(image[..., :side, :side])
