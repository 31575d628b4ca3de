"""One network in training: batches in, weights out, stopped and resumed at any step."""

from __future__ import annotations

import inspect
import json
import math
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.recording import FormatError
from napari_caltrig.steps import Step
from napari_caltrig.weights import user_models_folder

if TYPE_CHECKING:
    import torch

    from napari_caltrig.transients.examples import Examples


SAVE_EVERY = 10
"""Steps after which everything needed to go on is saved: so much is lost at most."""


@dataclass(frozen=True)
class LearningStep(Step):
    """How far a training has come.

    Parameters
    ----------
    done, total, message
        See `steps.Step`.
    loss
        Mean of the last 100 batches.
    f1
        Event F1 on cells held back, where it was just measured.
    old_f1
        Event F1 on simulated traces, where it was just measured: the old task
        of a network that learns from a person's cells.
    """

    loss: float = math.nan
    f1: float | None = None
    old_f1: float | None = None


@dataclass(frozen=True)
class Schedule:
    """How the weights change.

    Parameters
    ----------
    steps
        Batches in all.
    learning_rate
        Highest rate of the one-cycle schedule (Smith & Topin 2019).
    weight_decay
        Of AdamW.
    warm_up
        Share of the steps in which the rate rises.
    """

    steps: int
    learning_rate: float
    weight_decay: float = 1e-3
    warm_up: float = 0.1


class Learner:
    """A network, its optimiser and its source of randomness.

    Parameters
    ----------
    network
        Changed in place.
    schedule
        How.
    seed
        Of everything random.
    settings
        JSON values; a training is only resumed with the same.
    """

    def __init__(
        self,
        network: torch.nn.Module,
        schedule: Schedule,
        seed: int,
        settings: Mapping[str, Any],
    ) -> None:
        import torch

        self.network = network
        self.rng = np.random.default_rng(seed)
        self.settings = json.loads(json.dumps(settings))
        self.step = 0
        self.mean_loss = 0.0
        self.notes: dict[str, Any] = {}
        self.best: dict[str, NDArray[Any]] = {}
        self._optimiser = torch.optim.AdamW(
            network.parameters(), lr=schedule.learning_rate, weight_decay=schedule.weight_decay
        )
        self._rates = torch.optim.lr_scheduler.OneCycleLR(
            self._optimiser,
            schedule.learning_rate,
            total_steps=schedule.steps + 1,
            pct_start=schedule.warm_up,
        )

    def learn(self, batch: Examples) -> None:
        """One step of the optimiser; in one thread, so that results do not differ."""
        import torch

        from napari_caltrig.transients.networks import single_threaded

        with single_threaded():
            label, weight = torch.from_numpy(batch.label), torch.from_numpy(batch.weight)
            logits = self.network(torch.from_numpy(batch.features))
            total = torch.nn.functional.binary_cross_entropy_with_logits(
                logits, label, weight, reduction="sum"
            )
            loss = total / torch.count_nonzero(weight).clamp(min=1)
            self._optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
            self._optimiser.step()
            self._rates.step()
        self.step += 1
        self.mean_loss += (float(loss.detach()) - self.mean_loss) / min(self.step, 100)

    def weights(self) -> dict[str, NDArray[Any]]:
        """Copies of the network's weights by name."""
        return _copies(self.network)

    def keep_as_best(self, network: torch.nn.Module | None = None) -> None:
        """Remember the weights of now, or of another network, as the best so far."""
        self.best = _copies(network or self.network)

    # Stopping and resuming ---------------------------------------------------

    def save(self, path: Path) -> None:
        """Write everything that the rest of the training depends on, in one piece."""
        from safetensors.numpy import save_file

        tensors = {f"network.{k}": v for k, v in self.weights().items()}
        tensors |= {f"best.{k}": v for k, v in self.best.items()}
        for i, state in self._optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{i}.{k}": t.numpy().copy() for k, t in state.items()}
        facts = {
            "settings": self.settings,
            "step": self.step,
            "mean_loss": self.mean_loss,
            "notes": self.notes,
            "random": self.rng.bit_generator.state,
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part")
        save_file(tensors, unfinished, {"training": json.dumps(facts)})
        os.replace(unfinished, path)

    def load(self, path: Path) -> None:
        """Go on where `save` was called.

        Raises
        ------
        FormatError
            If the file is damaged, or of a training with other settings.
        """
        import torch
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, "numpy") as file:
                facts = json.loads((file.metadata() or {})["training"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            if facts["settings"] != self.settings:
                raise ValueError("it was begun with other settings or other labels")
            state: dict[int, dict[str, Any]] = {}
            for name, value in _under("optimiser.", tensors).items():
                index, _, key = name.partition(".")
                state.setdefault(int(index), {})[key] = torch.from_numpy(value.copy())
            network = {k: torch.from_numpy(v) for k, v in _under("network.", tensors).items()}
            self.network.load_state_dict(network)
            self.rng.bit_generator.state = facts["random"]
        except (OSError, SafetensorError, KeyError, ValueError, TypeError, RuntimeError) as error:
            raise FormatError(
                path,
                "an interrupted training with these settings",
                str(error),
                "Begin it anew (without resume).",
            ) from error
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # no optimiser step in between
            for _ in range(facts["step"]):
                self._rates.step()
        groups = self._optimiser.state_dict()["param_groups"]
        self._optimiser.load_state_dict({"state": state, "param_groups": groups})
        self.best = _under("best.", tensors)
        self.step, self.mean_loss = int(facts["step"]), float(facts["mean_loss"])
        self.notes = facts["notes"]


def all_arguments(architecture: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of a network with its defaults spelled out.

    A card has to say them all: a model of today must not change when a default
    does.

    Parameters
    ----------
    architecture
        A name in `networks.ARCHITECTURES`.
    arguments
        Those that differ from the defaults.
    """
    from napari_caltrig.transients.networks import ARCHITECTURES

    parameters = inspect.signature(ARCHITECTURES[architecture]).parameters
    defaults = {k: p.default for k, p in parameters.items() if p.default is not p.empty}
    return {**defaults, **arguments}


def _copies(network: torch.nn.Module) -> dict[str, NDArray[Any]]:
    return {name: t.detach().numpy().copy() for name, t in network.state_dict().items()}


def unfinished_path(name: str, folder: Path | None = None) -> Path:
    """Where an interrupted training of the model `name` lies.

    Parameters
    ----------
    name
        Of the model.
    folder
        Where the model will be saved; the user's model folder by default.
    """
    folder = user_models_folder() if folder is None else folder
    return folder / "unfinished" / f"{name}.safetensors"


def _under(prefix: str, tensors: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
