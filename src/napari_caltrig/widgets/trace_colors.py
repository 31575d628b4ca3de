"""Colours of signals, methods, cells and events in the trace plot; legible on dark and light."""

from __future__ import annotations

SIGNAL_NAMES = {"dff": "dF/F", "savgol": "SavGol", "snr": "SNR"}
SIGNAL_COLORS = {
    "dff": "#d9a514",
    "C": "#4f9bff",
    "S": "#e055c8",
    "raw": "#8f99a6",
    "savgol": "#f0564f",
    "noise": "#7d8bd6",
    "snr": "#3fae7f",
}
OTHER_COLOR = "#5bbf8a"

METHOD_COLORS = {
    "manual": (90, 200, 120),
    "confirmed": (40, 190, 190),
    "network": (255, 140, 60),
    "rule": (80, 170, 255),
    "oasis": (225, 105, 205),
}
OTHER_METHOD = (190, 150, 255)
_METHOD_TEXT_ON_LIGHT = {
    "manual": "#1d7036",
    "confirmed": "#0a6868",
    "network": "#a84300",
    "rule": "#0b5cad",
    "oasis": "#9c2186",
}
_OTHER_TEXT_ON_LIGHT = "#6437c4"

_EVENT_COLORS = ("#5fd0c5", "#d66b6b", "#b69cff", "#d3d35a", "#7fb2e5", "#e59fd0")
_CELL_COLORS = (
    "#e0a526",
    "#4f9bff",
    "#e0559f",
    "#3fae7f",
    "#ff7a45",
    "#9a7bff",
    "#2fb7c4",
    "#c2b33a",
    "#d66b6b",
    "#8f99a6",
)


def signal_name(name: str) -> str:
    """Name of a signal for the user."""
    return SIGNAL_NAMES.get(name, name)


def signal_color(name: str) -> str:
    """Colour of a signal, as ``#rrggbb``."""
    return SIGNAL_COLORS.get(name, OTHER_COLOR)


def cell_color(index: int) -> str:
    """Colour of the cell of this number in an overlay, as ``#rrggbb``."""
    return _CELL_COLORS[index % len(_CELL_COLORS)]


def event_color(index: int) -> str:
    """Colour of the event of this number, as ``#rrggbb``."""
    return _EVENT_COLORS[index % len(_EVENT_COLORS)]


def method_color(method: str) -> str:
    """Colour of the transients of a method, as ``#rrggbb``."""
    return "#{:02x}{:02x}{:02x}".format(*METHOD_COLORS.get(method, OTHER_METHOD))


def method_text_color(method: str, *, dark: bool) -> str:
    """Colour of a method's name on a dark or a light background, as ``#rrggbb``."""
    if dark:
        return method_color(method)
    return _METHOD_TEXT_ON_LIGHT.get(method, _OTHER_TEXT_ON_LIGHT)
