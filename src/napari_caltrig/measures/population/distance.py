"""Do near cells share more activity than far ones? A Mantel test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from napari_caltrig.measures.population.significance import Tally, check_shuffles, report_every
from napari_caltrig.steps import Step, run

if TYPE_CHECKING:
    from napari_caltrig.steps import Progress, Steps


@dataclass(frozen=True)
class DistanceTest:
    """What `distance_test` found.

    Parameters
    ----------
    rho
        Spearman's correlation of distance and co-activity over all pairs; negative
        where near cells share more.
    z, p
        Against permuted places, two-sided.
    n_pairs
        Pairs that have both.
    bins
        One row per distance bin: ``low``, ``high`` (pixels), ``pairs``, ``fraction``
        (mean co-activity), ``chance`` (mean under permuted places), ``chance_low``,
        ``chance_high`` (central 95 %).
    """

    rho: float
    z: float
    p: float
    n_pairs: int
    bins: pd.DataFrame


def distance_test(
    fractions: ArrayLike,
    centroids: ArrayLike,
    *,
    n_bins: int = 10,
    n_shuffles: int = 1000,
    seed: int = 0,
    progress: Progress | None = None,
) -> DistanceTest:
    """Correlate the distance of two cells with their co-activity.

    Parameters
    ----------
    fractions
        Co-activity, shape (cells, cells), NaN where unknown; of a directed one the mean
        of both directions is taken.
    centroids
        Places (y, x) in pixels, shape (cells, 2).
    n_bins
        Bins of the curve, each with about as many pairs.
    n_shuffles, seed
        Permutations of the places among the cells that have any activity (Mantel 1967);
        they keep the co-activity and the layout, and break which cell is where.
    progress
        Called with every step.

    Raises
    ------
    ValueError
        If the shapes do not fit, or there are fewer than four cells to test.
    """
    steps = distance_steps(fractions, centroids, n_bins=n_bins, n_shuffles=n_shuffles, seed=seed)
    return run(steps, progress)


def distance_steps(
    fractions: ArrayLike,
    centroids: ArrayLike,
    *,
    n_bins: int = 10,
    n_shuffles: int = 1000,
    seed: int = 0,
) -> Steps[DistanceTest]:
    """See `distance_test`."""
    check_shuffles(n_shuffles)
    shared, places = _tested(np.asarray(fractions, float), np.asarray(centroids, float))
    if n_bins < 1:
        raise ValueError(f"the number of bins is 1 or more, not {n_bins}")
    upper = np.triu_indices(len(shared), 1)
    values = shared[upper]
    apart = np.hypot(*(places[:, None] - places[None]).transpose(2, 0, 1))
    ranks = np.zeros_like(apart)
    ranks[upper] = _standard_ranks(apart[upper])
    ranks += ranks.T
    value_ranks = _standard_ranks(values)
    edges = np.unique(np.quantile(apart[upper], np.linspace(0, 1, n_bins + 1)))
    bins = np.clip(np.digitize(apart, edges[1:-1]), 0, max(len(edges) - 2, 0))
    tally = Tally(np.mean(ranks[upper] * value_ranks))
    curve = _means(bins[upper], values, len(edges) - 1)
    rng = np.random.default_rng(seed)
    chance = np.empty((n_shuffles, len(edges) - 1))
    for i in range(n_shuffles):
        order = rng.permutation(len(shared))
        moved = (order[upper[0]], order[upper[1]])
        tally.add(np.mean(ranks[moved] * value_ranks))
        chance[i] = _means(bins[moved], values, len(edges) - 1)
        if (i + 1) % report_every(n_shuffles) == 0:
            yield Step(i + 1, n_shuffles, "Permuting places")
    low, middle, high = _band(chance)
    table = pd.DataFrame(
        {
            "low": edges[:-1],
            "high": edges[1:],
            "pairs": np.bincount(bins[upper], minlength=len(edges) - 1),
            "fraction": curve,
            "chance": middle,
            "chance_low": low,
            "chance_high": high,
        }
    )
    p = float(tally.p("two-sided"))
    return DistanceTest(float(tally.observed), float(tally.z), p, len(values), table)


def _tested(
    fractions: NDArray[np.float64], centroids: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Co-activity and places of the cells that have both."""
    n = len(centroids)
    if fractions.shape != (n, n) or centroids.shape != (n, 2):
        raise ValueError(
            f"co-activity of shape {fractions.shape} and places of shape {centroids.shape} "
            "do not belong to the same cells"
        )
    shared = (fractions + fractions.T) / 2
    known = np.isfinite(shared).any(axis=1) & np.isfinite(centroids).all(axis=1)
    if known.sum() < 4:
        raise ValueError("at least four cells with transients and a place are needed")
    return np.nan_to_num(shared[np.ix_(known, known)]), centroids[known]


def _standard_ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks of mean 0 and variance 1: the mean of their product is Spearman's rho."""
    from scipy.stats import rankdata

    ranks = rankdata(values)
    ranks -= ranks.mean()
    spread = ranks.std()
    return ranks / spread if spread > 0 else ranks


def _means(bins: NDArray[np.int64], values: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.bincount(bins, values, n) / np.bincount(bins, minlength=n)


def _band(chance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lower edge, mean and upper edge of the shuffles, shape (3, bins)."""
    if not len(chance):
        return np.full((3, chance.shape[1]), np.nan)
    low, high = np.quantile(chance, [0.025, 0.975], axis=0)
    return np.stack([low, chance.mean(axis=0), high])
