"""Which packet of a video file holds which frame: exact counts, exact order.

What containers say about themselves (frame counts, durations, timestamps in
AVI) is not trusted. Packets are numbered in the order in which they lie in the
file; a frame is known by the number of its packet, which the decoder hands
through. Three ways, from cheap to sure:

1. An AVI whose index is complete, with a codec that never reorders: the index.
2. Otherwise one pass over the packets; timestamps of the container give the
   order of the frames.
3. Where those cannot be had or trusted (AVI with a codec that may reorder
   frames, codecs with hidden frames), one pass that decodes everything.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.formats.files import unreadable
from napari_caltrig.formats.video_packets import (
    EXPECTED,
    HINT,
    NumberedFrames,
    Packets,
    is_order,
    numbered_frames,
    open_container,
    packets_of_avi_index,
    packets_of_file,
)
from napari_caltrig.recording import FormatError

# Codecs that may store frames in another order than they are shown in, and
# those with packets that show nothing. AVI has no timestamps to tell.
REORDERING = {"h264", "hevc", "mpeg4", "msmpeg4v3", "mpeg2video", "mpeg1video", "vc1", "wmv3"}
HIDDEN_FRAMES = {"vp8"}


@dataclass(frozen=True, eq=False)
class VideoIndex:
    """Where the frames of a video are.

    Parameters
    ----------
    n_packets
        Packets of the video stream.
    order
        Packet number of each frame, in the order of showing; shape (frames,).
    seek_frames, seek_packets, seek_times
        Per keyframe: its frame, its packet, and the timestamp to seek to;
        sorted by frame.
    keys
        Packet number by timestamp, for keyframes: where a seek has landed.
    key_is_dts
        Whether `keys` holds decoding (rather than presentation) timestamps.
    times_s
        Time of each frame in seconds as the container has it, or None.
    frame_rate
        Mean rate (Hz) as the container has it, or None.
    notes
        What is wrong with the file, for the user.
    """

    n_packets: int
    order: NDArray[np.int64]
    seek_frames: NDArray[np.int64]
    seek_packets: NDArray[np.int64]
    seek_times: NDArray[np.int64]
    keys: dict[int, int] = field(repr=False)
    key_is_dts: bool
    times_s: NDArray[np.float64] | None
    frame_rate: float | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class _Facts:
    """What one look at a file tells."""

    packets: Packets
    frame_rate: float | None
    time_base: float
    is_avi: bool
    claimed: int


def build_index(path: Path) -> VideoIndex:
    """Number the frames of a video file.

    Raises
    ------
    FormatError
        If the file is no video or no frame of it can be decoded.
    """
    import av

    try:
        with open_container(path) as container:
            stream = container.streams.video[0]
            is_avi = container.format.name == "avi"
            codec = stream.codec_context.name
            rate = stream.average_rate or stream.guessed_rate
            claimed = int(stream.frames) or _frames_by_duration(container, rate)
            packets = None
            if is_avi and codec not in REORDERING:
                packets = packets_of_avi_index(path, stream, claimed)
            is_whole = packets is not None
            packets = packets or packets_of_file(container, stream)
            time_base = float(stream.time_base)
        times_lie = (is_avi and codec in REORDERING) or codec in HIDDEN_FRAMES
        facts = _Facts(packets, float(rate) if rate else None, time_base, is_avi, claimed)
        if times_lie or not is_order(packets.pts):
            return _assemble(path, facts, _decoded_order(path))
        index = _assemble(path, facts, _shown_order(packets))
        if is_whole or (claimed == len(packets) and not packets.damaged):
            return index
        return _assemble(path, facts, _without_broken_tail(path, index))
    except (av.error.FFmpegError, OSError) as error:
        raise unreadable(path, EXPECTED, error) from error


def frames_from(path: Path, index: VideoIndex, frame: int) -> tuple[Any, NumberedFrames]:
    """Open a video so that `frame` can be decoded.

    Parameters
    ----------
    path, index
        The file and what `build_index` says of it.
    frame
        The frame wanted.

    Returns
    -------
    container
        To be closed by the caller.
    frames
        (packet number, frame) from the keyframe before `frame` on, or from the
        beginning of a file in which seeking does not work.
    """
    container = open_container(path)
    i = int(np.searchsorted(index.seek_frames, frame, side="right")) - 1
    if i >= 0 and index.seek_packets[i] > 0:
        stream = container.streams.video[0]
        container.seek(int(index.seek_times[i]), stream=stream)
        packets = container.demux(stream)
        first = next((packet for packet in packets if packet.size), None)
        landed = None if first is None else _number_of(first, index)
        if landed is not None and landed <= index.seek_packets[i]:
            return container, numbered_frames(stream, chain((first,), packets), landed)
        container.close()
        container = open_container(path)
    stream = container.streams.video[0]
    return container, numbered_frames(stream, container.demux(stream), 0)


def _number_of(packet: Any, index: VideoIndex) -> int | None:
    stamp = packet.dts if index.key_is_dts else packet.pts
    return None if stamp is None else index.keys.get(stamp)


def _frames_by_duration(container: Any, rate: Any) -> int:
    """Frames that an MKV should have by its duration, 0 where it has none."""
    if "matroska" not in container.format.name or not container.duration or not rate:
        return 0
    return int(np.rint(container.duration / 1e6 * float(rate)))


def _shown_order(packets: Packets) -> NDArray[np.int64]:
    order = np.argsort(np.array(packets.pts, dtype=np.int64), kind="stable")
    shown = np.array(packets.shown, dtype=bool)
    return np.asarray(order[shown[order]], dtype=np.int64)


def _decoded_order(path: Path) -> NDArray[np.int64]:
    """Packet numbers of the frames that come out of the decoder, in that order."""
    with open_container(path) as container:
        stream = container.streams.video[0]
        frames = numbered_frames(stream, container.demux(stream), 0)
        return np.array([n for n, frame in frames if not frame.is_corrupt], dtype=np.int64)


def _without_broken_tail(path: Path, index: VideoIndex) -> NDArray[np.int64]:
    """Leave out frames after the last keyframe that do not decode: a cut-off file's end."""
    last = int(index.seek_frames[-1]) if index.seek_frames.size else 0
    container, frames = frames_from(path, index, last)
    with container:
        whole = {n for n, frame in frames if not frame.is_corrupt}
    tail = [n for n in index.order[last:].tolist() if n in whole]
    return np.concatenate([index.order[:last], np.array(tail, dtype=np.int64)])


