"""Models on disk: a ``NAME.safetensors`` and its card ``NAME.json`` side by side.

Shipped models live in this folder, the user's own in the user data folder,
where a checkpoint of CalTrig (``.pth``) is a model too. Nothing in a model file
is ever executed, and no torch is needed to list them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from platformdirs import user_data_path

from napari_caltrig.recording.errors import FormatError
from napari_caltrig.weights import caltrig_checkpoint

Kind = Literal["transients", "onsets", "cells"]

SHIPPED = Path(__file__).parent
_NOT_IN_FILE_NAMES = set('<>:"/\\|?*')  # on Windows; models go from one machine to another


@dataclass(frozen=True)
class ModelCard:
    """What a model is, what went into it and what came out.

    Parameters
    ----------
    name
        File name without extension; what menus and ``model=`` show.
    kind
        ``"transients"``, ``"onsets"`` (where exactly they begin) or ``"cells"``.
    architecture
        Name of the network class in the registry of its kind.
    arguments
        Arguments of that class.
    version
        Version of the weights.
    threshold
        Default probability threshold.
    description
        One sentence for the user.
    licence
        Licence of the weights.
    seed
        Seed of the training run.
    training
        Data, configuration and the command that reproduces the weights.
    scores
        What was measured, and on what.
    calibration
        What turns features of a candidate cell into its confidence (cells only).
    sha256
        Of the ``.safetensors`` file; filled in by `save_model`.
    """

    name: str
    kind: Kind
    architecture: str
    arguments: Mapping[str, Any]
    version: str
    threshold: float
    description: str = ""
    licence: str = "BSD-3-Clause"
    seed: int = 0
    training: Mapping[str, Any] = field(default_factory=dict)
    scores: Mapping[str, Any] = field(default_factory=dict)
    calibration: Mapping[str, Any] = field(default_factory=dict)
    sha256: str = ""

    @property
    def title(self) -> str:
        """Name and version as tables give them; of own models with digits of their weights.

        One's own model may be trained anew under the same name and version: then only the
        digits tell which of them has found a transient.
        """
        digits, shipped = self.sha256[:8], SHIPPED / f"{self.name}.json"
        if not digits or self.version == digits:
            return f"{self.name} {self.version}"
        if shipped.is_file() and _read_card(shipped).sha256 == self.sha256:
            return f"{self.name} {self.version}"
        return f"{self.name} {self.version} {digits}"

    def described_scores(self) -> list[str]:
        """What was measured, a line each, what of the base had to change for it, and a warning."""
        lines = []
        for what, score in self.scores.items():
            if isinstance(score, Mapping):
                score = ", ".join(f"{key} {value}" for key, value in score.items())
            lines.append(f"{what}: {score}")
        if "learned" in self.training:
            lines.append(f"learned: {self.training['learned']}")
        if "note" in self.training:
            lines.append(str(self.training["note"]))
        return lines


def user_models_folder() -> Path:
    """Folder of the user's own models; not created here."""
    return user_data_path("napari-caltrig", appauthor=False) / "models"


def is_shipped(name: str) -> bool:
    """Whether a shipped model has this name; some file systems tell no capitals from others."""
    return name.casefold() in {path.stem.casefold() for path in SHIPPED.glob("*.safetensors")}


def model_path(name: str, folder: Path | None = None) -> Path:
    """Where the weights of a model lie or will lie.

    Parameters
    ----------
    name
        Of the model.
    folder
        The user's model folder by default.
    """
    return (user_models_folder() if folder is None else folder) / f"{name}.safetensors"


def check_model_name(name: str) -> None:
    """Refuse a name that cannot be that of a model's file in its folder.

    Raises
    ------
    ValueError
        If it is empty, has characters that file systems do not take, or an ending of models.
    """
    ending = Path(name).suffix
    if (
        not name.strip(" .")
        or name != name.strip()
        or not name.isprintable()
        or set(name) & _NOT_IN_FILE_NAMES
        or ending in (".safetensors", ".json", caltrig_checkpoint.SUFFIX)
    ):
        raise ValueError(
            f"{name!r} cannot be the name of a model: give one that can be the name of a file, "
            "of letters, digits, - and _, without an ending"
        )


def check_new_model(name: str, folder: Path | None = None, *, anew: bool = False) -> None:
    """Refuse a model that could not be saved or found again, before it is trained.

    Parameters
    ----------
    name
        Of the model to be.
    folder
        Where to save it; the user's model folder by default. It need not exist yet, and nothing
        is left in it.
    anew
        A shipped model is made anew, under its own name.

    Raises
    ------
    ValueError
        If the name cannot be that of a file or is a shipped model's, or if nothing can be
        written there.
    """
    check_model_name(name)
    if is_shipped(name) and not anew:
        raise ValueError(
            f"{name!r} is the name of a model that comes with the plugin, which would always be "
            "taken instead: give the new model another name"
        )
    path = model_path(name, folder)
    try:
        there = next(parent for parent in path.absolute().parents if parent.exists())
        with TemporaryDirectory(prefix=".saving-", dir=there) as trying:
            (Path(trying) / path.name).touch()
    except OSError as error:
        raise ValueError(
            f"no model {name!r} can be saved in {path.parent}: {error.strerror}. "
            "Choose another folder or name."
        ) from error


