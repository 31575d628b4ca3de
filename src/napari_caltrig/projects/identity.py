"""What a recording is, as one short text: to know it again, and to know what changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_caltrig.curation.fingerprint import fingerprint

if TYPE_CHECKING:
    from napari_caltrig.curation import Curation
    from napari_caltrig.recording import Behaviour, Recording

_DIGITS = 3  # as coarse as curations compare: another machine's rounding is no other recording


def digest_of(content: Any) -> str:
    """Return a digest of JSON values that does not depend on the order of keys."""
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def recording_digest(recording: Recording) -> str:
    """Return a digest of the content of a recording, wherever it lies.

    Sizes and ids exactly, footprints, traces or movie at some places; see
    `napari_caltrig.curation.fingerprint`.
    """
    return digest_of(_rounded(fingerprint(recording)))[:32]


def input_digest(recording: Recording) -> str:
    """Return a digest of all that analyses read: content, clock, and three frames of the movie."""
    clock, movie = recording.clock, recording.movie
    times = None if clock.times_s is None else hashlib.sha256(clock.times_s.tobytes()).hexdigest()
    content: dict[str, Any] = {
        "recording": recording_digest(recording),
        "traces": sorted(recording.traces),
        "frame_rate": clock.frame_rate,
        "times": times,
        "dff": dict(recording.metadata.get("dff", {})),
        "behaviour": behaviour_digest(recording.behaviour),
    }
    if movie is not None and len(movie):
        places = sorted({0, len(movie) // 2, len(movie) - 1})
        frames = [np.ascontiguousarray(movie[i]) for i in places]
        content["movie"] = [list(movie.shape), str(movie.dtype)]
        content["frames"] = [hashlib.sha256(f.tobytes()).hexdigest() for f in frames]
    return digest_of(content)[:32]


def curation_digest(curation: Curation | None) -> str:
    """Return a digest of what a person decided; of nothing where there is no curation."""
    if curation is None:
        return ""
    table = curation.transients.table()
    return digest_of(
        {
            "statuses": {u: list(s) for u, s in sorted(curation.statuses.items())},
            "missed": {u: hash_of_cell(c) for u, c in sorted(curation.missed_cells.items())},
            "transients": hashlib.sha256(table.to_csv().encode()).hexdigest(),
            "frame_rate": curation.frame_rate,
            "groups": {name: list(ids) for name, ids in sorted(curation.groups.items())},
            "behaviour": [repr(file) for file in curation.behaviour_files],
        }
    )[:32]


def behaviour_digest(behaviour: Behaviour) -> str:
    """Return a digest of events, bouts and signals."""
    parts = (behaviour.events, behaviour.bouts, behaviour.signals)
    return digest_of(
        [{k: hashlib.sha256(v.tobytes()).hexdigest() for k, v in p.items()} for p in parts]
    )[:32]


def hash_of_cell(cell: Any) -> str:
    """Return a digest of a missed cell."""
    weights = b"" if cell.weights is None else cell.weights.tobytes()
    facts = repr((cell.source, cell.parents, cell.mixture)).encode()
    return hashlib.sha256(cell.pixels.tobytes() + weights + facts).hexdigest()


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, _DIGITS) + 0.0  # no negative zero
    if isinstance(value, Mapping):
        return {k: _rounded(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(v) for v in value]
    return value
