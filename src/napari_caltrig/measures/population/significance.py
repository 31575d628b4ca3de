"""From shuffles to p-values, one way for all tests."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Alternative: TypeAlias = Literal["greater", "two-sided"]


class Tally:
    """Counts, shuffle by shuffle, how often chance is as extreme as what was observed.

    Parameters
    ----------
    observed
        The statistic, any shape; NaN where it is undefined.
    """

    def __init__(self, observed: ArrayLike) -> None:
        self.observed = np.asarray(observed, np.float64)
        self.n = 0
        self._mean = np.zeros_like(self.observed)
        self._square = np.zeros_like(self.observed)
        self._above = np.zeros(self.observed.shape, np.int64)
        self._below = np.zeros(self.observed.shape, np.int64)
        # Sums in another order must not make equal statistics unequal.
        self._slack = 1e-9 * np.maximum(np.abs(np.nan_to_num(self.observed)), 1e-3)

    def add(self, chance: ArrayLike) -> None:
        """Count one shuffle; `chance` has the shape of what was observed."""
        values = np.asarray(chance, np.float64)
        self.n += 1
        delta = values - self._mean
        self._mean += delta / self.n
        self._square += delta * (values - self._mean)
        self._above += values >= self.observed - self._slack
        self._below += values <= self.observed + self._slack

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean of the shuffles; NaN without any."""
        return self._mean if self.n else np.full_like(self._mean, np.nan)

    @property
    def sd(self) -> NDArray[np.float64]:
        """Standard deviation of the shuffles; NaN with fewer than two."""
        if self.n < 2:
            return np.full_like(self._square, np.nan)
        return np.sqrt(self._square / (self.n - 1))

    @property
    def z(self) -> NDArray[np.float64]:
        """Standard deviations above the mean of the shuffles; NaN where they never vary."""
        with np.errstate(divide="ignore", invalid="ignore"):
            sd = np.where(self.sd > self._slack, self.sd, np.nan)
            return np.asarray((self.observed - self.mean) / sd)

    def p(self, alternative: Alternative = "greater") -> NDArray[np.float64]:
        """p-values; NaN where nothing was observed, or without shuffles.

        ``(1 + k) / (1 + n)`` for k of n shuffles at least as large (Phipson & Smyth
        2010); two-sided: twice the smaller tail, at most 1.
        """
        above = (1 + self._above) / (1 + self.n)
        if alternative == "two-sided":
            below = (1 + self._below) / (1 + self.n)
            above = np.minimum(2 * np.minimum(above, below), 1)
        return np.where(np.isnan(self.observed) | (self.n == 0), np.nan, above)


def false_discovery(p: ArrayLike) -> NDArray[np.float64]:
    """p-values adjusted by Benjamini & Hochberg (1995); NaN stays NaN and counts for nothing."""
    from scipy.stats import false_discovery_control

    values = np.asarray(p, np.float64)
    adjusted = np.full(values.shape, np.nan)
    tested = np.isfinite(values)
    if tested.any():
        adjusted[tested] = false_discovery_control(values[tested])
    return adjusted


def check_shuffles(n_shuffles: int) -> None:
    """Raise ValueError unless the number of shuffles makes sense (0 tests nothing)."""
    if n_shuffles < 0:
        raise ValueError(f"the number of shuffles is 0 or more, not {n_shuffles}")


def check_positive(**values: Any) -> None:
    """Raise ValueError for the first value that is not a positive, finite number."""
    for name, value in values.items():
        if not (np.isfinite(value) and value > 0):
            raise ValueError(f"{name} must be a positive number, not {value}")


def report_every(n_shuffles: int) -> int:
    """Every how many shuffles to report: a hundred reports are smooth, more only cost time."""
    return max(n_shuffles // 100, 1)
