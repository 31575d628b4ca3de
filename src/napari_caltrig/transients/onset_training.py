"""Training the network that says where exactly transients begin, on simulated traces."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.simulation.traces import TraceConfig, simulate_traces
from napari_caltrig.steps import Progress, run
from napari_caltrig.transients.examples import drawn_simulation, simulate_cnmf
from napari_caltrig.transients.inputs import network_input
from napari_caltrig.transients.learning import LearningStep
from napari_caltrig.transients.noise import noise_level
from napari_caltrig.transients.onsets import AFTER, BEFORE, MODEL, REACH, around, features
from napari_caltrig.transients.scoring import match_onsets
from napari_caltrig.transients.spans import spans_from_probabilities
from napari_caltrig.transients.training import TrainingConfig
from napari_caltrig.weights import ModelCard, load_model, save_model

if TYPE_CHECKING:
    import torch

COMMAND = "napari-caltrig train onsets"
_MAX_ERROR_S = 0.4  # what was found further from a known onset is taken for something else
_HELD_BACK = 0.05


@dataclass(frozen=True)
class OnsetTrainingConfig:
    """How the network for onsets is trained; the defaults made the shipped one.

    Parameters
    ----------
    models
        Networks whose transients it learns to place; each batch is read by one
        of them.
    seed
        Seeds the weights and every simulated trace.
    batches
        Simulated batches of traces.
    epochs
        How often each transient is seen.
    learning_rate, weight_decay
        Highest rate of the one-cycle schedule, and of AdamW.
    hidden
        Units of the two hidden layers.
    rates_hz, with_c, simulation, miniscope_share
        As in `training.TrainingConfig`.
    min_snr
        Smallest rise over noise of the transients to learn from.
    thresholds
        Probability thresholds; one is drawn for each cell.
    version
        Version that the card will say.
    folder
        Where to save; the user's model folder by default.
    """

    models: tuple[str, ...] = ("gru", "gru", "gru", "lstm", "transformer", "local-transformer")
    seed: int = 0
    batches: int = 1500
    epochs: int = 12
    learning_rate: float = 4e-3
    weight_decay: float = 1e-2
    hidden: tuple[int, int] = (128, 64)
    rates_hz: tuple[float, float] = (4.0, 45.0)
    with_c: float = 0.3
    simulation: TraceConfig = field(default_factory=lambda: TrainingConfig().simulation)
    miniscope_share: float = 0.15
    min_snr: float = 1.5
    thresholds: tuple[float, ...] = (0.4, 0.5, 0.65, 0.65, 0.65, 0.8)
    version: str = "1.2.0"
    folder: Path | None = None

    def __post_init__(self) -> None:
        if self.batches < 1 or self.epochs < 1:
            raise ValueError("training needs at least one batch and one epoch")


def train_onsets(
    config: OnsetTrainingConfig | None = None, progress: Progress | None = None
) -> Path:
    """Train the network for onsets and save it with its card.

    Parameters
    ----------
    config
        The shipped model's by default.
    progress
        Called with a `learning.LearningStep` now and then; an exception stops
        the work.

    Returns
    -------
    Path
        The ``.safetensors`` file; the card lies beside it.

    Notes
    -----
    The networks look for transients in simulated traces. Where one is found
    within 0.4 s of a known rise, the network here learns how many frames lie
    between the onset by rule and the true one.
    """
    return run(train_onsets_steps(config), progress)


def train_onsets_steps(
    config: OnsetTrainingConfig | None = None,
) -> Generator[LearningStep, None, Path]:
    """`train_onsets` as a generator; close it to cancel."""
    import torch

    from napari_caltrig.transients.networks import build_network, single_threaded

    config = OnsetTrainingConfig() if config is None else config
    total = config.batches + config.epochs
    rng = np.random.default_rng(config.seed)
    loaded = {name: load_model(name, "transients") for name in config.models}
    networks = {k: build_network(c.architecture, c.arguments, w) for k, (c, w) in loaded.items()}
    parts = []
    for k in range(config.batches):
        network = networks[config.models[int(rng.integers(len(config.models)))]]
        with single_threaded():
            parts.append(onset_examples(rng, network, config))
        yield LearningStep(k + 1, total, f"simulating traces: {k + 1} of {config.batches}")
    x, y = (np.concatenate(some) for some in zip(*parts, strict=True))
    parts.clear()
    n_back = max(round(_HELD_BACK * len(x)), 1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        network = onset_network(x.shape[1], config.hidden)
    seen, held_back = (x[n_back:], y[n_back:]), (x[:n_back], y[:n_back])
    for k, loss in enumerate(_epochs(network, seen, rng, config)):
        text = f"training {MODEL}: loss {loss:.4f}"
        yield LearningStep(config.batches + k + 1, total, text, loss)
    card = _card(config, loss, _loss(network, *held_back), len(x))
    weights = {name: t.detach().numpy().copy() for name, t in network.state_dict().items()}
    return save_model(card, weights, config.folder)


def onset_network(n_features: int, hidden: tuple[int, int]) -> torch.nn.Module:
    """Three layers; one logit for each frame where the onset may be.

    Parameters
    ----------
    n_features
        See `onsets.features`.
    hidden
        Units of the two hidden layers.
    """
    from torch import nn

    first, second = hidden
    return nn.Sequential(
        nn.Linear(n_features, first),
        nn.ReLU(),
        nn.Linear(first, second),
        nn.ReLU(),
        nn.Linear(second, 2 * REACH + 1),
    )


def onset_examples(
    rng: np.random.Generator, network: torch.nn.Module, config: OnsetTrainingConfig
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Features of transients in one simulated batch, and which offset is right.

    Parameters
    ----------
    rng
        Source of randomness; it also draws the seed of the simulation.
    network
        Finds the transients.
    config
        See there.
    """
    from napari_caltrig.transients.windows import read_probabilities

    simulation = drawn_simulation(rng, config.simulation, config.rates_hz, config.miniscope_share)
    s, rate = simulate_traces(simulation), simulation.frame_rate
    c = simulate_cnmf(rng, s, rng.random(simulation.n_cells) < config.with_c).c
    seen = network_input(s.dff, rate, c)
    p = np.stack(read_probabilities(network, list(seen.features)))
    p[~seen.alive] = 0
    noise, known = noise_level(s.dff), s.spans[s.spans["snr"] >= config.min_snr]
    xs, ys = [], []
    for i, (one, trace) in enumerate(zip(p, s.dff, strict=True)):
        threshold = float(rng.choice(config.thresholds))
        found = spans_from_probabilities(one, trace, rate, threshold, onsets="rule")
        guess = found["onset"].to_numpy()
        spans = known[known["unit_id"] == i]
        onset = spans["onset"].to_numpy()
        reach = min(REACH, int(_MAX_ERROR_S * rate))
        match = match_onsets(guess, onset, (spans["snr"] >= 3).to_numpy(), reach)
        hit = match >= 0
        x = features(around(trace, guess), noise[i], around(one, guess), rate)
        xs.append(x[match[hit]])
        ys.append(onset[hit] - guess[match[hit]] + REACH)
    return np.concatenate(xs), np.concatenate(ys)


