"""Random access to the frames of a video, and fast play from there on."""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import Any
from weakref import finalize

import numpy as np

from napari_caltrig.formats.frames import Image, LazyFrames
from napari_caltrig.formats.video_gray import to_gray
from napari_caltrig.formats.video_index import VideoIndex, frames_from
from napari_caltrig.formats.video_packets import HINT, NumberedFrames
from napari_caltrig.recording import FormatError

# Decoders kept open to go on from where they stopped, in all files together.
MAX_IDLE = 4


class VideoFrames(LazyFrames):
    """The frames of a video file as grey images.

    Frames are decoded from the keyframe before; a decoder that stopped just
    before the frame asked for goes on instead. Every reading thread has a
    decoder of its own.

    Parameters
    ----------
    path
        The file.
    index
        From `build_index`.

    Raises
    ------
    FormatError
        If the first frame cannot be decoded.
    """

    def __init__(self, path: Path, index: VideoIndex) -> None:
        self.path, self.index = path, index
        self._frame_of = np.full(index.n_packets, -1, dtype=np.int64)
        self._frame_of[index.order] = np.arange(index.order.size)
        self._token = object()
        finalize(self, _idle.drop, self._token)
        first = self._decode(0, 1)[0]
        super().__init__((index.order.size, *first.shape), first.dtype)

    def __reduce__(self) -> tuple[Any, ...]:
        return VideoFrames, (self.path, self.index)

    def read(self, start: int, stop: int) -> Image:
        """Frames `start` to `stop` (exclusive), shape (stop - start, Y, X).

        Raises
        ------
        FormatError
            If a frame is damaged or has another size than the first.
        """
        frames = np.empty((stop - start, *self.shape[1:]), self.dtype)
        for i, image in enumerate(self._decode(start, stop)):
            if image.shape != self.shape[1:] or image.dtype != self.dtype:
                expected = f"frames of {self.shape[1]} x {self.shape[2]} {self.dtype}"
                found = f"{image.shape[0]} x {image.shape[1]} {image.dtype} at {start + i}"
                raise FormatError(self.path, expected, found, HINT)
            frames[i] = image
        return frames

    def _decode(self, start: int, stop: int) -> list[Image]:
        cursor = _idle.take(self._token, self._keyframe_before(start), start)
        if cursor is None:
            cursor = _Cursor(*frames_from(self.path, self.index, start))
        images: dict[int, Image] = {}
        try:
            for number, frame in cursor.frames:
                shown = int(self._frame_of[number]) if number < self._frame_of.size else -1
                cursor.next_frame = max(cursor.next_frame, shown + 1)
                if start <= shown < stop:
                    images[shown] = to_gray(frame)
                if shown >= stop - 1:
                    break
        except BaseException:
            cursor.close()
            raise
        missing = [i for i in range(start, stop) if i not in images]
        if missing:
            cursor.close()
            found = f"frame {missing[0]} of {self.index.order.size} damaged"
            raise FormatError(self.path, "a video whose frames can be decoded", found, HINT)
        _idle.put(self._token, cursor)
        return [images[i] for i in range(start, stop)]

    def _keyframe_before(self, frame: int) -> int:
        i = int(np.searchsorted(self.index.seek_frames, frame, side="right")) - 1
        return int(self.index.seek_frames[i]) if i >= 0 else 0


class _Cursor:
    """A decoder and the frame that it will give next."""

    def __init__(self, container: Any, frames: NumberedFrames) -> None:
        self.container = container
        self.frames = frames
        self.next_frame = 0

    def close(self) -> None:
        self.container.close()


class _Idle:
    """Decoders that wait for the next frames to be asked for."""

    def __init__(self) -> None:
        self._cursors: list[tuple[object, _Cursor]] = []
        self._lock = Lock()

    def take(self, token: object, earliest: int, frame: int) -> _Cursor | None:
        """A decoder of one file between the keyframe `earliest` and `frame`, or None."""
        with self._lock:
            for i in reversed(range(len(self._cursors))):
                owner, cursor = self._cursors[i]
                if owner is token and earliest <= cursor.next_frame <= frame:
                    del self._cursors[i]
                    return cursor
        return None

    def put(self, token: object, cursor: _Cursor) -> None:
        with self._lock:
            self._cursors.append((token, cursor))
            surplus = self._cursors[:-MAX_IDLE]
            del self._cursors[:-MAX_IDLE]
        for _, old in surplus:
            old.close()

    def drop(self, token: object) -> None:
        with self._lock:
            mine = [cursor for owner, cursor in self._cursors if owner is token]
            self._cursors = [pair for pair in self._cursors if pair[0] is not token]
        for cursor in mine:
            cursor.close()


_idle = _Idle()
