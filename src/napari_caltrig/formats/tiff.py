"""TIFF movies: one file of many pages, or a folder of files.

Uncompressed movies are read straight from their place in the file; compressed
ones page by page. Nothing but metadata is read at opening (and one page of a
compressed file, to see that it can be decoded), and no file stays open.
"""

from __future__ import annotations

import os
import struct
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from napari_caltrig.formats.files import children, missing_numbers, require_file, unreadable
from napari_caltrig.formats.frames import Image, LazyFrames, MovieFile, check_pixels, to_dask
from napari_caltrig.formats.tiff_axes import frame_rate_of, frames_of
from napari_caltrig.recording import FormatError

SUFFIXES = {".tif", ".tiff", ".btf", ".tf8"}
EXPECTED = "a TIFF movie of one channel and one plane"
GAPS_SHOWN = 4  # of the numbers of a folder's files, in a note


def is_tiff_name(name: str) -> bool:
    """Whether a file is a TIFF, by its name; ``._x.tif`` of macOS is not."""
    return Path(name).suffix.casefold() in SUFFIXES and not name.startswith(".")


def open_tiff(path: Path) -> MovieFile:
    """Open a TIFF file or a folder of them lazily.

    Parameters
    ----------
    path
        A file (classic, BigTIFF, ImageJ, OME, ScanImage; compressed or not),
        or a folder whose TIFFs, naturally sorted, hold one or many frames each. Where
        their numbers have gaps, ``unavailable`` says so.

    Raises
    ------
    FormatError
        If it is damaged, cut off, in colour, of several channels or planes, or
        if files of a folder differ in frame size or pixel type.
    """
    frames, rate = _open_folder(path) if os.path.isdir(path) else _open_file(path)
    source = f"{path.name} (frame interval in its metadata)" if rate else "unknown"
    gaps = _gaps_between(frames._files) if isinstance(frames, _TiffFolder) else ""
    notes = {f"part of {path.name}": gaps} if gaps else {}
    return MovieFile(to_dask(frames), rate, clock_source=source, unavailable=notes)


class _ContiguousTiff(LazyFrames):
    """Uncompressed frames, one after the other."""

    def __init__(
        self, path: Path, offset: int, shape: tuple[int, int, int], stored: np.dtype[Any]
    ) -> None:
        super().__init__(shape, stored.newbyteorder("="))
        self._path, self._offset, self._stored = path, offset, stored

    def read(self, start: int, stop: int) -> Image:
        pixels = self.shape[1] * self.shape[2]
        count = (stop - start) * pixels
        offset = self._offset + start * pixels * self._stored.itemsize
        try:
            flat = np.fromfile(self._path, self._stored, count, offset=offset)
        except OSError as error:
            raise unreadable(self._path, EXPECTED, error) from error
        if flat.size < count:
            raise _cut_off(self._path, f"data that end before frame {stop - 1}")
        return flat.astype(self.dtype, copy=False).reshape(-1, *self.shape[1:])


class _PagedTiff(LazyFrames):
    """One frame per page; the place of the pages is looked up once."""

    def __init__(self, path: Path, shape: tuple[int, int, int], tif: Any, series: Any) -> None:
        super().__init__(shape, series.dtype.newbyteorder("="))
        self._path, self._tif, self._series = path, tif, series
        self._lock = Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, (self._path,)

    def read(self, start: int, stop: int) -> Image:
        frames = np.empty((stop - start, *self.shape[1:]), self.dtype)
        with self._lock:
            try:
                self._tif.filehandle.open()
                for i in range(start, stop):
                    frames[i - start] = self._series[i].asarray().reshape(self.shape[1:])
            except Exception as error:  # decoders raise errors of many kinds
                raise _undecodable(self._path, error) from error
            finally:
                self._tif.filehandle.close()
        return frames


class _TiffFolder(LazyFrames):
    """Files of a folder, one after the other."""

    def __init__(self, files: list[Path], counts: list[int], first: LazyFrames) -> None:
        super().__init__((sum(counts), *first.shape[1:]), first.dtype)
        self._files = files
        self._stops = np.cumsum(counts)

    def read(self, start: int, stop: int) -> Image:
        parts = []
        at = start
        while at < stop:
            i = int(np.searchsorted(self._stops, at, side="right"))
            begin = int(self._stops[i - 1]) if i else 0
            end = min(stop, int(self._stops[i]))
            part = _cached_file(self._files[i])
            _check_part(self._files[i], part, self, int(self._stops[i]) - begin)
            parts.append(part.read(at - begin, end - begin))
            at = end
        return np.concatenate(parts) if len(parts) != 1 else parts[0]


def _open_folder(folder: Path) -> tuple[LazyFrames, float | None]:
    files = [p for p in children(folder) if is_tiff_name(p.name) and not os.path.isdir(p)]
    if not files:
        hint = "Choose a folder with .tif files, or the movie itself."
        raise FormatError(folder, "a folder of TIFF files", "none in it", hint)
    first, rate = _open_file(files[0])
    if len(files) == 1 or (isinstance(first, _PagedTiff) and _spans_files(first)):
        return first, rate
    size = files[0].stat().st_size
    counts = [first.shape[0]]
    for file in files[1:]:
        # Uncompressed files of one size hold the same frames; _TiffFolder
        # looks again when it reads them. Thousands of files open in seconds so.
        if isinstance(first, _ContiguousTiff) and file.stat().st_size == size:
            counts.append(first.shape[0])
            continue
        part, _ = _open_file(file)
        _check_part(file, part, first, part.shape[0])
        counts.append(part.shape[0])
    return _TiffFolder(files, counts, first), rate