def _epochs(
    network: torch.nn.Module,
    examples: tuple[NDArray[np.float32], NDArray[np.int64]],
    rng: np.random.Generator,
    config: OnsetTrainingConfig,
    size: int = 1024,
) -> Generator[float]:
    """Mean loss of each epoch."""
    import torch

    from napari_caltrig.transients.networks import single_threaded

    x, y = (torch.from_numpy(part) for part in examples)
    steps = -(-len(x) // size)
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    rates = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, config.learning_rate, total_steps=config.epochs * steps + 1, pct_start=0.1
    )
    for _ in range(config.epochs):
        order, losses = torch.from_numpy(rng.permutation(len(x))), []
        with single_threaded():
            for rows in torch.split(order, size):
                loss = torch.nn.functional.cross_entropy(network(x[rows]), y[rows])
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                rates.step()
                losses.append(float(loss.detach()))
        yield float(np.mean(losses))


def _loss(network: torch.nn.Module, x: NDArray[np.float32], y: NDArray[np.int64]) -> float:
    import torch

    with torch.inference_mode():
        logits = network(torch.from_numpy(x))
        return float(torch.nn.functional.cross_entropy(logits, torch.from_numpy(y)))


def _card(config: OnsetTrainingConfig, loss: float, held_back: float, n: int) -> ModelCard:
    settings: dict[str, Any] = asdict(config)
    for key in ("version", "folder", "seed"):
        del settings[key]
    return ModelCard(
        name=MODEL,
        kind="onsets",
        architecture="OnsetNetwork",
        arguments={
            "before": BEFORE, "after": AFTER, "reach": REACH, "hidden": list(config.hidden)
        },
        version=config.version,
        threshold=0.5,
        description="Where exactly a transient begins that a network has found",
        seed=config.seed,
        training={
            "data": "simulated traces only (napari_caltrig.simulation.traces)",
            "command": f"{COMMAND} --seed {config.seed}",
            "transients": n,
            "settings": settings,
        },
        scores={
            "training loss (cross-entropy, last epoch)": round(loss, 4),
            "simulated transients held back (cross-entropy)": round(held_back, 4),
        },
    )  # fmt: skip
