"""Finding transients in traces: dF/F, noise, networks, spans, scores, training.

Names are loaded on first use: importing the package brings in no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_caltrig.transients.by_hand import mark_transient
    from napari_caltrig.transients.comparing import Agreement, agreement, scores_against
    from napari_caltrig.transients.confirming import (
        CONFIRM_MODES,
        Confirmed,
        confirm,
        with_amplitudes,
    )
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
    from napari_caltrig.transients.oasis_rule import detect_by_oasis, oasis_steps
    from napari_caltrig.transients.rule import detect_by_rule, rule_steps
    from napari_caltrig.transients.scoring import (
        TransientScores,
        calibration_error,
        match_transients,
        score_transients,
    )
    from napari_caltrig.transients.smoothing import (
        NoiseFilter,
        SavGol,
        noise_trace,
        savgol_trace,
        snr_trace,
    )
    from napari_caltrig.transients.spans import spans_from_probabilities
    from napari_caltrig.transients.training import TrainingConfig, train, train_steps

_HOME = {
    "Agreement": "comparing",
    "CONFIRM_MODES": "confirming",
    "Confirmed": "confirming",
    "DffMethod": "dff",
    "NoiseFilter": "smoothing",
    "SavGol": "smoothing",
    "TrainingConfig": "training",
    "TransientScores": "scoring",
    "agreement": "comparing",
    "calibration_error": "scoring",
    "compute_dff": "dff",
    "confirm": "confirming",
    "deconvolve": "oasis",
    "detect_by_oasis": "oasis_rule",
    "detect_by_rule": "rule",
    "detect_transients": "detection",
    "detection_steps": "detection",
    "dff_method": "dff",
    "mark_transient": "by_hand",
    "match_transients": "scoring",
    "model_threshold": "detection",
    "noise_level": "noise",
    "noise_trace": "smoothing",
    "oasis_steps": "oasis_rule",
    "probability_steps": "detection",
    "rule_steps": "rule",
    "running_percentile": "noise",
    "savgol_trace": "smoothing",
    "score_transients": "scoring",
    "scores_against": "comparing",
    "snr_trace": "smoothing",
    "spans_from_probabilities": "spans",
    "train": "training",
    "train_steps": "training",
    "transient_probabilities": "detection",
    "with_amplitudes": "confirming",
    "with_dff": "dff",
}

__all__ = [
    "CONFIRM_MODES",
    "Agreement",
    "Confirmed",
    "DffMethod",
    "NoiseFilter",
    "SavGol",
    "TrainingConfig",
    "TransientScores",
    "agreement",
    "calibration_error",
    "compute_dff",
    "confirm",
    "deconvolve",
    "detect_by_oasis",
    "detect_by_rule",
    "detect_transients",
    "detection_steps",
    "dff_method",
    "mark_transient",
    "match_transients",
    "model_threshold",
    "noise_level",
    "noise_trace",
    "oasis_steps",
    "probability_steps",
    "rule_steps",
    "running_percentile",
    "savgol_trace",
    "score_transients",
    "scores_against",
    "snr_trace",
    "spans_from_probabilities",
    "train",
    "train_steps",
    "transient_probabilities",
    "with_amplitudes",
    "with_dff",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
