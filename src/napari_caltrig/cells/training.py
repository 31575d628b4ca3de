"""Training of the networks on simulated fields; imports torch inside functions only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.cells.channels import CHANNELS, N_STILL
from napari_caltrig.cells.examples import (
    N_RAYS,
    Example,
    View,
    disk_targets,
    make_example,
    targets,
)
from napari_caltrig.cells.inference import NETWORK_DIAMETER
from napari_caltrig.steps import Progress, Step, Steps, run
from napari_caltrig.weights import ModelCard, save_model

if TYPE_CHECKING:
    from torch import Tensor, nn

PAPER_MODELS = ("apthorpe-2016", "apthorpe-2016-2d")
FIRST_TEST_SEED = 1_000_000  # training examples have smaller seeds
FIRST_CALIBRATION_SEED = 2_000_000
VIEWS: tuple[View, ...] = ("all", "active", "still")
VIEW_SHARES = (0.5, 0.2, 0.3)  # how often the network has all channels, or only one kind


@dataclass(frozen=True)
class TrainingConfig:
    """How a network is trained.

    Parameters
    ----------
    model
        ``"compact"`` or ``"apthorpe-2016"``; also the name of the files.
    seed
        Seed of the weights, the examples and their order.
    n_examples
        Simulated fields.
    example_px
        Their size in pixels.
    n_steps
        Optimizer steps.
    batch
        Crops per step.
    crop_px
        Size of a crop in pixels.
    learning_rate
        Highest rate of a one-cycle schedule (AdamW).
    stack_frames
        Frames per stack that the network of Apthorpe et al. is trained on.
    n_test
        Simulated fields that the threshold and the scores of the card rest on.
    n_calibration
        Simulated fields that the confidence of the compact network is fitted on.
    """

    model: str = "compact"
    seed: int = 0
    n_examples: int = 800
    example_px: int = 128
    n_steps: int = 2600
    batch: int = 8
    crop_px: int = 96
    learning_rate: float = 3e-3
    stack_frames: int = 6
    n_test: int = 10
    n_calibration: int = 20

    @classmethod
    def default(cls, model: str, **changes: Any) -> TrainingConfig:
        """Return what the shipped weights of `model` were trained with.

        Raises
        ------
        ValueError
            If there is no such network.
        """
        presets: Mapping[str, Mapping[str, Any]] = {
            "compact": {},
            "apthorpe-2016": {
                "n_examples": 180,
                "n_steps": 600,
                "batch": 4,
                "crop_px": 76,
            },
            "apthorpe-2016-2d": {
                "n_examples": 180,
                "n_steps": 1500,
                "batch": 4,
                "crop_px": 76,
            },
        }
        if model not in presets:
            raise ValueError(f"no network {model!r}; choose one of {', '.join(presets)}")
        return cls(**{"model": model, **presets[model], **changes})


def train(
    config: TrainingConfig, folder: Path | None = None, progress: Progress | None = None
) -> Path:
    """Train a network and save it with its card; equal seeds give equal weights.

    Parameters
    ----------
    config
        See `TrainingConfig.default`.
    folder
        Where to save; the user's model folder by default.
    progress
        Called with every step.

    Returns
    -------
    Path
        The ``.safetensors`` file.
    """
    return run(training_steps(config, folder), progress)


def training_steps(config: TrainingConfig, folder: Path | None = None) -> Steps[Path]:
    """Do what `train` does, as a generator of steps."""
    TrainingConfig.default(config.model)
    total = config.n_examples + config.n_steps + _n_tests(config)
    examples = []
    for i in range(config.n_examples):
        examples.append(
            _prepared(config, make_example(config.seed * 100_000 + i, config.example_px))
        )
        yield Step(i + 1, total, "simulating examples")
    network = yield from _optimize(config, examples, total)
    del examples
    card = yield from _tested(config, network, total)
    tensors = {k: v.detach().cpu().numpy() for k, v in network.state_dict().items()}
    return save_model(card, tensors, folder)


def _tested(config: TrainingConfig, network: nn.Module, total: int) -> Steps[ModelCard]:
    """Confidence, threshold and scores from fields that no training used, on a card."""
    from napari_caltrig.cells.calibration import calibration_example
    from napari_caltrig.cells.evaluation import calibrate, evaluate_on_examples

    done = total - _n_tests(config)
    calibration = None
    if not config.model.startswith("apthorpe-2016"):
        fields = []
        for i in range(config.n_calibration):
            fields.append(calibration_example(FIRST_CALIBRATION_SEED + i))
            done += 1
            yield Step(done, total, "measuring the confidence")
        calibration = calibrate(network, fields)
    tests = []
    for i in range(config.n_test):
        if calibration is None:
            tests.append(make_example(FIRST_TEST_SEED + i, config.example_px))
        else:
            tests.append(calibration_example(FIRST_TEST_SEED + i))
        done += 1
        yield Step(done, total, "testing")
    threshold, scores = evaluate_on_examples(config.model, network, tests, calibration)
    card = _card(config, threshold, scores)
    return card if calibration is None else replace(card, calibration=calibration.to_card())


def _n_tests(config: TrainingConfig) -> int:
    paper = config.model.startswith("apthorpe-2016")
    return config.n_test + (0 if paper else config.n_calibration)


def _optimize(config: TrainingConfig, examples: list[Any], total: int) -> Steps[nn.Module]:
    import torch

    from napari_caltrig.cells.networks import ARCHITECTURES

    rng = np.random.default_rng([config.seed, 11])
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # sums in another order would change the weights
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            network = ARCHITECTURES[architecture_of(config.model)](**arguments_of(config.model))
        optimizer = torch.optim.AdamW(network.parameters(), config.learning_rate, weight_decay=1e-4)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, config.learning_rate, total_steps=config.n_steps, pct_start=0.15
        )
        network.train()
        recent: list[float] = []
        for i in range(config.n_steps):
            loss = _loss(config, network, rng, examples)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimizer.step()
            schedule.step()
            recent = [*recent[-49:], float(loss.detach())]
            message = f"training, loss {np.mean(recent):.3f}"
            yield Step(config.n_examples + i + 1, total, message)
    finally:
        torch.set_num_threads(threads)
    return network.eval()


def _prepared(config: TrainingConfig, example: Example) -> Any:
    """Inputs and targets of one example, small enough to keep hundreds of them."""
    if config.model in PAPER_MODELS:
        disks, weight = disk_targets(example)
        return (
            (example.stack * 255).astype(np.uint8),
            disks[None].astype(np.float16),
            weight[None].astype(np.float16),
        )
    radii = np.concatenate([np.zeros((1, N_RAYS), np.float32), example.radii])
    views: dict[View, tuple[Any, ...]] = {}
    for view in VIEWS:
        maps, weight = targets(example, view)
        inputs = (example.still_channels if view == "still" else example.channels).copy()
        if view == "active":
            inputs[:N_STILL] = 0
        views[view] = (
            inputs.astype(np.float16),
            np.concatenate([maps, weight[None]]).astype(np.float16),
            radii / np.float32(NETWORK_DIAMETER),
        )
    return views


def _loss(
    config: TrainingConfig, network: nn.Module, rng: np.random.Generator, examples: list[Any]
) -> Tensor:
    import torch

    chosen = [examples[i] for i in rng.integers(len(examples), size=config.batch)]
    if config.model in PAPER_MODELS:
        crops = config.crop_px, config.stack_frames
        triples = [stack_crop(rng, *crops, example) for example in chosen]
        stack, disks, weight = (
            torch.from_numpy(np.stack(part)) for part in zip(*triples, strict=True)
        )
        return apthorpe_loss(network(stack), disks, weight)
    pairs = [channel_crop(rng, config.crop_px, example) for example in chosen]
    inputs, wanted = (torch.from_numpy(np.stack(part)) for part in zip(*pairs, strict=True))
    return compact_loss(network(inputs), wanted)


def compact_loss(maps: Tensor, wanted: Tensor) -> Tensor:
    """Cross entropy and Dice of the soma, cross entropy of the centre, L1 of all lengths.

    Parameters
    ----------
    maps
        Of a `CompactUNet`, (batch, 4 + rays, Y, X).
    wanted
        Those of `examples.targets`, the weight and the radii,
        (batch, 6 + rays, Y, X).
    """
    import torch
    from torch.nn import functional

    def entropy(logits: Tensor, target: Tensor, factor: Tensor) -> Tensor:
        each = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
        return (each * factor).sum() / factor.sum().clamp(min=1)

    soma, centre, core, weight = wanted[:, 0], wanted[:, 1], wanted[:, 4] > 0, wanted[:, 5]
    p = torch.sigmoid(maps[:, 0])
    overlap = (p * soma * weight).sum()
    dice = 1 - (2 * overlap + 1) / ((p * weight).sum() + (soma * weight).sum() + 1)
    centre_loss = entropy(maps[:, 1], centre, weight * (1 + 6 * centre))
    inside = soma * weight
    offset = ((maps[:, 2:4] - wanted[:, 2:4]).abs().sum(dim=1) * inside).sum()
    rays = ((maps[:, 4:] - wanted[:, 6:]).abs().mean(dim=1) * core).sum()
    return (
        entropy(maps[:, 0], soma, weight)
        + 0.5 * dice
        + centre_loss
        + offset / inside.sum().clamp(min=1)
        + 2 * rays / core.sum().clamp(min=1)
    )


def apthorpe_loss(
    logits: Tensor, disks: Tensor, weight: Tensor, share: float | None = None
) -> Tensor:
    """Softmax loss with both classes balanced, as Apthorpe et al. (2016).

    Parameters
    ----------
    logits
        (batch, 2, Y, X).
    disks, weight
        Target and how much a pixel counts, (batch, 1, Y + margins, X + margins).
    share
        Of pixels that lie in disks; measured over the batch by default.
    """
    from torch.nn import functional

    cut = (disks.shape[-1] - logits.shape[-1]) // 2
    inner = slice(cut, cut + logits.shape[-1])
    disks, weight = disks[:, 0, inner, inner], weight[:, 0, inner, inner]
    part = disks.mean().clamp(0.01, 0.99) if share is None else share
    balance = weight * (disks / (2 * part) + (1 - disks) / (2 * (1 - part)))
    each = functional.cross_entropy(logits, disks.long(), reduction="none")
    return (each * balance).sum() / balance.sum().clamp(min=1e-6)


def channel_crop(
    rng: np.random.Generator, crop_px: int, views: Mapping[View, Any]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A crop, turned or mirrored, its channels jittered and sometimes left out.

    Parameters
    ----------
    rng
        Chooses view, place, turn, reflection and jitter.
    crop_px
        Size of the crop.
    views
        Per view: channels (channels, Y, X), targets and weight (6, Y, X), and the radii of
        each cell in network diameters (1 + cells, rays), the first for no cell.
    """
    inputs, wanted, radii = views[VIEWS[rng.choice(len(VIEWS), p=VIEW_SHARES)]]
    inputs, wanted = _crop(rng, crop_px, inputs, wanted)
    inputs, wanted = inputs.astype(np.float32), wanted.astype(np.float32)
    turns, mirror = int(rng.integers(4)), bool(rng.integers(2))
    inputs = _turned(inputs, turns, mirror)
    wanted = _turned(wanted, turns, mirror)
    wanted[2:4] = _turned_vectors(wanted[2:4], turns, mirror)
    rays = _turned_rays(radii, turns, mirror)[wanted[4].astype(int)]
    gain = np.exp(0.15 * rng.standard_normal((len(CHANNELS), 1, 1)))
    gain[rng.random(len(CHANNELS)) < 0.05] = 0
    noise = 0.1 * rng.random() * rng.standard_normal(inputs.shape)
    used = np.abs(inputs).sum(axis=(1, 2), keepdims=True) > 0
    return (inputs * gain + noise * used).astype(np.float32), np.concatenate(
        [wanted, np.moveaxis(rays, -1, 0)]
    )


