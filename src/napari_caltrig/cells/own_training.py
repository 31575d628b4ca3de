"""Training on one's own cells: a model goes on learning from what a person drew or accepted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.cells.calibration import refit_calibration
from napari_caltrig.cells.channels import N_STILL
from napari_caltrig.cells.crops import VIEWS, channel_crop
from napari_caltrig.cells.examples import N_RAYS, Example, View, targets
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
from napari_caltrig.cells.inference import (
    NETWORK_DIAMETER,
    compact_input,
    load_network,
    network_factor,
)
from napari_caltrig.cells.labelled import LabelledField, at_scale, median_diameter
from napari_caltrig.cells.losses import compact_loss
from napari_caltrig.cells.paper_training import PAPER_MODELS, PaperConfig, paper_training_steps
from napari_caltrig.cells.resampling import Resampler
from napari_caltrig.cells.results import CellProbabilities, with_confidence
from napari_caltrig.steps import Progress, Step, Steps, run
from napari_caltrig.weights import ModelCard, load_model, save_model

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
        held out to score; else the quarter of each field that is richest in cells on one side.
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
        confidence"``, ``"confidence"`` alone or ``"nothing"``, whichever holds best there.

    Raises
    ------
    ValueError
        If there are too few cells.
    """
    return run(own_training_steps(fields, config or OwnConfig(), folder), progress)


def own_training_steps(
    fields: Sequence[LabelledField], config: OwnConfig, folder: Path | None = None
) -> Steps[Path]:
    """Do what `train_on_own` does, as a generator of steps."""
    diameter = median_diameter(fields)
    card, tensors = load_model(config.base, "cells")
    name = config.name or f"{Path(config.base).stem}-own"
    parts = split_fields(fields)
    if card.architecture in PAPER_MODELS:
        return (yield from _paper_steps(parts, config, card, name, folder))
    before = []
    for part in parts:
        before.append((yield from _probabilities(part.field, config.base, diameter)))
    network = yield from _optimize(config, parts, before)
    learned = {k: v.detach().cpu().numpy() for k, v in network.state_dict().items()}
    trained = replace(
        card,
        name=name,
        version="1",
        description=f"{card.name}, gone on learning from your own cells.",
        licence="",
        seed=config.seed,
        training={
            "base": card.name,
            "base_sha256": card.sha256,
            "fields": [part.field.name for part in parts],
            "held_out": described_parts(parts),
            "cell_diameter_px": round(diameter, 2),
            **asdict(config),
        },
        scores={},
    )
    after = []
    with TemporaryDirectory() as making:  # no half-finished model in the menus
        path = str(save_model(trained, learned, Path(making)))
        for part in parts:
            after.append((yield from _probabilities(part.field, path, diameter)))
    ways = [
        _Way.refitted("network and confidence", parts, after, learned, card),
        _Way.refitted("confidence", parts, before, tensors, card),
        _Way("nothing", tensors, card, split_scores(parts, before, card.threshold)),
    ]
    # What few cells teach can do harm: kept is what holds on cells that nothing was learned from.
    best = max(ways, key=lambda way: way.score["F1"])
    scores = {"held out, before": ways[-1].score, "held out, after": best.score}
    own = replace(
        trained,
        threshold=best.card.threshold,
        calibration=best.card.calibration,
        training={**trained.training, "learned": best.name},
        scores=scores,
    )
    return save_model(own, best.tensors, folder)


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


def _paper_steps(
    parts: Sequence[FieldPart], config: OwnConfig, card: ModelCard, name: str, folder: Path | None
) -> Steps[Path]:
    splits: dict[str, list[LabelledField]] = {"training": [], "test": []}
    for part in parts:
        field, held = part.field, part.held
        if held is None or part.all_held:
            splits["training" if held is None else "test"].append(field)
            continue
        rest = slice(held.stop, None) if held.start == 0 else slice(0, held.start)
        splits["training"].append(cut_to(field, rest))
        splits["test"].append(cut_to(field, held))
    paper = PaperConfig(
        model=card.architecture,
        name=name,
        base=config.base,
        seed=config.seed,
        n_steps=config.n_steps,
        learning_rate=1e-3,
    )
    return (yield from paper_training_steps(splits, paper, folder))


def _probabilities(field: LabelledField, model: str, diameter: float) -> Steps[CellProbabilities]:
    return (
        yield from probability_steps(
            field.movie,
            frame_rate=field.frame_rate,
            diameter=diameter,
            model=model,
            device="cpu",
        )
    )


