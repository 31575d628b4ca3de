"""The table of cells in an NWB file: masks the right way round, statuses, measures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from napari_caltrig.recording import Footprints, FormatError, PipelineStatus

_QUALITY = {"snr": "SNR", "r": "r value", "cnn": "CNN", "probability": "cell probability"}
_OURS = "quality_"
_CELLS_PER_BLOCK = 32

Shape = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Cells:
    """The pipeline's cells of a plane.

    Parameters
    ----------
    footprints
        Their masks.
    rows
        Where they stand in the table, shape (cells,).
    n_rows
        Length of the table.
    quality, status
        As in a recording.
    notes
        What the user should know.
    """

    footprints: Footprints
    rows: NDArray[np.int64]
    n_rows: int
    quality: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    status: Mapping[int, PipelineStatus] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)


def kind(node: Any) -> str:
    """The type that NWB gives a group or dataset; empty where it gives none."""
    return text(node.attrs.get("neurodata_type")) or ""


def text(value: Any) -> str | None:
    """A stored text."""
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(-1)[0]
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str) else None


def texts(table: Any, name: str) -> list[str]:
    """A column of texts; none where there is no such column."""
    return [text(v) or "" for v in table[name][()]] if name in table else []


def is_caiman(node: Any) -> bool:
    """Whether CaImAn's export made a table or module, and so scrambled the masks."""
    about = text(node.attrs.get("description")) or ""
    return about == "CNMF_ROIs" or "caiman estimates" in about.lower()


def read_cells(
    path: Path,
    plane: Any,
    hints: Sequence[tuple[int, ...]],
    images: Mapping[str, NDArray[Any]],
    n_background: int,
) -> Cells:
    """Cells of a PlaneSegmentation.

    Parameters
    ----------
    path
        The file, for messages.
    plane
        The open group.
    hints
        Shapes (Y, X) that images and movies have.
    images
        Images of the field of view: they tell which way round square masks are.
    n_background
        Last rows that are CaImAn's background and no cells.

    Raises
    ------
    FormatError
        If there are no masks, or they do not fit the field of view.
    """
    n_rows = int(plane["id"].shape[0]) if "id" in plane else 0
    notes: dict[str, str] = {}
    caiman = is_caiman(plane) or any(is_caiman(n) for n in (plane.parent, plane.parent.parent))
    if "pixel_mask" in plane and "pixel_mask_index" in plane:
        weights, shape = _from_pixels(path, plane, hints, notes)
    elif "image_mask" in plane:
        weights, shape = _from_images(path, plane, hints, images, caiman, notes)
    else:
        raise FormatError(
            path,
            "masks of the cells (pixel_mask or image_mask)",
            ", ".join(plane) or "an empty table",
            "Volumetric masks (voxel_mask) are not supported: export each plane on its own.",
        )
    n_rows = max(n_rows, weights.shape[0])
    keep = np.arange(weights.shape[0] - (n_background if caiman else 0))
    source = texts(plane, "source") if "made_of" in plane else []
    if len(source) == weights.shape[0]:
        keep = np.flatnonzero(np.array(source) == "pipeline")
    ids = _unit_ids(plane, weights.shape[0])[keep]
    footprints = Footprints(weights[keep], shape, ids)
    quality, status = _quality(plane, keep), _status(plane, keep, ids)
    return Cells(footprints, keep, n_rows, quality, status, notes)


