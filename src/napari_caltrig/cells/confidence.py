"""How sure we are of a candidate cell, and why it is rejected."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from napari_caltrig.cells.components import Components, Field, noise_of
from napari_caltrig.cells.parallel import in_parallel

# Of a candidate that was found by its activity.
ACTIVE_FEATURES = (
    "soma",
    "centre",
    "snr",
    "fit",
    "purity",
    "skewness",
    "size",
    "size_deviation",
    "blur",
    "roundness",
    "covered",
    "pixel_snr",
    "crowd",
)
# Of one that only the network sees.
STILL_FEATURES = ("soma", "centre", "has_activity", "covered", "roundness", "size_deviation")

SMALL, LARGE = 0.25, 3.0  # of the area of a disk of one diameter
SMALL_CUT = 0.3  # the same where the border of the field cuts the cell
ELONGATED = 0.35  # ratio of the axes
QUIET_SNR = 5.0
PIXELS_AT_ONCE = 4096
LOW_SOMA = 0.3


@dataclass(frozen=True)
class Logistic:
    """A logistic regression on standardized features.

    Parameters
    ----------
    mean, scale
        Of the features in training.
    weights
        One per feature.
    bias
        Added to their weighted sum.
    """

    mean: tuple[float, ...]
    scale: tuple[float, ...]
    weights: tuple[float, ...]
    bias: float

    def __call__(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probabilities (n,) of features (n, features)."""
        z = (features - np.array(self.mean)) / np.array(self.scale)
        return np.asarray(1 / (1 + np.exp(-(np.clip(z, -4, 4) @ self.weights + self.bias))))

    @classmethod
    def fitted(
        cls, features: NDArray[np.float64], real: NDArray[np.bool_], decay: float = 1.0
    ) -> Logistic:
        """Fit by Newton's method with ridge penalty `decay` on the weights."""
        if len(features) < 2 or real.all() or not real.any():
            # Nothing to learn from: every candidate is as likely as they are on average.
            zero = (0.0,) * features.shape[1]
            share = np.clip(real.mean() if len(real) else 0.5, 0.05, 0.95)
            bias = float(np.log(share / (1 - share)))
            return cls(zero, (1.0,) * len(zero), zero, bias)
        mean, scale = features.mean(axis=0), np.maximum(features.std(axis=0), 0.01)
        penalty = np.append(np.full(features.shape[1], decay), 1e-3)
        start = cls(tuple(mean), tuple(scale), (0.0,) * len(mean), 0.0)
        return start._pulled(features, real, penalty)

    def refitted(
        self, features: NDArray[np.float64], real: NDArray[np.bool_], decay: float = 1.0
    ) -> Logistic:
        """Learn from more candidates: by the same method, `decay` pulls towards these weights."""
        return self._pulled(features, real, np.full(len(self.weights) + 1, decay))

    def _pulled(
        self, features: NDArray[np.float64], real: NDArray[np.bool_], penalty: NDArray[np.float64]
    ) -> Logistic:
        z = np.clip((features - np.array(self.mean)) / np.array(self.scale), -4, 4)
        design = np.column_stack([z, np.ones(len(z))])
        start = np.append(self.weights, self.bias)
        beta = _logistic_fit(design, real, start, penalty)
        mean, scale, weights = (_rounded(part) for part in (self.mean, self.scale, beta))
        return Logistic(mean, scale, weights[:-1], weights[-1])


