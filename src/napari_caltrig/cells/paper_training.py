"""Training as Apthorpe et al. (2016): learn on labelled fields, tune on others, score on others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.cells.channels import channels_of
from napari_caltrig.cells.crops import stack_crop
from napari_caltrig.cells.inference import NETWORK_DIAMETER, apthorpe_probability, load_network
from napari_caltrig.cells.labelled import LabelledField, at_scale, median_diameter, read_folder
from napari_caltrig.cells.losses import apthorpe_loss
from napari_caltrig.cells.paper_outlines import (
    OutlineParameters,
    Outliner,
    mean_scores,
    tuning_steps,
)
from napari_caltrig.cells.paper_stack import paper_stack
from napari_caltrig.cells.summary import Summary, summary_steps
from napari_caltrig.cells.wand import wand_image
from napari_caltrig.recording import Footprints
from napari_caltrig.steps import Progress, Step, Steps, run
from napari_caltrig.weights import ModelCard, check_new_model, save_model

if TYPE_CHECKING:
    from torch import nn

PAPER_MODELS = ("apthorpe-2016", "apthorpe-2016-2d")
DISK_RADIUS_PX = 4


@dataclass(frozen=True)
class PaperConfig:
    """How a network of Apthorpe et al. is trained on labelled fields.

    Parameters
    ----------
    model
        ``"apthorpe-2016"`` (the (2+1)D network) or ``"apthorpe-2016-2d"``.
    name
        Of the files; `model` and ``-own`` by default.
    base
        Model to begin with; None begins with random weights, as published.
    seed
        Of weights and crops.
    n_steps
        Optimizer steps.
    batch, crop_px
        Crops per step and their size in pixels.
    learning_rate
        Highest rate of a one-cycle schedule (AdamW). The paper lowered the rate of plain
        gradient descent by hand, which took hours.
    stack_frames
        Frames of a stack per crop: the brightest and random ones; 50 for all.
    diameter
        Typical cell diameter in pixels; measured from the labels by default. Fields are scaled
        so that it becomes 10 px, the size of the paper's cells. Give 10 to keep the pixels.
    """

    model: str = "apthorpe-2016"
    name: str = ""
    base: str | None = None
    seed: int = 0
    n_steps: int = 1500
    batch: int = 4
    crop_px: int = 76
    learning_rate: float = 3e-3
    stack_frames: int = 8
    diameter: float | None = None

    def __post_init__(self) -> None:
        if self.model not in PAPER_MODELS:
            raise ValueError(f"no network {self.model!r}; choose one of {', '.join(PAPER_MODELS)}")

    @property
    def saved_name(self) -> str:
        """Name of the model's files."""
        return self.name or f"{self.model}-own"


@dataclass(frozen=True, eq=False)
class PaperField:
    """A field as the network sees it, with its truth, at the network's scale.

    Parameters
    ----------
    stack
        (frames, Y, X) of uint8: the network's 0 to 1 as 0 to 255.
    cells
        True cells, and those that nobody can tell.
    counted
        Which of them are to be found, (cells,).
    image
        For the magic wand, (Y, X).
    disks
        Centroid disks of radius 4 px, (Y, X).
    weight
        0 where nobody knows, (Y, X).
    """

    stack: NDArray[np.uint8]
    cells: Footprints
    counted: NDArray[np.bool_]
    image: NDArray[np.float32]
    disks: NDArray[np.bool_]
    weight: NDArray[np.float32]


def train_on_folder(
    folder: Path, config: PaperConfig, models: Path | None = None, progress: Progress | None = None
) -> Path:
    """Train, tune and score on a folder as ConvnetCellDetection organises it.

    Parameters
    ----------
    folder
        See `labelled.read_folder`.
    config
        How.
    models
        Where to save; the user's model folder by default.
    progress
        Called with every step.

    Returns
    -------
    Path
        The ``.safetensors`` file; its card holds parameters and scores.

    Raises
    ------
    FormatError
        If it is no such folder.
    ValueError
        If the model cannot be saved under this name or there, or there are too few cells.
    """
    return run(folder_training_steps(folder, config, models), progress)


