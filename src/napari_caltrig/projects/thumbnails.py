"""Small pictures of recordings, kept in the user's cache folder."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from platformdirs import user_cache_path

from napari_caltrig.projects.identity import recording_digest
from napari_caltrig.projects.project import ProjectRecording
from napari_caltrig.projects.project_file import write_text
from napari_caltrig.steps import Step, Steps

if TYPE_CHECKING:
    from napari_caltrig.recording import Recording

SIZE = 128  # pixels, the longer side

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Look:
    """What a recording looks like.

    Parameters
    ----------
    fingerprint
        Of its content.
    format, n_cells, n_frames, shape
        Of the recording, for captions.
    picture
        Gray values (Y, X).
    """

    fingerprint: str
    format: str
    n_cells: int
    n_frames: int
    shape: tuple[int, int]
    picture: Picture = field(compare=False, repr=False)

    @property
    def text(self) -> str:
        """One line for people."""
        return f"{self.format} · {self.n_cells} cells · {self.n_frames} frames"


@dataclass(frozen=True)
class LookStep(Step):
    """A step with the look of one recording.

    Parameters
    ----------
    name
        Of the recording.
    look
        None where it could not be opened.
    problem
        Why not.
    """

    name: str = ""
    look: Look | None = None
    problem: str = ""


def look_steps(recordings: Iterable[ProjectRecording]) -> Steps[dict[str, Look]]:
    """Look at recordings, one per step; those that were looked at before are not opened.

    Parameters
    ----------
    recordings
        Those that are missing on disk are left out.
    """
    there = [r for r in recordings if r.exists]
    looks: dict[str, Look] = {}
    for i, recording in enumerate(there):
        problem = ""
        try:
            looks[recording.name] = look_at(recording.path)
        except (ValueError, OSError) as error:
            problem = str(error)
        look = looks.get(recording.name)
        yield LookStep(i + 1, len(there), recording.name, recording.name, look, problem)
    return looks


def look_at(path: Path) -> Look:
    """Return the look of a recording; from the cache where its files did not change.

    Raises
    ------
    FormatError
        If it cannot be read.
    """
    note = _folder() / "seen" / f"{_stamp(path)}.json"
    known = _remembered(note)
    if known is not None:
        return known
    from napari_caltrig.opening import open_recording

    recording = open_recording(path)
    look = Look(
        recording_digest(recording),
        recording.format,
        recording.n_cells,
        recording.n_frames,
        recording.shape,
        picture_of(recording),
    )
    _remember(note, look)
    return look


def picture_of(recording: Recording) -> Picture:
    """Draw a recording small: all footprints, else a summary image, else its first frame.

    Returns
    -------
    ndarray
        Gray values (Y, X), the longer side 128 pixels or less.
    """
    if recording.n_cells:
        csr = recording.footprints.to_csr()
        peaks = recording.footprints.peaks()
        scaled = csr.multiply(1 / np.maximum(peaks, np.finfo(float).tiny)[:, None]).tocsr()
        image = np.asarray(scaled.max(axis=0).todense(), np.float64).reshape(recording.shape)
        return _small(image, 0.0, 1.0)
    images = list(recording.summary_images.values())
    movie = recording.movie
    if not images and (movie is None or not len(movie)):
        return np.zeros((1, 1), np.uint8)
    image = np.asarray(images[0] if images else movie[0], np.float64)  # type: ignore[index]
    finite = image[np.isfinite(image)]
    low, high = np.percentile(finite, [1, 99.5]) if finite.size else (0.0, 1.0)
    return _small(np.nan_to_num(image, nan=low), float(low), float(high))


def _small(image: NDArray[np.float64], low: float, high: float) -> Picture:
    """Shrink by whole factors; the brightest pixel of a block stays, small cells are seen."""
    factor = max(-(-max(image.shape) // SIZE), 1)
    y, x = (-(-n // factor) * factor for n in image.shape)
    padded = np.full((y, x), low)
    padded[: image.shape[0], : image.shape[1]] = image
    blocks = padded.reshape(y // factor, factor, x // factor, factor).max(axis=(1, 3))
    unit = np.clip((blocks - low) / max(high - low, np.finfo(float).tiny), 0, 1)
    return np.asarray(np.rint(255 * unit**0.7), dtype=np.uint8)


def _folder() -> Path:
    return user_cache_path("napari-caltrig", appauthor=False) / "thumbnails" / "v1"


def _stamp(path: Path) -> str:
    """Changes when files of a recording do: names, sizes and times, two folders deep."""
    entries: list[Any] = [str(path)]
    for folder in (
        path,
        *(sorted(p for p in path.iterdir() if p.is_dir()) if path.is_dir() else ()),
    ):
        if folder.is_dir():
            with os.scandir(folder) as found:
                entries += sorted((e.name, e.stat().st_mtime_ns) for e in found)
        else:
            entries.append((folder.stat().st_size, folder.stat().st_mtime_ns))
    return hashlib.sha256(repr(entries).encode()).hexdigest()[:32]


def _remembered(note: Path) -> Look | None:
    try:
        facts = json.loads(note.read_text(encoding="utf-8"))
        picture = np.load(_picture_file(facts["fingerprint"]), allow_pickle=False)
        return Look(**{**facts, "shape": tuple(facts["shape"])}, picture=picture.astype(np.uint8))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _remember(note: Path, look: Look) -> None:
    """Keep a look; a cache that cannot be written is no reason to fail."""
    try:
        file = _picture_file(look.fingerprint)
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, look.picture)
        facts = {n: getattr(look, n) for n in ("fingerprint", "format", "n_cells", "n_frames")}
        write_text(note, json.dumps({**facts, "shape": list(look.shape)}))
    except OSError:
        return


def _picture_file(fingerprint: str) -> Path:
    return _folder() / f"{fingerprint}.npy"
