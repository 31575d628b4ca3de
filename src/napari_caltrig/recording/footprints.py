"""Spatial components of cells, sparse and overlapping."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse


@dataclass(frozen=True, eq=False)
class Crop:
    """One cell's footprint in its bounding box.

    Parameters
    ----------
    top, left
        Pixel of the field of view at the crop's corner.
    weights
        Dense weights of the bounding box, shape (height, width).
    """

    top: int
    left: int
    weights: NDArray[np.float64]


class Footprints:
    """Footprints of the cells of one field of view; immutable and sparse.

    Parameters
    ----------
    weights
        Sparse or dense matrix (cells, Y*X), pixels in C order. Negative, NaN and
        infinite weights count as zero.
    shape
        Field of view in pixels, (Y, X).
    unit_ids
        One id of 0 or more per row, unique; ``0 .. cells-1`` by default.
    scores
        A detector's confidence per cell, 0 to 1.

    Raises
    ------
    ValueError
        If sizes do not fit or ids are not unique.

    Notes
    -----
    Footprints overlap, so a labels image is a view of them and nothing is ever
    derived back from it.
    """

    def __init__(
        self,
        weights: Any,
        shape: tuple[int, int],
        unit_ids: ArrayLike | None = None,
        scores: ArrayLike | None = None,
    ) -> None:
        self._shape = (int(shape[0]), int(shape[1]))
        csr = sparse.csr_array(weights)
        csr = csr.copy() if csr.dtype.kind == "f" else csr.astype(np.float32)
        if csr.shape[1] != self._shape[0] * self._shape[1]:
            raise ValueError(
                f"footprints of {csr.shape[1]} pixels do not make an image of "
                f"{self._shape[0]} x {self._shape[1]} pixels (Y, X)"
            )
        csr.sum_duplicates()
        csr.data[~((csr.data > 0) & (csr.data < np.inf))] = 0  # NaN fails both
        csr.eliminate_zeros()
        self._csr = csr
        n = csr.shape[0]
        ids = np.arange(n) if unit_ids is None else np.array(unit_ids)
        self._unit_ids = _checked_ids(ids, n)
        self._scores = None
        if scores is not None:
            self._scores = np.array(scores, dtype=np.float64)
            if self._scores.shape != (n,):
                raise ValueError(f"{self._scores.size} scores for {n} footprints")
            self._scores.setflags(write=False)
        for array in (csr.data, csr.indices, csr.indptr, self._unit_ids):
            array.setflags(write=False)

    @classmethod
    def empty(cls, shape: tuple[int, int]) -> Footprints:
        """No cells in a field of view of `shape` (Y, X)."""
        return cls(sparse.csr_array((0, shape[0] * shape[1]), dtype=np.float32), shape)

    @classmethod
    def from_labels(cls, labels: ArrayLike, scores: ArrayLike | None = None) -> Footprints:
        """Binary footprints from a labels image (Y, X); ``unit_id = label - 1``.

        Raises
        ------
        ValueError
            If `labels` is not a 2-D array of whole numbers of 0 or more.
        """
        image = np.asarray(labels)
        if image.ndim != 2 or image.dtype.kind not in "iub":
            raise ValueError(f"a labels image is 2-D and integer, not {image.shape} {image.dtype}")
        flat = image.ravel()
        pixels = np.flatnonzero(flat)
        values, rows = np.unique(flat[pixels].astype(np.int64), return_inverse=True)
        if values.size and values[0] < 0:
            raise ValueError("labels must be 0 or more")
        data = np.ones(pixels.size, dtype=np.float32)
        csr = sparse.csr_array((data, (rows.ravel(), pixels)), shape=(values.size, flat.size))
        return cls(csr, image.shape, values - 1, scores)

    @classmethod
    def from_dense(cls, images: ArrayLike, unit_ids: ArrayLike | None = None) -> Footprints:
        """Footprints from weight images of shape (cells, Y, X)."""
        dense = np.asarray(images)
        if dense.ndim != 3:
            raise ValueError(f"expected weight images (cells, Y, X), got shape {dense.shape}")
        flat = dense.reshape(len(dense), dense.shape[1] * dense.shape[2])
        return cls(sparse.csr_array(flat), dense.shape[1:], unit_ids)

    def __len__(self) -> int:
        return int(self._csr.shape[0])

    def __repr__(self) -> str:
        return f"Footprints({len(self)} cells, {self.shape[0]} x {self.shape[1]} px)"

    @property
    def shape(self) -> tuple[int, int]:
        """Field of view in pixels, (Y, X)."""
        return self._shape

    @property
    def unit_ids(self) -> NDArray[np.int64]:
        """The cells' ids in the order of the rows; shape (cells,)."""
        return self._unit_ids

    @property
    def scores(self) -> NDArray[np.float64] | None:
        """A detector's confidence per cell (0 to 1), or None; shape (cells,)."""
        return self._scores

    def to_csr(self) -> sparse.csr_array:
        """Weights as a sparse matrix (cells, Y*X), C order; read-only, not copied."""
        return self._csr

    def index_of(self, unit_id: int) -> int:
        """Row of a cell.

        Raises
        ------
        KeyError
            If there is no such cell.
        """
        try:
            return self._rows[int(unit_id)]
        except KeyError:
            raise KeyError(f"no cell has unit_id {unit_id}") from None

    def __contains__(self, unit_id: object) -> bool:
        return unit_id in self._rows

    def pixels(self, unit_id: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Flat pixel indices (C order) and weights of one cell."""
        i = self.index_of(unit_id)
        part = slice(self._csr.indptr[i], self._csr.indptr[i + 1])
        return self._csr.indices[part].astype(np.int64), self._csr.data[part].astype(np.float64)

    def crop(self, unit_id: int, margin: int = 0) -> Crop:
        """One cell's weights in its bounding box plus `margin` pixels; O(its pixels)."""
        pixels, weights = self.pixels(unit_id)
        if not pixels.size:
            return Crop(0, 0, np.zeros((0, 0)))
        y, x = np.divmod(pixels, self.shape[1])
        top, left = max(y.min() - margin, 0), max(x.min() - margin, 0)
        bottom = min(y.max() + margin + 1, self.shape[0])
        right = min(x.max() + margin + 1, self.shape[1])
        image = np.zeros((bottom - top, right - left))
        image[y - top, x - left] = weights
        return Crop(int(top), int(left), image)

    def peaks(self) -> NDArray[np.float64]:
        """Largest weight of each cell; shape (cells,)."""
        return _row_reduce(np.maximum, self._csr)

    def areas(self, threshold: float = 0.0) -> NDArray[np.int64]:
        """Pixels of each cell with a weight above `threshold` x its peak; shape (cells,)."""
        return np.diff(self.binarized(threshold).indptr).astype(np.int64)

    def binarized(self, threshold: float = 0.5) -> sparse.csr_array:
        """Footprints as 0/1, pixels with at least `threshold` x the cell's own peak."""
        counts = np.diff(self._csr.indptr)
        keep = self._csr.data >= threshold * np.repeat(self.peaks(), counts)
        binary = sparse.csr_array(
            (keep.astype(np.float32), self._csr.indices, self._csr.indptr), shape=self._csr.shape
        ).copy()
        binary.eliminate_zeros()
        return binary

    def centroids(self) -> NDArray[np.float64]:
        """Weighted centres (y, x) in pixels, shape (cells, 2); NaN for an empty footprint."""
        y, x = np.divmod(self._csr.indices, self.shape[1])
        rows = np.repeat(np.arange(len(self)), np.diff(self._csr.indptr))
        total = np.bincount(rows, self._csr.data, len(self))
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.stack(
                [np.bincount(rows, self._csr.data * axis, len(self)) / total for axis in (y, x)], 1
            )

    def contours(self, unit_id: int, level: float = 0.5) -> list[NDArray[np.float64]]:
        """Outlines of one cell at `level` x its peak.

        Returns
        -------
        list of ndarray
            Closed polygons of (y, x) in pixels, shape (points, 2) each.
        """
        from skimage.measure import find_contours

        crop = self.crop(unit_id)
        if not crop.weights.size:
            return []
        padded = np.pad(crop.weights, 1)
        offset = np.array([crop.top - 1, crop.left - 1])
        return [line + offset for line in find_contours(padded, level * crop.weights.max())]

    def overlap(
        self, measure: Literal["pixels", "jaccard", "cosine"] = "jaccard", threshold: float = 0.0
    ) -> sparse.csr_array:
        """How much cells share, shape (cells, cells), zero on the diagonal.

        Parameters
        ----------
        measure
            ``"pixels"`` (shared pixels), ``"jaccard"`` (shared / united
            pixels) or ``"cosine"`` (of the weights).
        threshold
            Pixels below this fraction of a cell's peak do not count.
        """
        if measure == "cosine":
            norms = np.sqrt(_row_reduce(np.add, self._csr.multiply(self._csr).tocsr()))
            unit = self._csr.multiply(1 / np.maximum(norms, 1e-30)[:, None]).tocsr()
            shared = sparse.coo_array(unit @ unit.T)
            values = shared.data
        else:
            binary = self.binarized(threshold)
            areas = np.diff(binary.indptr)
            shared = sparse.coo_array(binary @ binary.T)
            values = shared.data
            if measure == "jaccard":
                values = values / (areas[shared.row] + areas[shared.col] - values)
        off = shared.row != shared.col
        return sparse.csr_array(
            (values[off], (shared.row[off], shared.col[off])), shape=shared.shape
        )

    def to_labels(self, threshold: float = 0.0) -> NDArray[Any]:
        """A labels image (Y, X), ``unit_id + 1``; the highest weight wins a pixel.

        Parameters
        ----------
        threshold
            Pixels below this fraction of the cell's own peak stay empty.

        Returns
        -------
        ndarray
            uint16 where the ids allow it, else int32.
        """
        highest = int(self._unit_ids.max(initial=0)) + 1
        labels = np.zeros(self.shape[0] * self.shape[1], np.uint16 if highest < 2**16 else np.int32)
        highest_weight = np.zeros(labels.size, self._csr.data.dtype)
        # Cell by cell: sorting all weights of a large recording takes ten times as long.
        for i, least in enumerate(threshold * self.peaks()):
            part = slice(self._csr.indptr[i], self._csr.indptr[i + 1])
            weights, pixels = self._csr.data[part], self._csr.indices[part]
            # On ties the earlier cell wins.
            wins = (weights >= least) & (weights > highest_weight[pixels])
            highest_weight[pixels[wins]] = weights[wins]
            labels[pixels[wins]] = self._unit_ids[i] + 1
        return labels.reshape(self.shape)

    def at(self, y: int, x: int) -> list[int]:
        """Ids of the cells that cover a pixel, the highest weight first."""
        if not (0 <= y < self.shape[0] and 0 <= x < self.shape[1]):
            return []
        pixel = y * self.shape[1] + x
        part = slice(self._csc.indptr[pixel], self._csc.indptr[pixel + 1])
        order = np.argsort(-self._csc.data[part], kind="stable")
        return [int(i) for i in self._unit_ids[self._csc.indices[part][order]]]

    def select(self, unit_ids: Iterable[int]) -> Footprints:
        """Return some of the cells, in the given order.

        Raises
        ------
        KeyError
            If a cell does not exist.
        """
        rows = [self.index_of(u) for u in unit_ids]
        scores = None if self._scores is None else self._scores[rows]
        return Footprints(self._csr[rows], self.shape, self._unit_ids[rows], scores)

    def plus(self, other: Footprints) -> Footprints:
        """Return the cells of both; ids must not collide and fields of view must match.

        Raises
        ------
        ValueError
            If they do not fit together.
        """
        if other.shape != self.shape:
            raise ValueError(f"fields of view differ: {self.shape} and {other.shape}")
        stacked = sparse.vstack([self._csr, other._csr], format="csr")
        return Footprints(stacked, self.shape, np.concatenate([self.unit_ids, other.unit_ids]))

    @cached_property
    def _rows(self) -> dict[int, int]:
        return {int(u): i for i, u in enumerate(self._unit_ids)}

    @cached_property
    def _csc(self) -> sparse.csc_array:
        return self._csr.tocsc()


def _checked_ids(ids: NDArray[Any], n: int) -> NDArray[np.int64]:
    if ids.shape != (n,):
        raise ValueError(f"{ids.size} unit_ids for {n} footprints")
    if n and not np.array_equal(ids, ids.astype(np.int64)):
        raise ValueError("unit_ids must be whole numbers")
    ids = ids.astype(np.int64)
    if n and ids.min() < 0:
        raise ValueError("unit_ids must be 0 or more")
    if np.unique(ids).size != n:
        raise ValueError("unit_ids must be unique")
    return ids


def _row_reduce(ufunc: np.ufunc, csr: sparse.csr_array) -> NDArray[np.float64]:
    """Reduce the stored values of each row; 0 for an empty row."""
    result = np.zeros(csr.shape[0])
    filled: Sequence[Any] | NDArray[np.intp] = np.flatnonzero(np.diff(csr.indptr))
    if len(filled):
        result[filled] = ufunc.reduceat(csr.data, csr.indptr[:-1][filled])
    return result
