"""Packets of a video file, numbered as they lie in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from napari_caltrig.formats.files import require_file, unreadable
from napari_caltrig.recording import FormatError

NumberedFrames: TypeAlias = Iterator[tuple[int, Any]]
EXPECTED = "a video file"
HINT = "Open it in a video player: if that fails too, copy it again or convert it with FFmpeg."
# A decoder gains little from more threads at the sizes of a miniscope, and
# dask runs several decoders at once.
DECODER_THREADS = 4


@dataclass(frozen=True, eq=False)
class Packets:
    """Packets in file order; timestamps None where the container has none."""

    pts: list[int | None]
    dts: list[int | None]
    keyframe: list[bool]
    shown: list[bool]
    damaged: bool = False

    def __len__(self) -> int:
        return len(self.pts)


def open_container(path: Path) -> Any:
    """Open a video file; use it as a context manager.

    Raises
    ------
    FormatError
        If it is missing, empty, no video, or has no video stream.
    """
    import av

    require_file(path, EXPECTED)
    try:
        container = av.open(str(path))
    except (av.error.FFmpegError, OSError) as error:
        if path.suffix.casefold() in {".mp4", ".mov", ".m4v"}:
            found = "a file without its table of frames, or no video at all"
            hint = (
                "MP4 and MOV cannot be read when the recording was cut off; record to AVI or MKV."
            )
            raise FormatError(path, EXPECTED, found, hint) from error
        raise unreadable(path, EXPECTED, error) from error
    if not container.streams.video:
        container.close()
        raise FormatError(path, EXPECTED, "a file without pictures", HINT)
    stream = container.streams.video[0]
    # Never several frames at once: beside a damaged frame FFV1 would now and then
    # change the intact one before it. Measured, threads within a frame are as fast.
    stream.thread_type = "SLICE"
    stream.codec_context.thread_count = DECODER_THREADS
    return container


def numbered_frames(stream: Any, packets: Iterable[Any], first: int) -> NumberedFrames:
    """Decode packets; yield (packet number, frame) in the order of showing.

    Parameters
    ----------
    stream
        Video stream of the packets.
    packets
        From ``container.demux``. The frame of a packet that cannot be decoded
        does not come, nor do those that build on it, up to the next keyframe.
    first
        Number of the first packet.
    """
    import av

    number = first
    is_broken = False
    try:
        for packet in packets:
            if packet.size:
                # The decoder hands a packet's timestamp on to its frame.
                packet.pts = packet.dts = number
                number += 1
            elif packet.dts is not None:
                continue  # an empty AVI chunk, "show the last frame again"
            try:
                frames = stream.codec_context.decode(packet if packet.size else None)
            except av.error.EOFError:
                return
            except av.error.FFmpegError:
                is_broken = True
                continue
            for frame in frames:
                is_broken = is_broken and not frame.key_frame
                if frame.pts is not None and not is_broken:
                    yield frame.pts, frame
    except av.error.FFmpegError:
        return  # the container ends in garbage


def packets_of_avi_index(path: Path, stream: Any, claimed: int) -> Packets | None:
    """Packets by the index of an AVI, if it is whole; reads no frame data."""
    entries = list(getattr(stream, "index_entries", None) or ())
    if not entries or len(entries) != claimed:
        return None
    if entries[-1].pos + entries[-1].size > path.stat().st_size:
        return None
    entries = [entry for entry in entries if entry.size]
    times: list[int | None] = [int(entry.timestamp) for entry in entries]
    keyframe = [bool(entry.is_keyframe) for entry in entries]
    return Packets(times, times, keyframe, [True] * len(entries))


def packets_of_file(container: Any, stream: Any) -> Packets:
    """All packets of a stream, by a pass over the file; decodes nothing."""
    import av

    pts: list[int | None] = []
    dts: list[int | None] = []
    keyframe, shown = [], []
    damaged = False
    try:
        for packet in container.demux(stream):
            if not packet.size:
                continue
            pts.append(packet.pts)
            dts.append(packet.dts)
            keyframe.append(bool(packet.is_keyframe))
            shown.append(not packet.is_discard)
            damaged = damaged or bool(packet.is_corrupt)
    except av.error.FFmpegError:
        damaged = True
    return Packets(pts, dts, keyframe, shown, damaged)


def is_order(times: list[int | None]) -> bool:
    """Whether timestamps can put frames in order: all there, no two alike."""
    return None not in times and len(set(times)) == len(times)