def stack_crop(
    rng: np.random.Generator, crop_px: int, n_frames: int, example: Any
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """A crop of some frames of a stack.

    The maximum over time does not care which frames it sees, but a cell must
    be seen firing: half of the frames are those where the crop is brightest.

    Parameters
    ----------
    rng
        Chooses place, frames, turn and reflection.
    crop_px
        Size of the crop.
    n_frames
        Of the stack.
    example
        Stack (frames, Y, X) of uint8, disks and weight (1, Y, X).
    """
    stack, disks, weight = _crop(rng, crop_px, *example)
    order = rng.permutation(len(stack))
    count = min(n_frames, len(stack))
    bright = np.argsort(-stack.astype(np.float32).std(axis=(1, 2)))[: count // 2]
    frames = np.unique(np.concatenate([bright, order[: count - len(bright)]]))
    frames = np.resize(frames, count)
    turns, mirror = int(rng.integers(4)), bool(rng.integers(2))
    parts = (stack[frames] / 255, disks, weight)
    turned = [np.ascontiguousarray(_turned(p, turns, mirror), dtype=np.float32) for p in parts]
    return turned[0], turned[1], turned[2]


def _crop(rng: np.random.Generator, size: int, *images: NDArray[Any]) -> list[NDArray[Any]]:
    height, width = images[0].shape[-2:]
    size = min(size, height, width)
    y, x = int(rng.integers(height - size + 1)), int(rng.integers(width - size + 1))
    return [image[..., y : y + size, x : x + size] for image in images]


def _turned(images: NDArray[Any], turns: int, mirror: bool) -> NDArray[Any]:
    turned = np.rot90(images, turns, axes=(-2, -1))
    return turned[..., ::-1].copy() if mirror else turned.copy()


def _turned_vectors(vectors: NDArray[Any], turns: int, mirror: bool) -> NDArray[Any]:
    """Components (y, x) of vectors whose image was turned by `_turned`."""
    y, x = vectors
    for _ in range(turns):  # rot90 takes +x to -y and +y to +x
        y, x = -x, y
    return np.stack([y, -x if mirror else x])


def _turned_rays(radii: NDArray[Any], turns: int, mirror: bool) -> NDArray[Any]:
    """Radii (cells, rays) of cells whose image was turned by `_turned`."""
    rays = radii.shape[1]
    turned = np.roll(radii, -turns * rays // 4, axis=1)
    return turned[:, (rays // 2 - np.arange(rays)) % rays] if mirror else turned


def architecture_of(model: str) -> str:
    """Name of the network class of a trainable model."""
    return {"compact": "compact-unet"}.get(model, model)


def arguments_of(model: str) -> dict[str, Any]:
    """Arguments of the network class of a trainable model."""
    if model == "compact":
        return {"channels": len(CHANNELS), "widths": (16, 32, 64), "rays": N_RAYS}
    return {"maps": 10, "hidden": 20} if model == "apthorpe-2016" else {}


def _card(config: TrainingConfig, threshold: float, scores: Mapping[str, Any]) -> ModelCard:
    description = {
        "compact": "Small U-Net on summary images of the movie; fast, also for a single image.",
        "apthorpe-2016": "The (2+1)D network of Apthorpe et al. (2016), trained on simulations.",
        "apthorpe-2016-2d": "The 2D network of Apthorpe et al. (2016), trained on simulations.",
    }[config.model]
    return ModelCard(
        name=config.model,
        kind="cells",
        architecture=architecture_of(config.model),
        arguments=arguments_of(config.model),
        version="1",
        threshold=threshold,
        description=description,
        seed=config.seed,
        training={
            "data": "simulated one-photon and two-photon fields (napari_caltrig.simulation)",
            "command": f"napari-caltrig train cells --model {config.model} --seed {config.seed}",
            **asdict(config),
        },
        scores=scores,
    )
