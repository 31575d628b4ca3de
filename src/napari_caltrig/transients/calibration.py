"""Probabilities that mean what they say: fitted on simulated traces never trained on.

A network learns frames, weighted; people read the probability of a transient,
the highest of its rise. Two numbers mend that, slope and shift of the logit
(Platt 1999), and since the last layer of a network is linear they go into its
weights: no step is added to detection.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_caltrig.simulation.traces import TraceConfig, simulate_traces
from napari_caltrig.transients.examples import simulate_cnmf
from napari_caltrig.transients.inputs import network_input
from napari_caltrig.transients.scoring import calibration_error, match_transients
from napari_caltrig.transients.spans import spans_from_probabilities

if TYPE_CHECKING:
    import torch

_LOWEST = 0.1  # transients that hardly any threshold would show do not count
_BATCHES = 24
_NEWTON_STEPS = 30


def fit_logits(
    logit: NDArray[np.float64], right: NDArray[np.bool_], weight: NDArray[np.float64] | None = None
) -> tuple[float, float]:
    """Slope and shift of logits that make them calibrated (logistic regression).

    Parameters
    ----------
    logit
        Shape (transients,).
    right
        Whether each one is right.
    weight
        Of each transient; 1 by default.

    Returns
    -------
    slope, shift : float
        1 and 0 where all or no transients are right: nothing can be learnt.
    """
    weight = np.ones(logit.size) if weight is None else weight
    if right.all() or not right.any():
        return 1.0, 0.0
    x = np.column_stack((logit, np.ones(logit.size)))
    beta = np.array([1.0, 0.0])
    ridge = 1e-3 * np.eye(2)
    for _ in range(_NEWTON_STEPS):
        p = 1 / (1 + np.exp(-np.clip(x @ beta, -30, 30)))
        gradient = x.T @ (weight * (right - p)) - ridge @ (beta - [1.0, 0.0])
        hessian = (x * (weight * p * (1 - p))[:, None]).T @ x + ridge
        step = np.linalg.solve(hessian, gradient)
        beta = beta + np.clip(step, -1, 1)
        if np.abs(step).max() < 1e-9:
            break
    return float(max(beta[0], 0.05)), float(beta[1])


def calibrate(
    network: torch.nn.Module,
    seed: int,
    simulation: TraceConfig,
    rates_hz: tuple[float, float],
    with_c: float,
) -> dict[str, float]:
    """Put slope and shift into the network's last layer, ``network.head``.

    Parameters
    ----------
    network
        Changed in place.
    seed
        Of the simulated traces; must not be one of the training's.
    simulation, rates_hz, with_c
        As in `examples.examples`.

    Returns
    -------
    dict
        ``slope``, ``shift`` and the calibration errors ``before`` and
        ``after`` on the simulated traces.

    Raises
    ------
    TypeError
        If the last layer is not linear.
    """
    import torch

    p, right = _judged(network, seed, simulation, rates_hz, with_c)
    logit = np.log(p) - np.log1p(-p)
    slope, shift = fit_logits(logit, right)
    head = network.head
    if not isinstance(head, torch.nn.Linear):
        raise TypeError("only networks whose last layer, `head`, is linear can be calibrated")
    with torch.no_grad():
        head.weight.mul_(slope)
        head.bias.mul_(slope).add_(shift)
    after = 1 / (1 + np.exp(-(slope * logit + shift)))
    return {
        "slope": round(slope, 4),
        "shift": round(shift, 4),
        "before": round(calibration_error(p, right)[0], 4),
        "after": round(calibration_error(after, right)[0], 4),
    }


def _judged(
    network: torch.nn.Module,
    seed: int,
    simulation: TraceConfig,
    rates_hz: tuple[float, float],
    with_c: float,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Probabilities of found transients, and whether they are right."""
    import torch

    rng = np.random.default_rng([seed, 1])
    found_p, found_right = [], []
    for _ in range(_BATCHES):
        rate = float(np.exp(rng.uniform(*np.log(rates_hz))))
        config = replace(simulation, seed=int(rng.integers(2**31)), frame_rate=rate)
        simulated = simulate_traces(config)
        c = simulate_cnmf(rng, simulated, rng.random(config.n_cells) < with_c).c
        seen = network_input(simulated.dff, rate, c)
        with torch.inference_mode():
            p = torch.sigmoid(network(torch.from_numpy(seen.features))).numpy()
        table = spans_from_probabilities(p, simulated.dff, rate, _LOWEST)
        verdict = match_transients(table, _open_where_weightless(simulated.spans), rate)
        counts = verdict != "ignored"
        found_p.append(np.clip(table["probability"].to_numpy()[counts], 1e-6, 1 - 1e-6))
        found_right.append(verdict[counts] == "right")
    return np.concatenate(found_p), np.concatenate(found_right)


def _open_where_weightless(spans: pd.DataFrame) -> pd.DataFrame:
    """Known rises without those too small to be seen by anybody."""
    return spans[spans["snr"] >= 1]
