"""Training of the networks on simulated fields; imports torch inside functions only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_caltrig.cells.channels import CHANNELS, N_STILL
from napari_caltrig.cells.crops import VIEWS, channel_crop
from napari_caltrig.cells.examples import N_RAYS, Example, View, make_example, targets
from napari_caltrig.cells.inference import NETWORK_DIAMETER
from napari_caltrig.cells.losses import compact_loss
from napari_caltrig.steps import Progress, Step, Steps, run
from napari_caltrig.weights import ModelCard, check_new_model, save_model

if TYPE_CHECKING:
    from torch import Tensor, nn

PAPER_MODELS = ("apthorpe-2016", "apthorpe-2016-2d")
ARCHITECTURE = "compact-unet"
ARGUMENTS: Mapping[str, Any] = {
    "channels": len(CHANNELS),
    "widths": (16, 32, 64),
    "rays": N_RAYS,
}
FIRST_TEST_SEED = 1_000_000  # training examples have smaller seeds
FIRST_CALIBRATION_SEED = 2_000_000
AVERAGED = 0.4  # of the steps: the weights are a running mean over so many


@dataclass(frozen=True)
class TrainingConfig:
    """How a network is trained.

    Parameters
    ----------
    model
        ``"compact"``, ``"apthorpe-2016"`` or ``"apthorpe-2016-2d"``; also the name of the files.
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
        Frames per crop that a network of Apthorpe et al. is trained on.
    n_test
        Simulated fields that the scores of the card rest on.
    n_calibration
        Simulated fields that the confidence of the compact network is fitted on, or the outlines
        of a network of Apthorpe et al. are tuned on.
    threshold
        Lowest confidence of a cell (compact network only); None takes the middle of those with
        nearly the best F1 on the test fields, which is 0.55 with the other defaults. The default
        was chosen on seven development movies of minisim, of which more cells are out of focus.
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
    n_test: int = 24
    n_calibration: int = 20
    threshold: float | None = 0.65

    @classmethod
    def default(cls, model: str, **changes: Any) -> TrainingConfig:
        """Return what the shipped weights of `model` were trained with.

        Raises
        ------
        ValueError
            If there is no such network.
        """
        paper = {"n_examples": 180, "n_steps": 1800, "batch": 4, "crop_px": 76}
        presets: Mapping[str, Mapping[str, Any]] = {
            "compact": {},
            **{name: {**paper, "n_calibration": 24, "threshold": None} for name in PAPER_MODELS},
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
        The ``.safetensors`` file. In the user's model folder it is found by this path alone: its
        name is that of a shipped model.

    Raises
    ------
    ValueError
        If there is no such network, or nothing can be saved there.
    """
    return run(training_steps(config, folder), progress)


def training_steps(config: TrainingConfig, folder: Path | None = None) -> Steps[Path]:
    """Do what `train` does, as a generator of steps."""
    TrainingConfig.default(config.model)
    check_new_model(config.model, folder, anew=True)
    if config.model in PAPER_MODELS:
        return (yield from _paper_steps(config, folder))
    total = config.n_examples + config.n_steps + config.n_test + config.n_calibration
    examples = []
    for i in range(config.n_examples):
        examples.append(_prepared(make_example(config.seed * 100_000 + i, config.example_px)))
        yield Step(i + 1, total, "simulating examples")
    network = yield from _optimize(config, examples, total)
    del examples
    card = yield from _tested(config, network, total)
    tensors = {k: v.detach().cpu().numpy() for k, v in network.state_dict().items()}
    return save_model(card, tensors, folder)


def _paper_steps(config: TrainingConfig, folder: Path | None) -> Steps[Path]:
    from napari_caltrig.cells.paper_simulation import simulated_training_steps
    from napari_caltrig.cells.paper_training import PaperConfig

    learned = PaperConfig(
        model=config.model,
        name=config.model,
        seed=config.seed,
        n_steps=config.n_steps,
        batch=config.batch,
        crop_px=config.crop_px,
        learning_rate=config.learning_rate,
        stack_frames=config.stack_frames,
        diameter=NETWORK_DIAMETER,
    )
    n_fields = {
        "training": config.n_examples,
        "validation": config.n_calibration,
        "test": config.n_test,
    }
    return (yield from simulated_training_steps(learned, n_fields, config.example_px, folder))


def _tested(config: TrainingConfig, network: nn.Module, total: int) -> Steps[ModelCard]:
    """Confidence, threshold and scores from fields that no training used, on a card."""
    from napari_caltrig.cells.calibration import calibration_example
    from napari_caltrig.cells.evaluation import calibrate, evaluate_on_examples

    done = total - config.n_test - config.n_calibration
    fields = []
    for i in range(config.n_calibration):
        fields.append(calibration_example(FIRST_CALIBRATION_SEED + i))
        done += 1
        yield Step(done, total, "measuring the confidence")
    calibration = calibrate(network, fields)
    tests = []
    for i in range(config.n_test):
        tests.append(calibration_example(FIRST_TEST_SEED + i))
        done += 1
        yield Step(done, total, "testing")
    threshold, scores = evaluate_on_examples(network, tests, calibration, config.threshold)
    return replace(_card(config, threshold, scores), calibration=calibration.to_card())


def _optimize(config: TrainingConfig, examples: list[Any], total: int) -> Steps[nn.Module]:
    import torch
    from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

    from napari_caltrig.cells.networks import ARCHITECTURES

    rng = np.random.default_rng([config.seed, 11])
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # sums in another order would change the weights
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            network = ARCHITECTURES[ARCHITECTURE](**ARGUMENTS)
        optimizer = torch.optim.AdamW(network.parameters(), config.learning_rate, weight_decay=1e-4)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, config.learning_rate, total_steps=config.n_steps, pct_start=0.15
        )
        # What single batches teach is forgotten in the mean, and with it what only they have.
        mean = get_ema_multi_avg_fn(max(1 - 1 / (AVERAGED * config.n_steps), 0.0))  # type: ignore[no-untyped-call]
        averaged = AveragedModel(network, multi_avg_fn=mean, use_buffers=True)
        network.train()
        recent: list[float] = []
        for i in range(config.n_steps):
            loss = _loss(config, network, rng, examples)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimizer.step()
            schedule.step()
            averaged.update_parameters(network)
            recent = [*recent[-49:], float(loss.detach())]
            message = f"training, loss {np.mean(recent):.3f}"
            yield Step(config.n_examples + i + 1, total, message)
    finally:
        torch.set_num_threads(threads)
    return averaged.module.eval()


def _prepared(example: Example) -> dict[View, tuple[Any, ...]]:
    """Inputs and targets of one example, small enough to keep hundreds of them."""
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
    pairs = [channel_crop(rng, config.crop_px, example) for example in chosen]
    inputs, wanted = (torch.from_numpy(np.stack(part)) for part in zip(*pairs, strict=True))
    return compact_loss(network(inputs), wanted)


def _card(config: TrainingConfig, threshold: float, scores: Mapping[str, Any]) -> ModelCard:
    return ModelCard(
        name=config.model,
        kind="cells",
        architecture=ARCHITECTURE,
        arguments=ARGUMENTS,
        version="4",
        threshold=threshold,
        description="Small U-Net on summary images of the movie; fast, also for a single image.",
        seed=config.seed,
        training={
            "data": "simulated one-photon and two-photon fields (napari_caltrig.simulation)",
            "command": f"napari-caltrig train cells --model {config.model} --seed {config.seed}",
            **asdict(config),
        },
        scores=scores,
    )
