"""OASIS solves its optimisation problem."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import nnls

from napari_caltrig.transients import deconvolve


@pytest.mark.parametrize("sparsity", [0.0, 0.3])
@pytest.mark.parametrize("seed", range(4))
def test_the_fit_is_the_optimum(seed, sparsity):
    """Against a generic solver: min 1/2 |y - K s|^2 + sparsity sum(s), s >= 0."""
    rng = np.random.default_rng(seed)
    n, rate, tau = 60, 10.0, 0.7
    g = np.exp(-1 / (rate * tau))
    spikes = (rng.random(n) < 0.1) * rng.uniform(0.5, 2, n)
    kernel = np.tril(g ** np.maximum(np.subtract.outer(np.arange(n), np.arange(n)), 0))
    y = kernel @ spikes + 0.3 * rng.standard_normal(n)
    # the penalty enters as a linear term: complete the square with one more row each
    target = y - sparsity * np.linalg.solve(kernel.T, np.ones(n))
    best, _ = nnls(kernel, target)
    c, s = deconvolve(y, rate, tau, sparsity=sparsity)
    np.testing.assert_allclose(c, kernel @ best, atol=1e-6)
    np.testing.assert_allclose(s[1:], best[1:], atol=1e-6)


def test_noise_free_spikes_come_back():
    g = np.exp(-1 / (20 * 0.5))
    s = np.zeros(200)
    s[[20, 21, 90, 150]] = [1, 2, 0.5, 3]
    c = np.zeros(200)
    for t in range(1, 200):
        c[t] = g * c[t - 1] + s[t]
    found_c, found_s = deconvolve(c, 20.0, 0.5)
    np.testing.assert_allclose(found_c, c, atol=1e-9)
    np.testing.assert_allclose(found_s, s, atol=1e-9)


def test_small_activity_is_shrunk_away():
    y = np.random.default_rng(0).standard_normal(500)
    _, s = deconvolve(y, 20.0, 0.5, min_spike=2.0)
    assert ((s == 0) | (s >= 2.0 - 1e-9)).all()


@pytest.mark.parametrize(("rate", "tau"), [(0, 1), (20, 0), (-1, 1)])
def test_bad_numbers_are_refused(rate, tau):
    with pytest.raises(ValueError, match="positive"):
        deconvolve(np.zeros(5), rate, tau)
    with pytest.raises(ValueError, match="frames"):
        deconvolve(np.zeros((2, 5)), 20.0, 1.0)
