"""File > Save: our labels layers, so that other programs know the cells by their ids."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from napari_caltrig.recording import Footprints


def write_labels(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write a labels layer as TIFF, the labels as they are: ``unit_id + 1`` in ours.

    Raises
    ------
    ExportError
        If it cannot be written; what was there before is still there then.
    """
    import tifffile

    from napari_caltrig.exports.writing import replacing

    about = {"label": "unit_id + 1" if _tag(attributes) else "label", "layer": attributes["name"]}
    out = Path(path)
    with replacing(out, folder=False, overwrite=True, originals=_originals(attributes)) as part:
        tifffile.imwrite(part, np.asarray(data), compression="zlib", description=json.dumps(about))
    return [path]


def write_rois(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write a labels layer as outlines for ImageJ's ROI Manager, ``cell UNIT_ID`` each.

    Of the layer with the footprints the footprints themselves are drawn, so that cells
    are whole where they overlap.

    Raises
    ------
    ExportError
        If there is nothing to draw, or it cannot be written.
    """
    from napari_caltrig.exports.writing import ExportError, replacing
    from napari_caltrig.formats import roi_zip

    footprints = _footprints(data, attributes)
    out = Path(path)
    if not len(footprints):
        raise ExportError(
            out, f"the layer {attributes['name']!r} is empty", "Choose another layer."
        )
    with replacing(out, folder=False, overwrite=True, originals=_originals(attributes)) as part:
        roi_zip.write_rois(footprints, part)
    return [path]


def _tag(attributes: dict[str, Any]) -> Any:
    tag = attributes.get("metadata", {}).get("caltrig")
    return tag if isinstance(tag, dict) and "dataset_id" in tag else None


def _footprints(data: Any, attributes: dict[str, Any]) -> Footprints:
    from napari_caltrig.recording import Footprints
    from napari_caltrig.viewer.registry import recording_of

    tag = _tag(attributes)
    if tag is not None and tag["role"] == "footprints":
        return recording_of(tag).footprints
    return Footprints.from_labels(np.asarray(data))


def _originals(attributes: dict[str, Any]) -> list[Path]:
    tag = _tag(attributes)
    return [] if tag is None or "path" not in tag else [Path(tag["path"])]
