"""What the axes of a TIFF mean, and how fast it was recorded."""

from __future__ import annotations

import re
from math import isfinite
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from napari_caltrig.recording import FormatError

# ImageJ shows at most this many channels as one composite, so a longer
# "channel" axis is frames that nobody named (tifffile writes them so).
MAX_CHANNELS = 7
SECONDS = {"s": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0, "ms": 1e-3, "msec": 1e-3,
           "us": 1e-6, "µs": 1e-6, "\\u00B5s": 1e-6, "min": 60.0, "minute": 60.0,
           "minutes": 60.0}  # fmt: skip
ADVICE = {
    "S": "In ImageJ, Image > Type > 8-bit makes it grey; then save it again.",
    "C": "Split the channels (ImageJ: Image > Color > Split Channels) and open one of them.",
    "Z": "Save one plane, or, if Z is really time, swap the two in Image > Properties (ImageJ).",
}


def frames_of(path: Path, tif: Any, series: Any) -> int:
    """Number of frames of a series of one channel and one plane.

    Raises
    ------
    FormatError
        If its pixels are in colour, or it has channels, planes or axes beside
        frames, Y and X.
    """
    lengths = tuple(int(n) for n in series.shape)
    # Pairs, no dict: tifffile names every axis Q whose meaning it does not know.
    axes = [(a, n) for a, n in zip(series.axes, lengths, strict=True) if a not in "YX" and n > 1]
    if not series.axes.endswith("YX") or len(axes) > 1 or any(_is_other(tif, *a) for a in axes):
        found = f"axes {series.axes} of lengths {lengths}"
        culprit = next((a for a in "SCZ" if a in dict(axes)), "")
        hint = ADVICE.get(culprit, "Save it as frames, Y, X only.")
        raise FormatError(path, "a TIFF movie of one channel and one plane", found, hint)
    return axes[0][1] if axes else 1


def _is_other(tif: Any, axis: str, length: int) -> bool:
    """Whether the one long axis is known to be something else than frames."""
    if axis == "Z":  # a plain ImageJ stack calls its frames slices; a hyperstack means it
        return not (tif.is_imagej and not tif.imagej_metadata.get("hyperstack"))
    return axis == "S" or (axis == "C" and length <= MAX_CHANNELS)


def frame_rate_of(tif: Any) -> float | None:
    """Frames per second (Hz) by the metadata of ImageJ, OME or ScanImage, or None.

    ImageJ's ``fps`` is left alone: it is the speed of its player, not of the
    microscope.
    """
    rate = None
    if tif.is_imagej:
        interval = _number(tif.imagej_metadata.get("finterval"))
        unit = str(tif.imagej_metadata.get("tunit", "s"))
        rate = _inverse(interval * SECONDS.get(unit.casefold(), 0.0))
    elif tif.is_ome:
        rate = _ome_rate(tif.ome_metadata)
    elif tif.is_scanimage:
        data = (tif.scanimage_metadata or {}).get("FrameData") or {}
        rate = _number(data.get("SI.hRoiManager.scanFrameRate"))
    return rate if rate and isfinite(rate) and rate > 0 else None


def _ome_rate(xml: str | None) -> float | None:
    try:
        root = ElementTree.fromstring(xml or "")
    except ElementTree.ParseError:
        return None
    for element in root.iter():
        if re.sub(r"^{.*}", "", element.tag) == "Pixels" and "TimeIncrement" in element.attrib:
            unit = element.attrib.get("TimeIncrementUnit", "s")
            interval = _number(element.attrib["TimeIncrement"])
            return _inverse(interval * SECONDS.get(unit, 0.0))
    return None


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return 0.0


def _inverse(interval_s: float) -> float | None:
    return 1 / interval_s if interval_s > 0 else None
