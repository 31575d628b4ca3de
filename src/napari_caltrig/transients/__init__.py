"""Finding transients in traces: dF/F, noise, networks, spans, scores, training.

Names are loaded on first use: importing the package brings in no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_caltrig.transients.by_hand import mark_transient
    from napari_caltrig.transients.detection import (
        detect_transients,
        detection_steps,
        model_threshold,
        probability_steps,
        transient_probabilities,
    )
    from napari_caltrig.transients.dff import DffMethod, compute_dff, dff_method, with_dff
    from napari_caltrig.transients.noise import noise_level, running_percentile
    from napari_caltrig.transients.oasis import deconvolve
    from napari_caltrig.transients.scoring import TransientScores, score_transients
    from napari_caltrig.transients.spans import spans_from_probabilities
    from napari_caltrig.transients.training import TrainingConfig, train, train_steps

_HOME = {
    "DffMethod": "dff",
    "TrainingConfig": "training",
    "TransientScores": "scoring",
    "compute_dff": "dff",
    "deconvolve": "oasis",
    "detect_transients": "detection",
    "detection_steps": "detection",
    "dff_method": "dff",
    "mark_transient": "by_hand",
    "model_threshold": "detection",
    "noise_level": "noise",
    "probability_steps": "detection",
    "running_percentile": "noise",
    "score_transients": "scoring",
    "spans_from_probabilities": "spans",
    "train": "training",
    "train_steps": "training",
    "transient_probabilities": "detection",
    "with_dff": "dff",
}

__all__ = [
    "DffMethod",
    "TrainingConfig",
    "TransientScores",
    "compute_dff",
    "deconvolve",
    "detect_transients",
    "detection_steps",
    "dff_method",
    "mark_transient",
    "model_threshold",
    "noise_level",
    "probability_steps",
    "running_percentile",
    "score_transients",
    "spans_from_probabilities",
    "train",
    "train_steps",
    "transient_probabilities",
    "with_dff",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