def _optimize(
    config: OwnConfig, parts: Sequence[FieldPart], known: Sequence[CellProbabilities]
) -> Steps[nn.Module]:
    import torch

    views = [
        _views(part, result) for part, result in zip(parts, known, strict=True) if not part.all_held
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
            chosen = rng.integers(len(views), size=config.batch)
            crops = [channel_crop(rng, config.crop_px, views[k]) for k in chosen]
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


def _views(part: FieldPart, result: CellProbabilities) -> dict[View, tuple[Any, ...]]:
    """Inputs and targets of one field, as `training.channel_crop` takes them."""
    summary = result.summary
    scaled = Resampler(result.shape, network_factor(result.diameter))
    shape = (scaled.resized[0], scaled.resized[1])
    channels, valid = compact_input(summary, shape)
    labels = _Labels.of(at_scale(part.field.cells, shape, summary.offset))
    maps, weight = targets(cast("Example", labels), "all")
    weight[~valid] = 0
    if part.field.unsure is not None and len(part.field.unsure):
        hidden = at_scale(part.field.unsure, shape, summary.offset).any(axis=0)
        weight[hidden & (labels.cells == 0)] = 0
    if part.held is not None:
        scale = shape[1] / part.field.cells.shape[1]
        # What touches the held-out side is left out, too.
        low = max(round(part.held.start * scale - NETWORK_DIAMETER), 0)
        high = round(part.held.stop * scale + NETWORK_DIAMETER)
        weight[:, low:high] = 0
        maps[4][:, low:high] = 0
    still = channels.copy()
    still[N_STILL:] = 0
    radii = np.concatenate([np.zeros((1, N_RAYS), np.float32), labels.radii])
    wanted = np.concatenate([maps, weight[None]]).astype(np.float16)
    units = radii / np.float32(NETWORK_DIAMETER)
    # Which cells fire nobody has said: activity alone is not trained.
    inputs = {"all": channels, "active": channels, "still": still}
    return {view: (inputs[view].astype(np.float16), wanted, units) for view in VIEWS}


@dataclass(frozen=True, eq=False)
class _Labels:
    """What `examples.targets` needs to know of a field."""

    cells: NDArray[np.int32]
    centres: NDArray[np.float64]
    sizes: NDArray[np.float64]
    radii: NDArray[np.float32]

    def seen(self, view: View) -> NDArray[np.bool_]:
        """All cells are to be found."""
        return np.ones(len(self.sizes), bool)

    @classmethod
    def of(cls, masks: NDArray[np.bool_]) -> _Labels:
        """From masks (cells, Y, X); the nearer centre owns shared pixels."""
        masks = masks[masks.any(axis=(1, 2))]
        shape = masks.shape[1:]
        cells, nearest = np.zeros(shape, np.int32), np.full(shape, np.inf)
        y, x = np.indices(shape)
        centres = np.zeros((len(masks), 2))
        for i, mask in enumerate(masks):
            rows, columns = np.nonzero(mask)
            centres[i] = rows.mean(), columns.mean()
            distance = np.hypot(y - centres[i, 0], x - centres[i, 1])
            closer = mask & (distance < nearest)
            nearest[closer], cells[closer] = distance[closer], i + 1
        sizes = 2 * np.sqrt(masks.sum(axis=(1, 2)) / np.pi)
        return cls(cells, centres, sizes, _radii(masks, centres))


def _radii(masks: NDArray[np.bool_], centres: NDArray[np.float64]) -> NDArray[np.float32]:
    """Distance from the centre to the mask's edge in 16 directions, (cells, 16) in pixels."""
    from scipy import ndimage

    angle = np.arange(N_RAYS) * 2 * np.pi / N_RAYS
    reach = np.arange(0, 1.5 * NETWORK_DIAMETER, 0.25)
    radii = np.zeros((len(masks), N_RAYS), np.float32)
    for i, (mask, (cy, cx)) in enumerate(zip(masks, centres, strict=True)):
        y, x = cy + np.outer(np.sin(angle), reach), cx + np.outer(np.cos(angle), reach)
        on = ndimage.map_coordinates(mask.astype(np.float32), [y, x], order=1) > 0.5
        radii[i] = np.where(on.all(axis=1), reach[-1], np.argmin(on, axis=1) * 0.25)
    return radii
