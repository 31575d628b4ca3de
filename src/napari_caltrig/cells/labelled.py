"""Fields with cells that a person has drawn or accepted: what networks learn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.cells.input import checked_movie
from napari_caltrig.recording import Footprints, FormatError

SPLITS = ("training", "validation", "test")
MOVIE_SUFFIXES = (".tif", ".tiff")
FEWEST_CELLS = 5


@dataclass(frozen=True, eq=False)
class LabelledField:
    """A movie or image with its cells.

    Parameters
    ----------
    name
        For messages and the model card.
    movie
        Array (frames, Y, X) or (Y, X); lazy or not.
    cells
        What is to be found.
    unsure
        Cells that nobody has judged: neither to be found nor to be left out.
    frame_rate
        Frames per second (Hz), or None.
    """

    name: str
    movie: Any
    cells: Footprints
    unsure: Footprints | None = None
    frame_rate: float | None = None

    def __post_init__(self) -> None:
        movie = checked_movie(self.movie)
        object.__setattr__(self, "movie", movie)
        for footprints in (self.cells, self.unsure):
            if footprints is not None and footprints.shape != tuple(movie.shape[1:]):
                raise ValueError(
                    f"{self.name}: cells of a field of {footprints.shape[0]} x "
                    f"{footprints.shape[1]} pixels do not fit a movie of "
                    f"{movie.shape[1]} x {movie.shape[2]} pixels (Y, X)"
                )

    @property
    def diameter(self) -> float:
        """Median diameter in pixels of disks of the cells' areas."""
        return median_diameter([self])


def median_diameter(fields: Sequence[LabelledField]) -> float:
    """Median diameter in pixels of the cells of some fields.

    Raises
    ------
    ValueError
        If there are fewer than 5 cells to learn from.
    """
    areas = np.concatenate([f.cells.areas(0.5) for f in fields]) if fields else np.zeros(0)
    areas = areas[areas > 0]
    if areas.size < FEWEST_CELLS:
        raise ValueError(
            f"{areas.size} cells are too few to learn from: accept or draw {FEWEST_CELLS} or more"
        )
    return float(np.median(2 * np.sqrt(areas / np.pi)))


def read_labels(path: Path, shape: tuple[int, int]) -> Footprints:
    """Cells from ImageJ regions (.zip, .roi) or a labels image (.tif, .npy).

    Raises
    ------
    FormatError
        If it is none of these, or made for another field of view.
    """
    from napari_caltrig.formats.roi_zip import is_roi_name, read_rois

    if is_roi_name(path.name):
        return read_rois(path, shape)
    expected = f"a labels image of {shape[0]} x {shape[1]} whole numbers (.tif, .npy)"
    try:
        if path.suffix.casefold() == ".npy":
            image = np.load(path, allow_pickle=False)
        else:
            import tifffile

            image = np.asarray(tifffile.imread(path))
    except Exception as error:  # decoders raise errors of many kinds
        raise FormatError(path, expected, str(error), "Export the labels again.") from error
    if image.shape != shape or image.dtype.kind not in "iub":
        found = f"shape {image.shape} of {image.dtype}"
        raise FormatError(path, expected, found, "Give the labels of this movie.")
    if image.size and image.min() < 0:
        hint = "Number the cells from 1 on; 0 is the background."
        raise FormatError(path, expected, f"labels down to {image.min()}", hint)
    return Footprints.from_labels(image)


def read_field(movie: Path, labels: Path) -> LabelledField:
    """A movie or image file with its labels file."""
    from napari_caltrig.formats.movies import read

    recording = read(movie)
    frames = recording.movies["raw"]
    cells = read_labels(labels, (frames.shape[1], frames.shape[2]))
    return LabelledField(movie.stem, frames, cells, None, recording.clock.frame_rate)


def read_folder(folder: Path) -> dict[str, list[LabelledField]]:
    """Fields of a folder as ConvnetCellDetection organises it.

    Parameters
    ----------
    folder
        Holds ``training``, and perhaps ``validation`` and ``test`` (or a folder ``labeled`` with
        them); each of them TIFF movies, or folders of TIFFs, with a ``.zip`` of ImageJ regions of
        the same name.

    Raises
    ------
    FormatError
        If there is no such folder, or a movie lacks its regions.
    """
    top = folder / "labeled" if (folder / "labeled").is_dir() else folder
    if not (top / "training").is_dir():
        inside = sorted(p.name for p in top.iterdir())[:5] if top.is_dir() else []
        raise FormatError(
            folder,
            "a folder with training, validation and test inside (or inside `labeled`)",
            ", ".join(inside) or "nothing",
            "Put TIFF movies with .zip files of ImageJ regions of the same names into them.",
        )
    return {split: _read_split(top / split) for split in SPLITS if (top / split).is_dir()}


def _read_split(folder: Path) -> list[LabelledField]:
    fields = []
    for path in sorted(folder.iterdir()):
        is_movie = path.suffix.casefold() in MOVIE_SUFFIXES or path.is_dir()
        if not is_movie or path.name.startswith("."):
            continue
        stem = path.name if path.is_dir() else path.stem
        labels = folder / f"{stem}.zip"
        if not labels.is_file():
            hint = "Save its regions from ImageJ's ROI Manager beside it, or move the movie away."
            raise FormatError(path, f"regions {labels.name} beside it", "none", hint)
        fields.append(read_field(path, labels))
    if not fields:
        hint = "Put TIFF movies with .zip files of the same names into it."
        raise FormatError(folder, "TIFF movies with ImageJ regions", "none", hint)
    return fields


def at_scale(
    cells: Footprints, shape: tuple[int, int], offset: tuple[float, float] = (0.0, 0.0)
) -> NDArray[np.bool_]:
    """Masks (cells, Y, X) of footprints on a field of another number of pixels.

    `offset` is that of the `Summary` whose images they are to fit.
    """
    index = [
        np.clip(((np.arange(n) + 0.5) * m / n + o).astype(int), 0, m - 1)
        for n, m, o in zip(shape, cells.shape, offset, strict=True)
    ]
    columns = (index[0][:, None] * cells.shape[1] + index[1]).ravel()
    binary = cells.binarized(0.5).tocsc()[:, columns]
    return np.asarray(binary.toarray() > 0).reshape(len(cells), *shape)
