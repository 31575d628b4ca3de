"""Regions of ImageJ and Fiji: a ``.zip`` of the ROI Manager, or a single ``.roi``."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import Any
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from napari_caltrig.formats.files import require_file, unreadable
from napari_caltrig.recording import Footprints, FormatError

SUFFIXES = {".zip", ".roi"}
EXPECTED = "regions of ImageJ (.zip of the ROI Manager, or .roi)"
MAX_BYTES = 2**28  # of one region; a small archive can unpack to more than the memory holds


def is_roi_name(name: str) -> bool:
    """Whether a file holds ImageJ regions, by its name."""
    return Path(name).suffix.casefold() in SUFFIXES and not name.startswith(".")


def read_rois(path: str | Path, shape: tuple[int, int]) -> Footprints:
    """Regions as binary footprints, in the order of the file.

    Parameters
    ----------
    path
        A ``.zip`` of the ROI Manager or a ``.roi``.
    shape
        Field of view in pixels (Y, X) that the regions were drawn on.

    Returns
    -------
    Footprints
        ``unit_ids`` 0, 1, ...; rectangles, ovals, polygons, freehand and traced regions and
        composites of them. Points, lines and texts have no area and are left out; so are
        regions in the field that are too small or too thin to hold the centre of a pixel.

    Raises
    ------
    FormatError
        If the file is damaged, holds no region with an area and pixels, or regions of another
        field.
    """
    path = Path(path)
    require_file(path, EXPECTED)
    rois = _read(path)
    drawn = [roi for roi in rois if _has_area(roi)]
    if not drawn:
        found = f"{len(rois)} without an area"
        raise FormatError(path, EXPECTED, found, "Draw outlines round the cells, not points.")
    masks = [_mask(roi, shape) for roi in drawn]
    # No pixels: drawn on another field, or a slip of the mouse that costs the others nothing.
    empty = [roi for roi, mask in zip(drawn, masks, strict=True) if not mask.size]
    outside = sum(not _is_inside(roi, shape) for roi in empty)
    if outside:
        raise FormatError(
            path,
            f"regions inside a field of {shape[0]} x {shape[1]} pixels",
            f"{outside} of {len(drawn)} outside of it",
            "Choose the regions that were drawn on this movie, at its full size.",
        )
    masks = [mask for mask in masks if mask.size]
    if not masks:
        found = f"{len(drawn)} without any pixel"
        hint = "Draw outlines round the cells, wider than a pixel."
        raise FormatError(path, EXPECTED, found, hint)
    indptr = np.concatenate([[0], np.cumsum([m.size for m in masks])])
    indices = np.concatenate(masks)
    csr = sparse.csr_array(
        (np.ones(indices.size, np.float32), indices, indptr),
        shape=(len(masks), shape[0] * shape[1]),
    )
    return Footprints(csr, shape)


def write_rois(footprints: Footprints, path: str | Path) -> None:
    """Write each cell's outline at half its peak, named ``cell UNIT_ID``.

    Parameters
    ----------
    footprints
        A cell without pixels is left out; of several parts the largest is written.
    path
        A ``.zip`` file; replaced if it exists.
    """
    import roifile

    rois = []
    for unit_id in footprints.unit_ids.tolist():
        contours = footprints.contours(unit_id)
        if not contours:
            continue
        outline = max(contours, key=_area)[:-1, ::-1] + 0.5  # (x, y), pixel corners as ImageJ
        roi = roifile.ImagejRoi.frompoints(outline, name=f"cell {unit_id}")
        roi.roitype = roifile.ROI_TYPE.POLYGON
        rois.append(roi)
    Path(path).unlink(missing_ok=True)
    roifile.roiwrite(os.fspath(path), rois, mode="w")


def _read(path: Path) -> list[Any]:
    import roifile

    try:
        if path.suffix.casefold() != ".zip":
            return [roifile.roiread(os.fspath(path), maxsize=MAX_BYTES)]
        rois = []
        with ZipFile(path) as archive:
            for name in filter(_is_roi_entry, archive.namelist()):
                with archive.open(name) as entry:
                    rois.append(roifile.ImagejRoi.frombytes(entry.read(MAX_BYTES)))
    except Exception as error:  # a damaged archive fails anywhere in the parser
        raise unreadable(path, EXPECTED, error) from error
    if not rois:
        hint = "Save the regions in ImageJ's ROI Manager with More > Save."
        raise FormatError(path, EXPECTED, "an archive without any .roi in it", hint)
    return rois


def _is_roi_entry(name: str) -> bool:
    """Whether an entry of an archive is a region; macOS puts ``__MACOSX/._x.roi`` beside it."""
    entry = PurePosixPath(name)
    of_macos = "__MACOSX" in entry.parts or entry.name.startswith("._")
    return name.casefold().endswith(".roi") and not of_macos


def _has_area(roi: Any) -> bool:
    import roifile

    kinds = roifile.ROI_TYPE
    with_area = (kinds.POLYGON, kinds.RECT, kinds.OVAL, kinds.FREEHAND, kinds.TRACED)
    return roi.roitype in with_area and roi.subtype != roifile.ROI_SUBTYPE.TEXT


def _mask(roi: Any, shape: tuple[int, int]) -> NDArray[np.intp]:
    """Flat pixels whose centres lie inside."""
    import roifile
    from skimage.draw import polygon

    if _is_box(roi):
        return _box(roi, shape, oval=roi.roitype == roifile.ROI_TYPE.OVAL)
    inside = np.zeros(shape, bool)
    for part in _parts(roi):
        # A composite is drawn with the even-odd rule: a hole is a part inside a part.
        y, x = polygon(part[:, 1] - 0.5, part[:, 0] - 0.5, shape)
        inside[y, x] ^= True
    return np.flatnonzero(inside)


def _is_inside(roi: Any, shape: tuple[int, int]) -> bool:
    """Whether the bounds of a region lie in the field, edges included."""
    if _is_box(roi):
        corners = _bounds(roi).reshape(2, 2)
    else:
        corners = np.vstack([np.empty((0, 2)), *_parts(roi)])[:, ::-1]
    return bool((corners >= 0).all() and (corners <= shape).all())


def _is_box(roi: Any) -> bool:
    import roifile

    of_kind = roi.roitype in (roifile.ROI_TYPE.OVAL, roifile.ROI_TYPE.RECT)
    return of_kind and roi.multi_coordinates is None


def _parts(roi: Any) -> list[NDArray[Any]]:
    """Corners (x, y) of each part, in pixels from the corner of the field."""
    found = roi.coordinates(multi=True)
    parts = found if isinstance(found, list) else [found]
    return [part for part in parts if part.size]


def _bounds(roi: Any) -> NDArray[np.float64]:
    """Top, left, bottom and right of a box."""
    if roi.subpixelrect and roi.widthd > 0 and roi.heightd > 0:
        return np.array([roi.yd, roi.xd, roi.yd + roi.heightd, roi.xd + roi.widthd], float)
    return np.array([roi.top, roi.left, roi.bottom, roi.right], float)


def _box(roi: Any, shape: tuple[int, int], *, oval: bool) -> NDArray[np.intp]:
    bounds = _bounds(roi)
    centre, radius = (bounds[:2] + bounds[2:]) / 2, np.maximum((bounds[2:] - bounds[:2]) / 2, 1e-6)
    y, x = (np.arange(n) + 0.5 for n in shape)
    dy, dx = (y - centre[0]) / radius[0], (x - centre[1]) / radius[1]
    if oval:
        return np.flatnonzero(dy[:, None] ** 2 + dx**2 <= 1)
    return np.flatnonzero((np.abs(dy) <= 1)[:, None] & (np.abs(dx) <= 1))


def _area(outline: NDArray[np.float64]) -> float:
    """Area inside a closed polygon, by the shoelace formula."""
    y, x = outline.T
    return float(abs(np.dot(y[:-1], x[1:]) - np.dot(y[1:], x[:-1])))