def folder_training_steps(
    folder: Path, config: PaperConfig, models: Path | None = None
) -> Steps[Path]:
    """Do what `train_on_folder` does, as a generator of steps."""
    splits = read_folder(folder)
    return (yield from paper_training_steps(splits, config, models))


def paper_training_steps(
    splits: Mapping[str, Sequence[LabelledField]], config: PaperConfig, models: Path | None = None
) -> Steps[Path]:
    """Train on ``splits["training"]``, tune on ``"validation"``, score on ``"test"``.

    Without validation fields the outlines are tuned on the training fields; the card says so.

    Raises
    ------
    ValueError
        If the model cannot be saved under this name or there, or there are too few cells.
    """
    check_new_model(config.saved_name, models)
    training = splits["training"]
    diameter = config.diameter or median_diameter(training)
    prepared: dict[str, list[PaperField]] = {}
    for split, fields in splits.items():
        prepared[split] = []
        for field in fields:
            prepared[split].append((yield from field_steps(field, diameter)))
    described = {
        "description": f"{full_name(config.model)}, trained on your own fields.",
        "licence": "",
        "training": {
            "data": {split: [f.name for f in fields] for split, fields in splits.items()},
            "cell_diameter_px": round(diameter, 2),
        },
    }
    return (yield from learning_steps(prepared, config, described, models))


def learning_steps(
    prepared: Mapping[str, Sequence[PaperField]],
    config: PaperConfig,
    described: Mapping[str, Any],
    models: Path | None = None,
) -> Steps[Path]:
    """Train, tune and score on fields as the network sees them, and save the model.

    Parameters
    ----------
    prepared
        As for `paper_training_steps`.
    config
        How.
    described
        For the card: ``training`` says which data, ``description`` and ``licence``.
    models
        Where to save.
    """
    network = yield from _optimize(config, prepared["training"])
    tuned_on = "validation" if prepared.get("validation") else "training"
    outliners = yield from _outliners(network, prepared[tuned_on])
    parameters, tuned = yield from tuning_steps(outliners, *_truth(prepared[tuned_on]))
    scores: dict[str, Any] = {f"{tuned_on} fields (tuned on)": tuned}
    if prepared.get("test"):
        outliners = yield from _outliners(network, prepared["test"])
        found = [o.cells(parameters) for o in outliners]
        scores["test fields"] = mean_scores(found, *_truth(prepared["test"]))
        if scores["test fields"]["pooled_F1"] == 0:
            note = "no cell of the test fields is found: see whether they can be seen there"
            described = {**described, "training": {**described["training"], "note": note}}
            yield Step(config.n_steps, config.n_steps, note)
    tensors = {k: v.detach().cpu().numpy() for k, v in network.state_dict().items()}
    return save_model(_card(config, parameters, described, scores), tensors, models)


def _truth(fields: Sequence[PaperField]) -> tuple[list[Footprints], list[NDArray[np.bool_]]]:
    return [f.cells for f in fields], [f.counted for f in fields]


def field_steps(
    field: LabelledField, diameter: float, series: bool | None = None
) -> Steps[PaperField]:
    """Preprocess one field: scale, equalize in time, clip, label with centroid disks.

    `series` as for `paper_stack`.
    """
    factor = NETWORK_DIAMETER / diameter
    if abs(factor - 1) < 1e-3:
        factor = 1.0
    summary = yield from summary_steps(
        field.movie, diameter=diameter, frame_rate=field.frame_rate, factor=factor
    )
    shape = (summary.mean.shape[0], summary.mean.shape[1])
    masks = at_scale(field.cells, shape, summary.offset)
    y, x = np.indices(shape)
    disks = np.zeros(shape, bool)
    for cy, cx in _centres(masks):
        disks |= (y - cy) ** 2 + (x - cx) ** 2 <= DISK_RADIUS_PX**2
    weight = summary.valid.astype(np.float32)
    counted = np.ones(len(masks), bool)
    if field.unsure is not None and len(field.unsure):
        unsure = at_scale(field.unsure, shape, summary.offset)
        weight[unsure.any(axis=0) & ~disks] = 0
        masks = np.concatenate([masks, unsure])
        counted = np.concatenate([counted, np.zeros(len(unsure), bool)])
    cells = Footprints.from_dense(masks.astype(np.float32))
    stack = np.rint(255 * paper_stack(field.movie, summary, series)).astype(np.uint8)
    return PaperField(stack, cells, counted, image_for_wand(summary), disks, weight)


