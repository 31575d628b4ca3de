"""Training on one's own cells: a model goes on learning from what a person drew or accepted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.cells.channels import N_STILL, channels_of
from napari_caltrig.cells.crops import VIEWS, channel_crop
from napari_caltrig.cells.examples import N_RAYS, Example, View, targets
from napari_caltrig.cells.finding import (
    PAPER_ARCHITECTURES,
    CellProbabilities,
    footprints_from_probabilities,
    probability_steps,
)
from napari_caltrig.cells.inference import NETWORK_DIAMETER, load_network
from napari_caltrig.cells.labelled import LabelledField, at_scale, median_diameter
from napari_caltrig.cells.losses import compact_loss
from napari_caltrig.cells.paper_training import PaperConfig, paper_training_steps
from napari_caltrig.cells.scoring import score_cells
from napari_caltrig.recording import Footprints
from napari_caltrig.steps import Progress, Step, Steps, run
from napari_caltrig.weights import ModelCard, load_model, save_model

if TYPE_CHECKING:
    from torch import nn

HELD_OUT = 0.25  # of the width of a field, where there are too few fields to keep some back
FIELDS_TO_HOLD = 3  # from so many fields on, whole ones are held out
EVERY = 5
THRESHOLDS = np.round(np.arange(0.1, 0.91, 0.05), 2)
TOLERANCE = 0.01  # of F1: the lowest threshold within it, a wrong cell is deleted sooner than drawn


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


@dataclass(frozen=True, eq=False)
class _Part:
    """A field, and which of its columns are held out."""

    field: LabelledField
    held: slice | None  # None: all of it is learned from

    def held_out(self, cells: Footprints) -> NDArray[np.bool_]:
        """Which cells have their centre in the part that is held out."""
        if self.held is None:
            return np.zeros(len(cells), bool)
        x = np.nan_to_num(cells.centroids()[:, 1], nan=-1.0)
        return np.asarray((x >= self.held.start) & (x < self.held.stop))


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
        what was held out, before and after.

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
    card, _ = load_model(config.base, "cells")
    name = config.name or f"{Path(config.base).stem}-own"
    parts = split_fields(fields)
    if card.architecture in PAPER_ARCHITECTURES:
        return (yield from _paper_steps(parts, config, card, name, folder))
    before = []
    for part in parts:
        before.append((yield from _probabilities(part.field, config.base, diameter)))
    network = yield from _optimize(config, parts, before)
    tensors = {k: v.detach().cpu().numpy() for k, v in network.state_dict().items()}
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
            "held_out": _described(parts),
            "cell_diameter_px": round(diameter, 2),
            **asdict(config),
        },
        scores={},
    )
    path = save_model(trained, tensors, folder)
    try:
        after = []
        for part in parts:
            after.append((yield from _probabilities(part.field, str(path), diameter)))
        threshold = _best_threshold(parts, after, card.threshold)
    except BaseException:  # cancelled: no half-finished model in the menus
        path.unlink(missing_ok=True)
        path.with_suffix(".json").unlink(missing_ok=True)
        raise
    scores = {
        "held out, before": _scores(parts, before, card.threshold),
        "held out, after": _scores(parts, after, threshold),
    }
    return save_model(replace(trained, threshold=threshold, scores=scores), tensors, folder)


def split_fields(fields: Sequence[LabelledField]) -> list[_Part]:
    """Say what is held out: whole fields, or a side of each field."""
    if len(fields) >= FIELDS_TO_HOLD:
        chosen = {i for i in range(len(fields)) if i % EVERY == EVERY - 1} or {len(fields) - 1}
        return [
            _Part(f, slice(0, f.cells.shape[1]) if i in chosen else None)
            for i, f in enumerate(fields)
        ]
    parts = []
    for field in fields:
        width = field.cells.shape[1]
        n = max(round(HELD_OUT * width), 1)
        sides = [slice(0, n), slice(width - n, width)]
        counts = [int(_Part(field, s).held_out(field.cells).sum()) for s in sides]
        total = len(field.cells)
        # The richer side, unless next to nothing would be left to learn from.
        side = int(np.argmax(counts)) if max(counts) < 0.7 * total else int(np.argmin(counts))
        parts.append(_Part(field, sides[side]))
    return parts


def _paper_steps(
    parts: Sequence[_Part], config: OwnConfig, card: ModelCard, name: str, folder: Path | None
) -> Steps[Path]:
    splits: dict[str, list[LabelledField]] = {"training": [], "test": []}
    for part in parts:
        field, held = part.field, part.held
        if held is None or held == slice(0, field.cells.shape[1]):
            splits["training" if held is None else "test"].append(field)
            continue
        rest = slice(held.stop, None) if held.start == 0 else slice(0, held.start)
        splits["training"].append(_cut(field, rest))
        splits["test"].append(_cut(field, held))
    paper = PaperConfig(
        model=card.architecture,
        name=name,
        base=config.base,
        seed=config.seed,
        n_steps=config.n_steps,
        learning_rate=1e-3,
    )
    return (yield from paper_training_steps(splits, paper, folder))


def _cut(field: LabelledField, columns: slice) -> LabelledField:
    """The part of a field between two columns, with the cells centred there."""

    def cells(footprints: Footprints) -> Footprints:
        height, width = footprints.shape
        chosen = _Part(field, slice(*columns.indices(width)[:2])).held_out(footprints)
        index = np.arange(height * width).reshape(height, width)[:, columns]
        csr = footprints.to_csr()[np.flatnonzero(chosen)].tocsc()[:, index.ravel()]
        return Footprints(csr.tocsr(), (index.shape[0], index.shape[1]))

    unsure = None if field.unsure is None else cells(field.unsure)
    movie = field.movie[:, :, columns]
    return replace(field, movie=movie, cells=cells(field.cells), unsure=unsure)


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
    config: OwnConfig, parts: Sequence[_Part], known: Sequence[CellProbabilities]
) -> Steps[nn.Module]:
    import torch

    views = [
        _views(part, result)
        for part, result in zip(parts, known, strict=True)
        if part.held != slice(0, part.field.cells.shape[1])
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


def _views(part: _Part, result: CellProbabilities) -> dict[View, tuple[Any, ...]]:
    """Inputs and targets of one field, as `training.channel_crop` takes them."""
    summary = result.summary
    shape = (summary.mean.shape[0], summary.mean.shape[1])
    labels = _Labels.of(at_scale(part.field.cells, shape))
    maps, weight = targets(cast("Example", labels), "all")
    weight[~summary.valid] = 0
    if part.field.unsure is not None and len(part.field.unsure):
        weight[at_scale(part.field.unsure, shape).any(axis=0) & (labels.cells == 0)] = 0
    if part.held is not None:
        scale = shape[1] / part.field.cells.shape[1]
        # What touches the held-out side is left out, too.
        low = max(round(part.held.start * scale - NETWORK_DIAMETER), 0)
        high = round(part.held.stop * scale + NETWORK_DIAMETER)
        weight[:, low:high] = 0
        maps[4][:, low:high] = 0
    channels = channels_of(summary)
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


def _best_threshold(
    parts: Sequence[_Part], results: Sequence[CellProbabilities], fallback: float
) -> float:
    """Lowest threshold with nearly the best F1 on what was learned from."""
    f1 = [_scores(parts, results, float(t), held=False)["F1"] for t in THRESHOLDS]
    if not max(f1) > 0:
        return fallback
    return float(THRESHOLDS[int(np.flatnonzero(np.array(f1) >= max(f1) - TOLERANCE)[0])])


def _scores(
    parts: Sequence[_Part],
    results: Sequence[CellProbabilities],
    threshold: float,
    *,
    held: bool = True,
) -> dict[str, float]:
    """Pooled precision, recall and F1 (IoU 0.5) on one side of the split."""
    totals = np.zeros(3, int)
    for part, result in zip(parts, results, strict=True):
        found = footprints_from_probabilities(result, threshold)
        truth, unsure = part.field.cells, part.field.unsure
        counted = np.ones(len(truth), bool)
        counted &= part.held_out(truth) == held
        extra = [] if unsure is None or not len(unsure) else [unsure.to_csr()]
        if extra:
            from scipy import sparse

            truth = Footprints(sparse.vstack([truth.to_csr(), *extra]), truth.shape)
            counted = np.concatenate([counted, np.zeros(len(truth) - len(counted), bool)])
        kept = found.select(found.unit_ids[part.held_out(found) == held])
        rates = score_cells(kept, truth, counted=counted, iou=(0.5,))["scores"]["iou_0.5"]
        totals += [rates[key] for key in ("TP", "FP", "FN")]
    tp, fp, fn = (int(v) for v in totals)
    return {
        "P": round(tp / max(tp + fp, 1), 3),
        "R": round(tp / max(tp + fn, 1), 3),
        "F1": round(2 * tp / max(2 * tp + fp + fn, 1), 3),
        "cells": tp + fn,
    }


def _described(parts: Sequence[_Part]) -> Mapping[str, str]:
    """What is held out, for the card."""
    described = {}
    for part in parts:
        if part.held is not None:
            whole = part.held == slice(0, part.field.cells.shape[1])
            columns = f"columns {part.held.start} to {part.held.stop}"
            described[part.field.name] = "all" if whole else columns
    return described