def _assemble(path: Path, facts: _Facts, order: NDArray[np.int64]) -> VideoIndex:
    packets = facts.packets
    if not order.size:
        raise FormatError(path, EXPECTED, "no frame that can be decoded", HINT)
    frame_of = np.full(len(packets), -1, dtype=np.int64)
    frame_of[order] = np.arange(order.size)
    keyframes = np.flatnonzero(packets.keyframe)
    keyframes = keyframes[frame_of[keyframes] >= 0]
    keyframes = keyframes[np.argsort(frame_of[keyframes])]
    has_pts = is_order(packets.pts)
    key_is_dts = facts.is_avi or not has_pts
    stamps = packets.dts if key_is_dts else packets.pts
    seeks = [_first_known(packets.dts[i], packets.pts[i]) for i in keyframes]
    if None in seeks or not is_order([stamps[i] for i in keyframes]):
        keyframes, seeks = keyframes[:0], []  # decode from the beginning, always
    times_s = None
    if has_pts and not facts.is_avi:
        times_s = np.array(packets.pts, dtype=np.float64)[order] * facts.time_base
    return VideoIndex(
        n_packets=len(packets),
        order=order,
        seek_frames=frame_of[keyframes],
        seek_packets=keyframes.astype(np.int64),
        seek_times=np.array(seeks, dtype=np.int64),
        keys={int(stamps[i] or 0): int(i) for i in keyframes},
        key_is_dts=key_is_dts,
        times_s=times_s,
        frame_rate=facts.frame_rate,
        notes=_notes(facts, order.size),
    )


def _notes(facts: _Facts, n_frames: int) -> tuple[str, ...]:
    notes = []
    # A duration times a rate is a frame off where the last one has no length.
    if facts.claimed and abs(facts.claimed - n_frames) > (0 if facts.is_avi else 1):
        notes.append(f"its header speaks of {facts.claimed} frames, {n_frames} can be decoded")
    if facts.packets.damaged:
        notes.append("it was cut off or is damaged at its end")
    return tuple(notes)


def _first_known(*times: int | None) -> int | None:
    return next((t for t in times if t is not None), None)
