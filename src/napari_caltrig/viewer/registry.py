"""Recordings behind the layers of all viewers.

Layer metadata stays plain (it is saved and copied by napari), so it holds an
id only; the recording is looked up here. An id that has been forgotten is
opened again from its path.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Literal, TypedDict
from uuid import uuid4

if TYPE_CHECKING:
    from pathlib import Path

    from napari_caltrig.recording import Recording

Role = Literal[
    "movie", "summary", "footprints", "missed", "selection", "rois", "probability", "extra"
]

_MAX_KEPT = 16
_recordings: OrderedDict[str, Recording] = OrderedDict()
_curation_files: dict[str, str] = {}


class Tag(TypedDict, total=False):
    """What ``layer.metadata["caltrig"]`` holds."""

    dataset_id: str
    role: Role
    name: str
    path: str


def register(recording: Recording, curation_file: Path | None = None) -> str:
    """Keep a recording; returns its dataset_id."""
    dataset_id = uuid4().hex
    _recordings[dataset_id] = recording
    if curation_file is not None:
        _curation_files[dataset_id] = str(curation_file)
    while len(_recordings) > _MAX_KEPT:
        old, _ = _recordings.popitem(last=False)
        _curation_files.pop(old, None)
    return dataset_id


def recording_of(tag: Tag) -> Recording:
    """Recording of a layer's tag; opened anew when it was forgotten.

    Raises
    ------
    FormatError
        If it cannot be opened any more.
    """
    recording = _recordings.get(tag["dataset_id"])
    if recording is None:
        from napari_caltrig.opening import open_recording

        recording = open_recording(tag["path"])
        _recordings[tag["dataset_id"]] = recording
    return recording


def curation_file_of(tag: Tag) -> str | None:
    """The ``.caltrig`` file through which the recording was opened, if so."""
    return _curation_files.get(tag["dataset_id"])


def forget(dataset_id: str) -> None:
    """Let go of a recording whose layers are gone."""
    _recordings.pop(dataset_id, None)
    _curation_files.pop(dataset_id, None)


def tag_of(layer: Any) -> Tag | None:
    """The tag of a layer, None for a layer that is not ours."""
    tag = layer.metadata.get("caltrig")
    return tag if isinstance(tag, dict) and "dataset_id" in tag else None