def list_models(kind: Kind) -> list[ModelCard]:
    """All models of a kind, shipped ones first.

    Unreadable cards are left out, and models of the user's with the name of a shipped one, which
    `load_model` takes instead.
    """
    cards = []
    for folder in (SHIPPED, user_models_folder()):
        for path in sorted(folder.glob("*.json")):
            if folder != SHIPPED and is_shipped(path.stem):
                continue
            try:
                card = _read_card(path)
            except FormatError:
                continue
            if card.kind == kind:
                cards.append(card)
    if kind == "transients":
        for path in sorted(user_models_folder().glob(f"*{caltrig_checkpoint.SUFFIX}")):
            with suppress(FormatError):
                cards.append(caltrig_checkpoint.checkpoint_card(path))
    return cards


def load_model(model: str | Path, kind: Kind) -> tuple[ModelCard, dict[str, NDArray[Any]]]:
    """Card and weights of a model.

    Parameters
    ----------
    model
        Name of a shipped or user model, or path of a ``.safetensors`` file
        with its card beside it or of a CalTrig checkpoint (``.pth``).
    kind
        What the model must be for.

    Raises
    ------
    FormatError
        If there is no such model, it is of another kind, or a file is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    path = _find(model, kind)
    if path.suffix == caltrig_checkpoint.SUFFIX:
        if kind != "transients":
            raise FormatError(
                path, f"a model for {kind}", "a CalTrig checkpoint", "Choose another model."
            )
        return caltrig_checkpoint.load_checkpoint(path)
    card = _read_card(path.with_suffix(".json"))
    if card.kind != kind:
        raise FormatError(
            path, f"a model for {kind}", f"one for {card.kind}", "Choose another model."
        )
    try:
        content = path.read_bytes()
        if card.sha256 and hashlib.sha256(content).hexdigest() != card.sha256:
            raise SafetensorError("the content differs from what the card says")
        weights = load(content)
        broken = [n for n, w in weights.items() if w.dtype.kind == "f" and not np.isfinite(w).all()]
        if broken:
            raise SafetensorError(f"weights that are not numbers in {broken[0]}")
        return card, weights
    except (OSError, SafetensorError) as error:
        raise FormatError(
            path,
            "intact model weights (.safetensors)",
            str(error),
            "Copy the model again or train it anew.",
        ) from error


def save_model(
    card: ModelCard, tensors: Mapping[str, NDArray[Any]], folder: Path | None = None
) -> Path:
    """Write weights and card; returns the path of the weights.

    Parameters
    ----------
    card
        Its ``sha256`` is computed here.
    tensors
        Weights by name.
    folder
        The user's model folder by default.

    Raises
    ------
    ValueError
        If its name cannot be that of a file, see `check_model_name`.
    OSError
        If it cannot be written; an older model of that name is as it was then.
    """
    from safetensors.numpy import save

    check_model_name(card.name)
    path = model_path(card.name, folder)
    content = save({k: np.ascontiguousarray(v) for k, v in tensors.items()})
    text = {**asdict(card), "sha256": hashlib.sha256(content).hexdigest()}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".saving-", dir=path.parent) as making:
            new = Path(making) / path.name
            new.write_bytes(content)
            new.with_suffix(".json").write_text(json.dumps(text, indent=2) + "\n", encoding="utf-8")
            new.replace(path)
            new.with_suffix(".json").replace(path.with_suffix(".json"))
    except OSError as error:
        problem = f"the model could not be saved, nothing of it was kept: {error.strerror}"
        raise OSError(error.errno, problem, str(path)) from error
    return path


def _find(model: str | Path, kind: Kind) -> Path:
    candidate = Path(model)
    if candidate.suffix in (".safetensors", caltrig_checkpoint.SUFFIX):
        for path in (candidate, user_models_folder() / candidate):
            if path.is_file():
                return path
    else:
        for folder in (SHIPPED, user_models_folder()):
            path = folder / f"{model}.safetensors"
            if path.is_file():
                return path
    known = ", ".join(card.name for card in list_models(kind)) or "none"
    raise FormatError(
        candidate,
        f"a model for {kind}",
        "no such file or name",
        f"Known models: {known}. Or give the path of a .safetensors or .pth file.",
    )


def _read_card(path: Path) -> ModelCard:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError(f"a {type(content).__name__} instead of named values")
        card = ModelCard(**content)
        _check_card(card)
    except (OSError, ValueError, TypeError) as error:
        raise FormatError(
            path, "a model card (JSON)", str(error), "Keep the card beside its weights."
        ) from error
    return card


def _check_card(card: ModelCard) -> None:
    """Raise ValueError where a value is not of its kind: any program may have written a card."""
    texts = ("name", "architecture", "version", "description", "licence", "sha256")
    tables = ("arguments", "training", "scores", "calibration")
    number = card.threshold
    right = {
        **{name: isinstance(getattr(card, name), str) for name in texts},
        **{name: isinstance(getattr(card, name), dict) for name in tables},
        "kind": card.kind in get_args(Kind),
        "threshold": isinstance(number, int | float) and 0 <= number <= 1,
    }
    for name, is_right in right.items():
        if not is_right:
            raise ValueError(f"{name} {getattr(card, name)!r}")
