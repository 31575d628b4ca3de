"""All ways to find transients under one name each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, get_args

import pandas as pd
from numpy.typing import ArrayLike

from napari_caltrig.steps import Steps

Method = Literal["network", "rule", "oasis", "caltrig-rule"]
METHODS: tuple[Method, ...] = get_args(Method)


def method_steps(
    method: Method,
    dff: ArrayLike,
    frame_rate: float,
    *,
    c: ArrayLike | None = None,
    s: ArrayLike | None = None,
    unit_ids: Iterable[int] | None = None,
    **options: Any,
) -> Steps[pd.DataFrame]:
    """Find transients by a method; close the generator to cancel.

    Parameters
    ----------
    method
        ``"network"`` (`detection_steps`), ``"rule"`` (`rule_steps`), ``"oasis"``
        (`oasis_steps`) or ``"caltrig-rule"`` (`rule_steps` with
        ``compat="caltrig"``).
    dff, frame_rate, c, s, unit_ids
        As in all of them.
    **options
        Those of the method.

    Raises
    ------
    ValueError
        If there is no such method, or an option is out of range.
    """
    traces: dict[str, Any] = {"c": c, "s": s, "unit_ids": unit_ids}
    if method == "network":
        from napari_caltrig.transients.detection import detection_steps

        return (yield from detection_steps(dff, frame_rate, **traces, **options))
    if method in ("rule", "caltrig-rule"):
        from napari_caltrig.transients.rule import Compat, rule_steps

        compat: Compat | None = "caltrig" if method == "caltrig-rule" else None
        return (yield from rule_steps(dff, frame_rate, **traces, compat=compat, **options))
    if method == "oasis":
        from napari_caltrig.transients.oasis_rule import oasis_steps

        return (yield from oasis_steps(dff, frame_rate, **traces, **options))
    raise ValueError(f"a method is one of {', '.join(METHODS)}, not {method!r}")


def needs_denoised(method: Method) -> bool:
    """Whether a method cannot do without C and S."""
    return method == "caltrig-rule"


def table_methods(table: pd.DataFrame) -> pd.Series[str]:
    """By which method each transient of a table was found.

    Tables call both rules ``"rule"``; ``model`` tells them apart.
    """
    from napari_caltrig.transients.caltrig_rule import MODEL

    by_caltrig = (table["method"] == "rule") & (table["model"] == MODEL)
    return table["method"].mask(by_caltrig, "caltrig-rule")
