"""CalTrig's checkpoints (``.pth``): read as data, never run as a program.

CalTrig saves a whole pickled network. A pickle is a program, so it is not
unpickled freely: torch's restricted reader admits tensors and containers, and
the few classes that such a file names are replaced by inert records without
any code. Anything else in the file is refused before it can act.

Classes and attributes as in CalTrig's ``ml_training.model`` (Lange et al. 2025).
"""

from __future__ import annotations

import hashlib
import pickle
import pickletools
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.recording.errors import FormatError

if TYPE_CHECKING:
    from napari_caltrig.weights import ModelCard

SUFFIX = ".pth"
ARCHITECTURES = {"GRU": "CalTrigGRU", "GRU_Hidden": "CalTrigGRUHidden"}
_MODULE = "ml_training.model"
_INERT = ("torch.nn.modules.rnn.GRU", "torch.nn.modules.linear.Linear")
_INERT_LISTS = ("torch.nn.modules.container.ModuleList",)
_MAX_PICKLE_BYTES = 16_000_000
_INPUTS = {1: ("dff",), 2: ("c", "dff")}
_EXPECTED = "a CalTrig checkpoint (.pth) of a GRU or GRU_Hidden"


def checkpoint_card(path: Path) -> ModelCard:
    """What a checkpoint is, as far as it can be told without loading it.

    Opens the file, reads which classes it names and runs nothing; no torch is
    needed.

    Raises
    ------
    FormatError
        If it is no CalTrig checkpoint of a known class, or damaged.
    """
    from napari_caltrig.weights import ModelCard

    architecture = ARCHITECTURES[_class_of(path)]
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return ModelCard(
        name=path.name,
        kind="transients",
        architecture=architecture,
        arguments={},
        version=digest[:8],
        threshold=0.5,
        description="CalTrig checkpoint; looks at dF/F and C divided by their maxima",
        licence="unknown",
        training={"data": "trained with CalTrig"},
        sha256=digest,
    )


def load_checkpoint(path: Path) -> tuple[ModelCard, dict[str, NDArray[Any]]]:
    """Card and weights of a checkpoint.

    Returns
    -------
    ModelCard
        Its ``arguments`` are those of the network in
        `napari_caltrig.transients.caltrig_networks`.
    dict
        float32 weights by the names they have in that network.

    Raises
    ------
    FormatError
        If the file is truncated, holds anything but such a network, or its
        network is of a size that does not fit.
    """
    from dataclasses import replace

    card = checkpoint_card(path)
    record = _read_records(path)
    try:
        weights = _weights(record)
        layers = [name for name in weights if "weight_ih_l" in name and "reverse" not in name]
        first = weights[layers[0]]
        n_inputs, hidden = first.shape[1], first.shape[0] // 3
        inputs = tuple(str(n).lower() for n in record.get("inputs", ())) or _INPUTS[n_inputs]
        if inputs != _INPUTS[n_inputs]:
            raise ValueError(f"inputs {', '.join(inputs)}")
        arguments: dict[str, Any] = {"inputs": n_inputs, "hidden": hidden, "layers": len(layers)}
        if card.architecture == "CalTrigGRU":
            arguments["sequence"] = _whole_number(record, "sequence_len", 10_000)
            arguments["slack"] = _whole_number(record, "slack", 1_000)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise FormatError(
            path,
            f"{_EXPECTED} with inputs C and DFF, or DFF alone",
            f"a network of another kind ({type(error).__name__}: {error})",
            "Use a checkpoint that CalTrig wrote.",
        ) from error
    return replace(card, arguments=arguments), weights


def _whole_number(record: dict[str, Any], name: str, most: int) -> int:
    value = record[name]
    if not isinstance(value, int) or not 0 < value <= most:
        raise ValueError(f"{name} is {value!r}")
    return value


def _class_of(path: Path) -> str:
    """Name of the network's class, from the list of names in the pickle."""
    try:
        names = _globals(path)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, NotImplementedError) as error:
        raise FormatError(
            path, _EXPECTED, f"a damaged or other file ({error})", "Copy the checkpoint again."
        ) from error
    known = [name for name in ARCHITECTURES if f"{_MODULE}.{name}" in names]
    if len(known) != 1:
        found = ", ".join(sorted(n for n in names if not n.startswith("torch."))[:5]) or "no class"
        raise FormatError(
            path,
            _EXPECTED,
            f"a file that names {found}",
            "Nothing of it was run. Use a checkpoint that CalTrig wrote.",
        )
    return known[0]


def _globals(path: Path) -> set[str]:
    """Every ``module.name`` that the pickle of a torch file asks for."""
    with zipfile.ZipFile(path) as archive:
        entries = [i for i in archive.infolist() if i.filename.endswith("/data.pkl")]
        if len(entries) != 1:
            raise ValueError("no torch file")
        if entries[0].file_size > _MAX_PICKLE_BYTES:
            raise ValueError("its table of contents is too large")
        content = archive.read(entries[0])
    names: set[str] = set()
    strings: list[str] = []
    for opcode, argument, _ in pickletools.genops(content):
        if opcode.name == "GLOBAL":
            names.add(str(argument).replace(" ", "."))
        elif opcode.name == "STACK_GLOBAL":  # takes the two strings before it
            names.add(".".join(strings[-2:]))
        elif isinstance(argument, str):
            strings.append(argument)
    return names


def _read_records(path: Path) -> dict[str, Any]:
    """Attributes of the pickled network, with inert records for its layers."""
    import torch

    records = [_record_class(name) for name in (*_INERT, *_INERT_LISTS)]
    records += [_record_class(f"{_MODULE}.{name}") for name in ARCHITECTURES]
    try:
        with torch.serialization.safe_globals([*records, set]):
            network = torch.load(path, map_location="cpu", weights_only=True)
        content: dict[str, Any] = vars(network)
    except (OSError, RuntimeError, ValueError, TypeError, KeyError, AttributeError, EOFError,
            IndexError, pickle.UnpicklingError) as error:  # fmt: skip
        reason = str(error).strip().splitlines()
        raise FormatError(
            path,
            _EXPECTED,
            f"a file that cannot be read safely ({reason[0] if reason else error!r})",
            "Nothing of it was run. Copy the checkpoint again, or use one that CalTrig wrote.",
        ) from error
    return content


def _record_class(name: str) -> type:
    """Return an empty class that answers to a name in a pickle; it only holds attributes."""
    module, _, short = name.rpartition(".")
    return type(short, (), {"__module__": module, "__setstate__": _keep})


def _keep(self: Any, state: Any) -> None:
    if not isinstance(state, dict):
        raise TypeError(f"the state of {type(self).__name__} is no table of attributes")
    vars(self).update(state)


def _weights(record: dict[str, Any], prefix: str = "") -> dict[str, NDArray[Any]]:
    """Parameters of a record and of all records in it, by dotted name."""
    import torch

    if prefix.count(".") > 3:
        raise ValueError("layers within layers")
    found: dict[str, NDArray[Any]] = {}
    for name, value in (record.get("_parameters") or {}).items():
        if isinstance(value, torch.Tensor):
            found[prefix + str(name)] = value.detach().to(torch.float32).numpy().copy()
    for name, part in (record.get("_modules") or {}).items():
        found |= _weights(vars(part), f"{prefix}{name}.")
    if not all(np.isfinite(v).all() for v in found.values()):
        raise ValueError("a weight is not a number")
    return found
