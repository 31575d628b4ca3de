"""Options of the steps of a batch: which there are, what they may be, how they combine."""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from napari_caltrig.measures.figures import FIGURES, FORMATS

Options = dict[str, Any]


@dataclass(frozen=True)
class Option:
    """What an option may be.

    Parameters
    ----------
    check
        Returns the value as it is used; raises ValueError with what it should be.
    methods
        The methods that know the option; None for all.
    """

    check: Callable[[Any], Any]
    methods: tuple[str, ...] | None = None


def number(low: float, high: float = float("inf"), *, above: bool = False) -> Callable[[Any], Any]:
    """Check for a number between `low` and `high`; larger than `low` if `above`."""

    def check(value: Any) -> Any:
        fits = isinstance(value, int | float) and not isinstance(value, bool)
        if not fits or not (low < value if above else low <= value) or not value <= high:
            most = "" if high == float("inf") else f" and at most {high:g}"
            raise ValueError(f"a number {'above' if above else 'of at least'} {low:g}{most}")
        return value

    return check


def whole(low: int) -> Callable[[Any], Any]:
    """Check for a whole number of at least `low`."""

    def check(value: Any) -> Any:
        if not isinstance(value, int) or isinstance(value, bool) or value < low:
            raise ValueError(f"a whole number of at least {low}")
        return value

    return check


def text(value: Any) -> Any:
    """Check for a text that is not empty."""
    if not isinstance(value, str) or not value:
        raise ValueError('a text in quotation marks, "like this"')
    return value


def flag(value: Any) -> Any:
    """Check for true or false."""
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def one_of(*choices: str) -> Callable[[Any], Any]:
    """Check for one of some words."""

    def check(value: Any) -> Any:
        if value not in choices:
            raise ValueError("one of " + ", ".join(f'"{c}"' for c in choices))
        return value

    return check


def interval(value: Any) -> Any:
    """Check for a time with its unit, ``"0.15s"`` or ``"10frames"``."""
    if not isinstance(value, str):
        raise ValueError('a time with its unit, "0.15s" or "10frames"')
    interval_option(value)
    return value


def interval_option(value: str) -> dict[str, float]:
    """Return an interval in seconds or frames, as the rules for transients take it.

    Raises
    ------
    ValueError
        If it is neither.
    """
    match = re.fullmatch(r"\s*(\d*\.?\d+)\s*(s|frames?)\s*", value)
    if match is None:
        raise ValueError('a time with its unit, "0.15s" or "10frames"')
    return {"interval_s" if match[2] == "s" else "interval_frames": float(match[1])}


def _figure_names(value: Any) -> Any:
    if not isinstance(value, str) or not set(names_of(value)) <= FIGURES.keys():
        raise ValueError("names of figures with commas, of " + ", ".join(FIGURES))
    return value


def names_of(value: str) -> list[str]:
    """Return names that stand in one text with commas between them."""
    return [name.strip() for name in value.split(",") if name.strip()]


def _figure_option(name: str) -> Callable[[Any], Any]:
    """Check a value with every figure that has the option."""

    def check(value: Any) -> Any:
        problems = []
        for kind in FIGURES.values():
            for option in kind.options:
                if option.name == name:
                    try:
                        option.checked(value)
                    except ValueError as error:
                        problems.append(str(error))
        n = sum(option.name == name for kind in FIGURES.values() for option in kind.options)
        if len(problems) == n:
            raise ValueError(f"something that a figure takes ({problems[0]})")
        return value

    return check


METHODS = ("network", "rule", "oasis", "caltrig-rule")
"""How transients can be found, the usual one first."""

_RULES = ("rule", "caltrig-rule")

OPTIONS: Mapping[str, Mapping[str, Option]] = {
    "find-cells": {
        "model": Option(text),
        "diameter": Option(number(0, above=True)),
        "threshold": Option(number(0, 1)),
    },
    "detect-transients": {
        "method": Option(one_of(*METHODS)),
        "model": Option(text, ("network",)),
        "threshold": Option(number(0, 1, above=True), ("network",)),
        "peak-threshold": Option(number(0), _RULES),
        "snr-threshold": Option(number(0), _RULES),
        "interval": Option(interval, _RULES),
        "activity-threshold": Option(number(0), ("oasis",)),
        "decay": Option(number(0, above=True), ("oasis",)),
    },
    "measure": {
        "compat": Option(one_of("caltrig")),
        "format": Option(one_of("csv", "parquet")),
    },
    "figures": {
        "only": Option(_figure_names),
        "format": Option(one_of(*FORMATS)),
        **{
            name: Option(_figure_option(name))
            for name in dict.fromkeys(o.name for kind in FIGURES.values() for o in kind.options)
        },
    },
}
"""Per step its options, by the names of the command line."""


