"""Training a network on simulated traces: one command, one seed, one result."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from napari_caltrig.simulation.trace_config import MINISCOPE
from napari_caltrig.simulation.traces import OnePhotonConfig, TraceConfig
from napari_caltrig.steps import Progress, run
from napari_caltrig.transients.examples import WEIGHTING, examples
from napari_caltrig.transients.learning import (
    SAVE_EVERY,
    Learner,
    LearningStep,
    Schedule,
    all_arguments,
    unfinished_path,
)
from napari_caltrig.transients.validation import event_f1, scored_simulation
from napari_caltrig.weights import ModelCard, check_model_name, save_model

COMMAND = "napari-caltrig train transients"
_ATTENTION = {"steps": 3000, "learning_rate": 2e-3, "window": 400}
PRESETS: dict[str, dict[str, Any]] = {
    "gru": {},
    "lstm": {"architecture": "ConvLSTM", "steps": 3000, "threshold": 0.55},
    "transformer": {"architecture": "Transformer", "threshold": 0.6, **_ATTENTION},
    "local-transformer": {"architecture": "LocalTransformer", "threshold": 0.5, **_ATTENTION},
}
"""What distinguishes the trainings of the shipped models."""
_EVALUATE_EVERY = 100
_HELD_BACK_SEED = 2**31 + 1  # beyond the seeds that `examples` draws


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
    miniscope_share
        Share of the batches with `simulation.trace_config.MINISCOPE` cells
        instead, whose rises are slower; see `examples.examples`.
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
    steps: int = 7000
    learning_rate: float = 4e-3
    weight_decay: float = 1e-3
    rates_hz: tuple[float, float] = (4.0, 45.0)
    with_c: float = 0.4
    window: int = 800
    simulation: TraceConfig = field(
        default_factory=lambda: TraceConfig(
            n_cells=24,
            n_frames=1600,
            min_rise_snr=1.8,
            one_photon=OnePhotonConfig(fraction=0.3),
        )
    )
    miniscope_share: float = 0.15
    architecture: str = "ConvGRU"
    arguments: Mapping[str, Any] = field(default_factory=dict)
    threshold: float = 0.62
    version: str = "1.4.0"
    folder: Path | None = None

    @classmethod
    def preset(cls, architecture: str, **changes: Any) -> TrainingConfig:
        """Return the training of a shipped model.

        Parameters
        ----------
        architecture
            A name in `PRESETS`; also the model's name unless `changes` has another.
        **changes
            Fields with other values.

        Raises
        ------
        ValueError
            If there is no such architecture.
        """
        if architecture not in PRESETS:
            raise ValueError(f"unknown architecture {architecture!r}; known: {', '.join(PRESETS)}")
        return cls(**{"name": architecture, **PRESETS[architecture], **changes})

    def __post_init__(self) -> None:
        check_model_name(self.name)
        if self.steps < 1:
            raise ValueError(f"training needs at least one step, not {self.steps}")
        if self.window < 1:
            raise ValueError(f"the window is a frame or more, not {self.window}")
        if not self.learning_rate > 0:
            raise ValueError(f"the learning rate must be positive, not {self.learning_rate}")
        if not 0 <= self.with_c <= 1:
            raise ValueError(f"with_c is a fraction from 0 to 1, not {self.with_c}")
        if not 0 <= self.miniscope_share <= 1:
            raise ValueError(
                f"miniscope_share is a fraction from 0 to 1, not {self.miniscope_share}"
            )


def train(
    config: TrainingConfig | None = None,
    progress: Progress | None = None,
    *,
    resume: bool = False,
) -> Path:
    """Train a network and save it with its card.

    Parameters
    ----------
    config
        The shipped model's by default.
    progress
        Called with a `learning.LearningStep` now and then; an exception stops
        the work.
    resume
        Go on with an interrupted training of this configuration, if there is one.

    Returns
    -------
    Path
        The ``.safetensors`` file; the card lies beside it.

    Raises
    ------
    FormatError
        If the interrupted training is damaged or of another configuration.
    """
    return run(train_steps(config, resume=resume), progress)


def train_steps(
    config: TrainingConfig | None = None, *, resume: bool = False
) -> Generator[LearningStep, None, Path]:
    """`train` as a generator; close it to cancel.

    No model is saved then, but what `resume` needs to go on from the last tenth
    step: the result is the same to the last bit, however often a training was
    interrupted.
    """
    import torch

    from napari_caltrig.transients.networks import build_network

    config = TrainingConfig() if config is None else config
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        network = build_network(config.architecture, config.arguments)
    schedule = Schedule(config.steps, config.learning_rate, config.weight_decay)
    learner = Learner(network, schedule, config.seed, _settings(config))
    unfinished = unfinished_path(config.name, config.folder)
    if resume and unfinished.is_file():
        learner.load(unfinished)
    held_back = [scored_simulation(config.simulation, _HELD_BACK_SEED)]
    while learner.step < config.steps:
        batch = examples(
            learner.rng,
            config.simulation,
            config.rates_hz,
            config.with_c,
            config.window,
            config.miniscope_share,
        )
        learner.learn(batch)
        f1 = None
        if learner.step % _EVALUATE_EVERY == 0 or learner.step == config.steps:
            f1 = learner.notes["f1"] = event_f1(network, held_back, config.threshold)
        if learner.step % SAVE_EVERY == 0:
            learner.save(unfinished)
        yield LearningStep(
            learner.step,
            config.steps,
            f"training {config.name}: loss {learner.mean_loss:.4f}",
            learner.mean_loss,
            f1,
        )
    card = _card(config, learner.mean_loss, learner.notes["f1"])
    path = save_model(card, learner.weights(), config.folder)
    unfinished.unlink(missing_ok=True)
    return path


def _settings(config: TrainingConfig) -> dict[str, Any]:
    settings = asdict(config)
    del settings["folder"]
    return settings


def _card(config: TrainingConfig, loss: float, f1: float) -> ModelCard:
    settings = asdict(config)
    settings["miniscope"] = asdict(MINISCOPE)
    settings["weighting"] = dict(WEIGHTING)
    key_of = {PRESETS[k].get("architecture", "ConvGRU"): k for k in PRESETS}
    option = f" --architecture {key_of.get(config.architecture, config.architecture)}"
    for key in ("name", "architecture", "arguments", "threshold", "version", "folder", "seed"):
        del settings[key]
    return ModelCard(
        name=config.name,
        kind="transients",
        architecture=config.architecture,
        arguments=all_arguments(config.architecture, config.arguments),
        version=config.version,
        threshold=config.threshold,
        description="Rises of calcium transients in dF/F, with or without denoised traces",
        seed=config.seed,
        training={
            "data": "simulated traces only (napari_caltrig.simulation.traces)",
            "command": f"{COMMAND}{option} --seed {config.seed}",
            "settings": settings,
        },
        scores={
            "training loss (mean of the last 100 steps)": round(loss, 5),
            "simulated traces held back (event F1, +-0.2 s)": round(f1, 3),
        },
    )