def masks(
    path: Path, plane: Any, rows: NDArray[np.int64], shape: Shape
) -> list[tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Pixels and weights of some rows with a ``pixel_mask``."""
    matrix, _ = _from_pixels(path, plane, [shape], {})
    found = []
    for row in rows.tolist():
        part = slice(matrix.indptr[row], matrix.indptr[row + 1])
        found.append((matrix.indices[part].astype(np.int64), matrix.data[part].astype(float)))
    return found


def _unit_ids(plane: Any, n: int) -> NDArray[np.int64]:
    ids = np.asarray(plane["id"][()]) if "id" in plane else np.zeros(0)
    usable = ids.shape == (n,) and ids.dtype.kind in "iu" and (n == 0 or ids.min() >= 0)
    if usable and np.unique(ids).size == n:
        return ids.astype(np.int64)
    return np.arange(n)


def _from_pixels(
    path: Path, plane: Any, hints: Sequence[tuple[int, ...]], notes: dict[str, str]
) -> tuple[sparse.csr_array, Shape]:
    """Sparse masks: x is the column, y the row."""
    stored = plane["pixel_mask"][()]
    ends = np.asarray(plane["pixel_mask_index"][()], dtype=np.int64)
    if stored.dtype.names is None or not {"x", "y", "weight"} <= set(stored.dtype.names):
        raise _damaged(path, "pixel_mask with x, y and weight", str(stored.dtype))
    if ends.size and (ends[-1] > stored.size or (np.diff(ends, prepend=0) < 0).any()):
        raise _damaged(path, f"a pixel_mask_index within {stored.size} pixels", f"{ends[-1]}")
    x, y = stored["x"].astype(np.int64), stored["y"].astype(np.int64)
    weights = np.asarray(stored["weight"], np.float32)
    shape = _fitting(x, y, hints)
    if shape is None and any(_fits(y, x, hint) for hint in hints):
        x, y = y, x
        shape = _fitting(x, y, hints)
        notes["pixel_mask"] = "x and y were exchanged in the file: only so the masks fit the images"
    if shape is None:
        if hints:
            raise _damaged(
                path,
                f"masks inside an image of {tuple(hints[0])}",
                f"pixels up to {y.max()}, {x.max()}",
            )
        shape = (int(y.max(initial=0)) + 1, int(x.max(initial=0)) + 1)
        notes["field of view"] = "its size is not in the file: it ends with the last mask"
    n_used = int(ends[-1]) if ends.size else 0
    indptr = np.concatenate([[0], ends])
    pixels = (y * shape[1] + x)[:n_used]
    size = (ends.size, shape[0] * shape[1])
    return sparse.csr_array((weights[:n_used], pixels, indptr), shape=size), shape


def _fits(x: NDArray[np.int64], y: NDArray[np.int64], shape: tuple[int, ...]) -> bool:
    if x.size and (x.min() < 0 or y.min() < 0):
        return False
    return bool(y.max(initial=-1) < shape[0] and x.max(initial=-1) < shape[1])


def _fitting(
    x: NDArray[np.int64], y: NDArray[np.int64], hints: Sequence[tuple[int, ...]]
) -> Shape | None:
    for hint in hints:
        if _fits(x, y, hint):
            return int(hint[0]), int(hint[1])
    return None


def _from_images(
    path: Path,
    plane: Any,
    hints: Sequence[tuple[int, ...]],
    images: Mapping[str, NDArray[Any]],
    caiman: bool,
    notes: dict[str, str],
) -> tuple[sparse.csr_array, Shape]:
    """Dense masks, a few at a time."""
    data = plane["image_mask"]
    if data.ndim != 3:
        raise FormatError(
            path,
            "masks of one plane (cells, Y, X)",
            f"image_mask of shape {data.shape}",
            "Volumes are not supported: export each plane on its own.",
        )
    n, rows, columns = data.shape
    blocks = []
    for start in range(0, n, _CELLS_PER_BLOCK):
        block = np.nan_to_num(np.asarray(data[start : start + _CELLS_PER_BLOCK], np.float32))
        if caiman:
            # CaImAn puts a vector in Fortran order into an array in C order.
            block = block.reshape(len(block), columns, rows).transpose(0, 2, 1)
        blocks.append(sparse.csr_array(block.reshape(len(block), -1)))
    weights = (
        sparse.csr_array(sparse.vstack(blocks, format="csr"))
        if blocks
        else sparse.csr_array((0, rows * columns), dtype=np.float32)
    )
    shape = (rows, columns)
    if caiman:
        notes["image_mask"] = "CaImAn's export scrambles the masks: they were put right"
    elif _is_transposed(weights, shape, hints, images):
        weights, shape = _transposed(weights, shape), (columns, rows)
        notes["image_mask"] = "the masks were transposed: only so they fit the images"
    return weights, shape


def _is_transposed(
    weights: sparse.csr_array,
    shape: Shape,
    hints: Sequence[tuple[int, ...]],
    images: Mapping[str, NDArray[Any]],
) -> bool:
    """Whether masks are (x, y) where the images are (y, x): by shape, else by what they cover."""
    if shape[0] != shape[1]:
        return tuple(shape) not in [tuple(h) for h in hints] and shape[::-1] in [
            tuple(h) for h in hints
        ]
    for image in images.values():
        if image.shape != shape or not np.isfinite(image).any() or not weights.nnz:
            continue
        total = np.asarray(weights.sum(axis=0)).reshape(shape)
        flat = np.nan_to_num(image.astype(float)).ravel()
        if not flat.std() or not total.std():
            continue
        straight, across = (np.corrcoef(flat, t.ravel())[0, 1] for t in (total, total.T))
        return bool(across > straight + 0.1)
    return False


def _transposed(weights: sparse.csr_array, shape: Shape) -> sparse.csr_array:
    y, x = np.divmod(weights.indices.astype(np.int64), shape[1])
    turned = sparse.csr_array((weights.data, x * shape[0] + y, weights.indptr), shape=weights.shape)
    turned.sort_indices()
    return turned


def _quality(plane: Any, keep: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    found = {}
    for name in plane:
        label = _QUALITY.get(name.lower())
        if name.startswith(_OURS):
            label = name.removeprefix(_OURS).replace("_", " ")
        column = plane[name]
        if label is None or column.ndim != 1 or column.dtype.kind not in "iuf":
            continue
        if keep.size == 0 or column.shape[0] > keep.max():
            found[label] = np.asarray(column[()], np.float64)[keep]
    return found


def _status(
    plane: Any, keep: NDArray[np.int64], ids: NDArray[np.int64]
) -> dict[int, PipelineStatus]:
    """What the program that made the cells thought of them."""
    by, status = texts(plane, "status_by"), texts(plane, "status")
    if by and len(by) == len(status):
        reasons = texts(plane, "status_reason") or [""] * len(by)
        return {
            unit_id: PipelineStatus(cast("Any", status[row]), reasons[row])
            for unit_id, row in zip(ids.tolist(), keep.tolist(), strict=True)
            if by[row] == "pipeline" and status[row] in ("accepted", "rejected")
        }
    names = {name.lower(): name for name in plane}
    for word in ("accepted", "iscell", "is_cell", "keep"):
        if word not in names:
            continue
        values = np.asarray(plane[names[word]][()])
        values = values[:, 0] if values.ndim == 2 else values
        if values.ndim == 1 and values.dtype.kind in "biuf" and values.size > keep.max(initial=-1):
            return {
                unit_id: PipelineStatus(
                    "accepted" if good else "rejected", f"{names[word]} in the file"
                )
                for unit_id, good in zip(ids.tolist(), values[keep] > 0, strict=True)
            }
    return {}


def _damaged(path: Path, expected: str, found: str) -> FormatError:
    return FormatError(path, expected, found, "The file is inconsistent: export it again.")