def unknown_key(key: str, known: Iterable[str], where: str) -> str:
    """Say that a key is unknown, which are known and which one was probably meant."""
    names = list(known)
    near = difflib.get_close_matches(key, names, 1)
    meant = f" (did you mean {near[0]!r}?)" if near else ""
    return f"unknown key {key!r} in {where}{meant}; known are {', '.join(names) or 'none'}"


def checked_options(step: str, given: Mapping[str, Any]) -> Options:
    """Check the options of a step; a list is a grid and each of its values is checked.

    Raises
    ------
    ValueError
        If an option is unknown, impossible, or of no method that is chosen.
    """
    where, specs = f"[{step}]", OPTIONS[step]
    result: Options = {}
    for raw, value in given.items():
        key = raw.replace("_", "-")
        if key not in specs:
            raise ValueError(unknown_key(raw, specs, where))
        values = value if isinstance(value, list) else [value]
        if not values:
            raise ValueError(f"{key} in {where} is an empty list: give a value, or remove it")
        try:
            checked = [specs[key].check(v) for v in values]
        except ValueError as error:
            raise ValueError(f"{key} in {where} must be {error}, not {value!r}") from None
        result[key] = checked if isinstance(value, list) else checked[0]
    _check_methods(step, result)
    return result


def grid(options: Mapping[str, Mapping[str, Any]], steps: Iterable[str]) -> list[Combination]:
    """Return every combination of the values that stand in lists.

    An option that the method of a combination does not know is left out, and
    combinations that are equal then count once.

    Parameters
    ----------
    options
        Per step, checked.
    steps
        The steps that are run; lists of others make no combinations.

    Returns
    -------
    list of Combination
        One, without a name, where there is no list.
    """
    steps = list(steps)
    axes = [
        (step, key, value if isinstance(value, list) else [value])
        for step in steps
        for key, value in options.get(step, {}).items()
    ]
    varied = [(step, key) for step, key, values in axes if len(values) > 1]
    found: dict[str, Combination] = {}
    for values in itertools.product(*(values for _, _, values in axes)):
        chosen: dict[str, Options] = {step: {} for step in steps}
        for (step, key, _), value in zip(axes, values, strict=True):
            chosen[step][key] = value
        chosen = {step: _of_method(step, of_step) for step, of_step in chosen.items()}
        used = {(s, k): chosen[s][k] for s, k in varied if k in chosen[s]}
        combination = Combination(
            _name(used), chosen, {f"{s}.{k}": v for (s, k), v in used.items()}
        )
        found.setdefault(combination.name, combination)
    return list(found.values())


@dataclass(frozen=True)
class Combination:
    """One point of a parameter grid.

    Parameters
    ----------
    name
        Of its folder; empty where nothing varies.
    options
        Per step, one value each.
    varied
        The values by which it differs from the others, ``"step.option"``.
    """

    name: str
    options: Mapping[str, Options]
    varied: Mapping[str, Any]


def _check_methods(step: str, options: Options) -> None:
    if "method" not in OPTIONS[step]:
        return
    chosen = options.get("method", METHODS[0])
    methods = chosen if isinstance(chosen, list) else [chosen]
    for key in options:
        of = OPTIONS[step][key].methods
        if of is not None and not set(of) & set(methods):
            raise ValueError(
                f"{key} in [{step}] is an option of {' and '.join(of)}, "
                f"but the method is {', '.join(methods)}"
            )


def _of_method(step: str, options: Options) -> Options:
    method = options.get("method", METHODS[0])
    specs = OPTIONS[step]
    return {k: v for k, v in options.items() if method in (specs[k].methods or (method,))}


def _name(used: Mapping[tuple[str, str], Any]) -> str:
    keys = [key for _, key in used]
    parts = []
    for (step, key), value in used.items():
        shown = PurePath(value).stem if isinstance(value, str) and "/" in value else value
        parts.append(f"{key if keys.count(key) == 1 else f'{step}.{key}'}={shown}")
    return ",".join(parts)
