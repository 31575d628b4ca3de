"""Training a network on simulated traces: one command, one seed, one result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from napari_caltrig.simulation.traces import TraceConfig
from napari_caltrig.steps import Progress, Step, Steps, run
from napari_caltrig.transients.examples import examples
from napari_caltrig.weights import ModelCard, save_model

COMMAND = "napari-caltrig train transients"


@dataclass(frozen=True)
class TrainingConfig:
    """How a network for transients is trained; the defaults made the shipped one.

    Parameters
    ----------
    name
        Name of the model: its files, ``model=`` and menus.
    seed
        Seeds the weights and every simulated trace.
    steps
        Batches, each of traces never seen before.
    learning_rate
        Highest rate of the one-cycle schedule.
    weight_decay
        Of AdamW.
    rates_hz
        Range of frame rates.
    with_c
        Fraction of cells with a denoised trace, so that one model serves
        recordings with and without one.
    window
        Frames per example; simulated traces are cut into several.
    simulation
        Cells and frames of a batch, and what they look like. Rises of 1.8 sd
        of the noise already count as transients (and not from 3 sd on): at
        poor noise a network that learns from 3 sd on misses half of what can
        be found, without being more precise.
    architecture, arguments
        Network, see `networks.ARCHITECTURES`.
    threshold
        Default threshold that the card will say.
    version
        Version that the card will say.
    folder
        Where to save; the user's model folder by default.
    """

    name: str = "gru"
    seed: int = 0
    steps: int = 1600
    learning_rate: float = 4e-3
    weight_decay: float = 1e-3
    rates_hz: tuple[float, float] = (4.0, 45.0)
    with_c: float = 0.4
    window: int = 400
    simulation: TraceConfig = field(
        default_factory=lambda: TraceConfig(n_cells=48, n_frames=800, min_rise_snr=1.8)
    )
    architecture: str = "ConvGRU"
    arguments: Mapping[str, Any] = field(default_factory=dict)
    threshold: float = 0.53
    version: str = "1.0.0"
    folder: Path | None = None

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"training needs at least one step, not {self.steps}")
        if not self.learning_rate > 0:
            raise ValueError(f"the learning rate must be positive, not {self.learning_rate}")
        if not 0 <= self.with_c <= 1:
            raise ValueError(f"with_c is a fraction from 0 to 1, not {self.with_c}")


def train(config: TrainingConfig | None = None, progress: Progress | None = None) -> Path:
    """Train a network and save it with its card.

    Parameters
    ----------
    config
        The shipped model's by default.
    progress
        Called with a `steps.Step` now and then; an exception stops the work.

    Returns
    -------
    Path
        The ``.safetensors`` file; the card lies beside it.
    """
    return run(train_steps(config), progress)


def train_steps(config: TrainingConfig | None = None) -> Steps[Path]:
    """`train` as a generator; close it to cancel: nothing is saved then."""
    import torch

    from napari_caltrig.transients.networks import build_network, single_threaded

    config = TrainingConfig() if config is None else config
    rng = np.random.default_rng(config.seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        network = build_network(config.architecture, config.arguments)
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, config.learning_rate, total_steps=config.steps + 1, pct_start=0.1
    )
    mean_loss = 0.0
    for k in range(config.steps):
        with single_threaded():  # sums of several threads would differ from run to run
            batch = examples(rng, config.simulation, config.rates_hz, config.with_c, config.window)
            label, weight = torch.from_numpy(batch.label), torch.from_numpy(batch.weight)
            logits = network(torch.from_numpy(batch.features))
            loss = torch.nn.functional.binary_cross_entropy_with_logits(
                logits, label, weight, reduction="sum"
            ) / torch.count_nonzero(weight)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            schedule.step()
        mean_loss += (float(loss.detach()) - mean_loss) / min(k + 1, 100)
        yield Step(k + 1, config.steps, f"training {config.name}: loss {mean_loss:.4f}")
    weights = {name: t.detach().numpy() for name, t in network.state_dict().items()}
    return save_model(_card(config, mean_loss), weights, config.folder)


def _card(config: TrainingConfig, loss: float) -> ModelCard:
    settings = asdict(config)
    for key in ("name", "architecture", "arguments", "threshold", "version", "folder", "seed"):
        del settings[key]
    return ModelCard(
        name=config.name,
        kind="transients",
        architecture=config.architecture,
        arguments=dict(config.arguments),
        version=config.version,
        threshold=config.threshold,
        description="Rises of calcium transients in dF/F, with or without denoised traces",
        seed=config.seed,
        training={
            "data": "simulated traces only (napari_caltrig.simulation.traces)",
            "command": f"{COMMAND} --seed {config.seed}",
            "settings": settings,
        },
        scores={"training loss (mean of the last 100 steps)": round(loss, 5)},
    )
