"""Fixtures of the curation tests."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from curation_helpers import make_recording

from napari_caltrig.curation import CurationStore
from napari_caltrig.recording import Recording


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    return make_recording(tmp_path / "data" / "session1")


@pytest.fixture
def store(recording: Recording) -> Iterator[CurationStore]:
    with CurationStore.for_recording(recording) as opened:
        yield opened