def image_for_wand(summary: Summary) -> NDArray[np.float32]:
    """Image in which cells are bright: the mean, and the activity where there is any."""
    channels = channels_of(summary)
    return wand_image(channels[[0, 2]] if summary.has_activity else channels[[0]])


def _centres(masks: NDArray[np.bool_]) -> list[tuple[float, float]]:
    found = []
    for mask in masks:
        rows, columns = np.nonzero(mask)
        if rows.size:
            found.append((float(rows.mean()), float(columns.mean())))
    return found


def _optimize(config: PaperConfig, fields: Sequence[PaperField]) -> Steps[nn.Module]:
    import torch

    from napari_caltrig.cells.networks import ARCHITECTURES

    examples = [
        (
            f.stack,
            f.disks[None].astype(np.float16),
            f.weight[None].astype(np.float16),
        )
        for f in fields
    ]
    # Both classes count the same over all fields together ("global" rebalancing).
    share = float(np.clip(np.mean([f.disks.mean() for f in fields]), 0.01, 0.5))
    smallest = min(min(f.disks.shape) for f in fields)
    if smallest < config.crop_px // 2:
        raise ValueError(f"fields of {smallest} pixels are too small to train on")
    rng = np.random.default_rng([config.seed, 13])
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # sums in another order would change the weights
    try:
        if config.base is not None:
            _, network = load_network(config.base, "cpu")
        else:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(config.seed)
                network = ARCHITECTURES[config.model]()
        network.train()
        optimizer = torch.optim.AdamW(network.parameters(), config.learning_rate, weight_decay=1e-4)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, config.learning_rate, total_steps=config.n_steps, pct_start=0.15
        )
        recent: list[float] = []
        for i in range(config.n_steps):
            chosen = rng.integers(len(examples), size=config.batch)
            size = min(config.crop_px, smallest)
            crops = [stack_crop(rng, size, config.stack_frames, examples[k]) for k in chosen]
            stack, disks, weight = (
                torch.from_numpy(np.stack(part)) for part in zip(*crops, strict=True)
            )
            loss = apthorpe_loss(network(stack), disks, weight, share)
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


def _outliners(network: nn.Module, fields: Sequence[PaperField]) -> Steps[list[Outliner]]:
    outliners = []
    for field in fields:
        probability = yield from apthorpe_probability(
            network, field.stack.astype(np.float32) / np.float32(255)
        )
        outliners.append(Outliner(probability, field.image, NETWORK_DIAMETER))
    return outliners


def full_name(model: str) -> str:
    """How a network is called in a model card."""
    kind = "2D" if model.endswith("2d") else "(2+1)D"
    return f"The {kind} network of Apthorpe et al. (2016)"


def _card(
    config: PaperConfig,
    parameters: OutlineParameters,
    described: Mapping[str, Any],
    scores: Mapping[str, Any],
) -> ModelCard:
    return ModelCard(
        name=config.saved_name,
        kind="cells",
        architecture=config.model,
        arguments={},
        version="2",
        threshold=parameters.threshold,
        description=described["description"],
        licence=described["licence"],
        seed=config.seed,
        training={
            **described["training"],
            "outlines": parameters.to_card(),
            **asdict(config),
        },
        scores=scores,
    )