def _logistic_fit(
    design: NDArray[np.float64],
    real: NDArray[np.bool_],
    start: NDArray[np.float64],
    penalty: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Most likely weights, each pulled towards where it starts, by Newton's method."""

    def cost(beta: NDArray[np.float64]) -> float:
        z = design @ beta
        likely = np.logaddexp(0, z) - real * z
        return float(likely.sum() + 0.5 * (penalty * (beta - start) ** 2).sum())

    beta, now = start.copy(), cost(start)
    for _ in range(100):
        p = 1 / (1 + np.exp(-np.clip(design @ beta, -30, 30)))
        slope = design.T @ (real - p) - penalty * (beta - start)
        bend = (design * (p * (1 - p))[:, None]).T @ design + np.diag(penalty)
        step = np.linalg.solve(bend, slope)
        # Where all is sure the curve is flat, and a whole step leads astray.
        while (then := cost(beta + step)) > now and np.abs(step).max() > 1e-9:
            step = step / 2
        beta, now = beta + step, then
        if np.abs(step).max() < 1e-8:
            break
    return beta


def _rounded(values: Iterable[float]) -> tuple[float, ...]:
    """As a card holds them."""
    return tuple(round(float(v), 5) for v in values)


@dataclass(frozen=True)
class Calibration:
    """Confidence of both kinds of candidates; kept in a model's card."""

    active: Logistic
    still: Logistic

    @classmethod
    def from_card(cls, stored: Mapping[str, Any]) -> Calibration:
        """As stored by `to_card`."""

        def one(part: Mapping[str, Any]) -> Logistic:
            return Logistic(
                tuple(part["mean"]), tuple(part["scale"]), tuple(part["weights"]), part["bias"]
            )

        return cls(one(stored["active"]), one(stored["still"]))

    def to_card(self) -> dict[str, Any]:
        """Plain numbers for JSON."""
        return {
            "active": {"features": ACTIVE_FEATURES, **asdict(self.active)},
            "still": {"features": STILL_FEATURES, **asdict(self.still)},
        }


def axis_ratio(y: NDArray[Any], x: NDArray[Any]) -> float:
    """Short over long axis of a set of pixels, 0 to 1."""
    if len(y) < 2:
        return 1.0
    moments = np.cov(np.stack([y, x]).astype(np.float64)) + np.eye(2) / 12  # of a pixel itself
    low, high = np.linalg.eigvalsh(moments)
    return float(np.sqrt(max(low, 0) / max(high, 1e-12)))


def activity_features(field: Field, found: Components) -> dict[str, NDArray[np.float64]]:
    """What the activity says about each component.

    Returns
    -------
    dict
        ``snr`` peak of the trace over its noise; ``fit`` share of the power of the
        component's own pixels, neighbours subtracted, that its trace explains; ``purity`` the same
        without what pixel noise accounts for; ``skewness`` of the
        trace; ``blur`` area above a fifth over area above half of the peak; ``covered``
        greatest share of its area that one stronger component covers; ``pixel_snr`` peak of
        the image over the standard error of its pixels. Each (components,).
    """
    n = len(found)
    names = ("snr", "fit", "purity", "skewness", "blur", "covered", "pixel_snr")
    result = {k: np.zeros(n) for k in names}
    if not n:
        return result
    images = found.csr(field)
    # Only pixels of a component are looked at.
    used = np.unique(images.indices)
    images = sparse.csr_array(images[:, used])
    rest = field.flat[used] - np.asarray(images.T @ found.traces)
    noise = np.concatenate(
        in_parallel(noise_of, np.array_split(rest, -(-len(rest) // PIXELS_AT_ONCE)))
    )
    noise = np.maximum(noise, 1e-3 * max(float(np.median(noise)), 1e-12))
    for i in range(n):
        part = slice(images.indptr[i], images.indptr[i + 1])
        pixels, weights, trace = images.indices[part], images.data[part], found.traces[i]
        core = weights > 0.5 * weights.max()
        left = rest[pixels[core]]
        own = weights[core][:, None] * trace + left
        signal = float((weights[core] ** 2).sum()) * float(trace @ trace)
        expected = trace.size * float((noise[pixels[core]] ** 2).sum())
        structured = max(float((left**2).sum()) - expected, 0.0)
        result["purity"][i] = signal / max(signal + structured, 1e-20)
        result["fit"][i] = 1 - float((left**2).sum()) / max(float((own**2).sum()), 1e-20)
        error = np.sqrt(((weights * noise[pixels]) ** 2).sum()) / max(
            float(weights @ weights), 1e-20
        )
        result["snr"][i] = trace.max() / max(float(error), 1e-20)
        centred = (trace - trace.mean()).astype(np.float64)
        spread = max(float(centred.std()), 1e-20)
        result["skewness"][i] = float(((centred / spread) ** 3).mean())
        result["blur"][i] = (weights > 0.2 * weights.max()).sum() / max(core.sum(), 1)
        mean_noise = float(noise[pixels[core]].mean())
        result["pixel_snr"][i] = float(weights.max()) * spread * np.sqrt(trace.size) / mean_noise
    result["covered"] = _covered(images, found)
    return result


def _covered(images: sparse.csr_array, found: Components) -> NDArray[np.float64]:
    core = images.copy()
    peaks = images.max(axis=1).toarray().ravel()
    core.data = (core.data > 0.5 * np.repeat(peaks, np.diff(core.indptr))).astype(np.float32)
    areas = np.maximum(np.asarray(core.sum(axis=1)).ravel(), 1)
    shared = (core @ core.T).toarray() / areas[:, None]
    power = (found.images**2).sum(axis=(1, 2)) * (found.traces**2).sum(axis=1)
    return np.asarray(np.where(power[None] > power[:, None], shared, 0).max(axis=1, initial=0))


def feature_matrix(
    values: Mapping[str, NDArray[np.float64]], names: tuple[str, ...]
) -> NDArray[np.float64]:
    """Features (n, names), on scales on which a weighted sum makes sense."""
    columns: dict[str, Callable[[Mapping[str, Any]], Any]] = {
        "soma": lambda v: _logit(v["soma"]),
        "centre": lambda v: _logit(v["centre"]),
        "snr": lambda v: np.log(np.maximum(v["snr"], 1.0)),
        "fit": lambda v: np.clip(v["fit"], -0.5, 1),
        "purity": lambda v: _logit(v["purity"]),
        "skewness": lambda v: np.arcsinh(v["skewness"]),
        "size": lambda v: np.log(np.maximum(v["size"], 0.05)),
        "size_deviation": lambda v: np.abs(np.log(np.maximum(v["size"], 0.05))),
        "blur": lambda v: np.log(np.maximum(v["blur"], 1.0)),
        "roundness": lambda v: v["roundness"],
        "covered": lambda v: v["covered"],
        "pixel_snr": lambda v: np.log(np.maximum(v["pixel_snr"], 1.0)),
        "crowd": lambda v: np.log(np.maximum(v["crowd"], 0.02)),
        "has_activity": lambda v: v["has_activity"],
    }
    return np.column_stack([np.asarray(columns[name](values), dtype=np.float64) for name in names])


def impossible(size: float, roundness: float, cut: bool) -> str:
    """Reason why a mask cannot be a cell, or an empty text.

    Parameters
    ----------
    size
        Area relative to a disk of one diameter.
    roundness
        Ratio of its axes.
    cut
        Whether it touches the border of the field.
    """
    if cut and size < SMALL_CUT:
        return "edge"
    if size < SMALL:
        return "too small"
    if size > LARGE:
        return "too large"
    if roundness < ELONGATED and not cut:
        return "elongated"
    return ""


def doubt(soma: float, snr: float, covered: float, cut: bool, has_activity: bool) -> str:
    """The main reason why a candidate with a low confidence is doubted."""
    if covered > 0.6:
        return "overlaps a clearer cell"
    if cut:
        return "edge"
    if soma < LOW_SOMA and (snr >= QUIET_SNR or not has_activity):
        return "low contrast"
    if has_activity and snr < QUIET_SNR:
        return "no activity"
    return "low contrast"


def _logit(p: NDArray[np.float64]) -> NDArray[np.float64]:
    p = np.clip(p, 0.01, 0.99)
    return np.asarray(np.log(p / (1 - p)))