def _gaps_between(files: list[Path]) -> str:
    """What the user is told of numbers that the names of the files leave out; may be empty."""
    gaps = missing_numbers(file.stem for file in files)
    if not gaps:
        return ""
    shown = [f"{g[0]} to {g[-1]}" if len(g) > 1 else f"{g[0]}" for g in gaps[:GAPS_SHOWN]]
    more = f" and {len(gaps) - GAPS_SHOWN} more gaps" if len(gaps) > GAPS_SHOWN else ""
    return (
        f"no file is numbered {', '.join(shown)}{more}: the others are joined without a break, so "
        "times after a gap are too early if frames were lost there"
    )


def _check_part(file: Path, part: LazyFrames, model: LazyFrames, n_frames: int) -> None:
    wanted = (n_frames, *model.shape[1:], model.dtype)
    if (*part.shape, part.dtype) == wanted:
        return
    expected = f"{n_frames} frame(s) of {model.shape[1]} x {model.shape[2]} {model.dtype}"
    found = f"{part.shape[0]} of {part.shape[1]} x {part.shape[2]} {part.dtype}"
    hint = "Move files that belong to another movie out of the folder, or open one file alone."
    raise FormatError(file, f"{expected} as in the other files", found, hint)


def _open_file(path: Path) -> tuple[LazyFrames, float | None]:
    import tifffile

    require_file(path, EXPECTED)
    try:
        with tifffile.TiffFile(path) as tif:
            if len(tif.series) <= 1:
                return _frames_in(path, tif)
        # Pages written one by one each claim to be an image of their own.
        with tifffile.TiffFile(path, is_shaped=False) as tif:
            return _frames_in(path, tif)
    except FormatError:
        raise
    except Exception as error:  # a damaged file fails anywhere in the parser
        raise unreadable(path, EXPECTED, error) from error


def _frames_in(path: Path, tif: Any) -> tuple[LazyFrames, float | None]:
    if len(tif.series) != 1:
        shapes = ", ".join(str(tuple(s.shape)) for s in tif.series[:4])
        hint = "Save the movie alone in a file of its own."
        raise FormatError(path, EXPECTED, f"{len(tif.series)} images of shapes {shapes}", hint)
    series = tif.series[0]
    n_frames = frames_of(path, tif, series)
    shape = (n_frames, *series.shape[series.axes.index("Y") :])
    check_pixels(path, shape, series.dtype)
    _require_complete(path, tif, series, n_frames)
    rate = frame_rate_of(tif)
    if series.dataoffset is not None and not _spans(series):
        stored = series.dtype.newbyteorder(tif.byteorder)
        return _ContiguousTiff(path, series.dataoffset, shape, stored), rate
    if len(series) != n_frames:
        found = f"{n_frames} compressed frames in {len(series)} page(s)"
        raise FormatError(path, EXPECTED, found, "Save it with one page per frame.")
    frames = _PagedTiff(path, shape, tif, series)
    frames.read(0, 1)
    return frames, rate


def _require_complete(path: Path, tif: Any, series: Any, n_frames: int) -> None:
    size = path.stat().st_size
    if series.dataoffset is not None:
        n_bytes = n_frames * int(np.prod(series.keyframe.shape)) * series.dtype.itemsize
        complete = series.dataoffset + n_bytes <= size
    else:
        last = series[-1] if len(series) else None
        complete = last is not None and all(
            start + count <= last.parent.filehandle.size
            for start, count in zip(last.dataoffsets, last.databytecounts, strict=True)
        )
        complete = complete and len(series) in (1, n_frames) and None not in series.pages
    if not complete or _next_page(tif) != 0:
        raise _cut_off(path, f"a file of {size} bytes that ends too early")


def _next_page(tif: Any) -> int:
    """What the last page says of the next one: 0 in a file that was written to its end."""
    width, code = (8, "Q") if tif.is_bigtiff else (4, "I")
    tif.filehandle.seek(tif.pages.next_page_offset)
    data = tif.filehandle.read(width)
    return int(struct.unpack(tif.byteorder + code, data)[0]) if len(data) == width else -1


def _spans(series: Any) -> bool:
    names = {page.parent.filehandle.path for page in (series[0], series[-1])}
    return len(names) > 1


def _spans_files(frames: _PagedTiff) -> bool:
    return _spans(frames._series)


def _reopen(path: Path) -> LazyFrames:
    return _open_file(path)[0]


def _cached_file(path: Path) -> LazyFrames:
    return _opened(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=32)
def _opened(path: Path, modified: int) -> LazyFrames:
    return _reopen(path)


def _cut_off(path: Path, found: str) -> FormatError:
    hint = "It was cut off while being written or copied: copy it again from the original."
    return FormatError(path, "a complete TIFF file", found, hint)


def _undecodable(path: Path, error: Exception) -> FormatError:
    text = " ".join(str(error).split()) or type(error).__name__
    hint = (
        "If a decoder is missing, run `pip install imagecodecs` or save the movie uncompressed; "
        "else the file is damaged."
    )
    return FormatError(path, "TIFF pages that can be decoded", text, hint)
