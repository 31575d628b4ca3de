"""Whatever a recording lacks, every format is written with what there is."""

from __future__ import annotations

import numpy as np
import pytest

from napari_caltrig import Behaviour, Clock, Footprints, Recording
from napari_caltrig.curation import Curation, MissedCell, SetMissedCell, SetStatus
from napari_caltrig.exports import TARGETS, Curated, ExportError, export


def one_cell(n_frames: int = 5, **changes) -> Recording:
    image = np.zeros((1, 7, 9))
    image[0, 2:5, 3:6] = 1
    values = np.linspace(1, 2, n_frames)[None]
    return Recording(
        name="a/b: mouse",
        path=changes.pop("path"),
        format="test",
        footprints=Footprints.from_dense(image, [3]),
        clock=Clock(n_frames, 10.0),
        traces={"C": values, "dff": values},
    ).replace(**changes)


VARIANTS = {
    "one cell": {},
    "one frame": {"n_frames": 1},
    "no traces": {"traces": {}},
    "raw alone": {"traces": {"raw": np.ones((1, 5))}},
    "nan": {"traces": {"C": np.full((1, 5), np.nan), "dff": np.full((1, 5), np.nan)}},
    "times": {"clock": Clock(5, times_s=np.array([-0.1, 0, 0.1, 0.3, 0.4]))},
    "no rate": {"clock": Clock(5)},
    "an empty event": {"behaviour": Behaviour({"RNF": np.zeros(0, np.int64)})},
    "an event in the last frame": {"behaviour": Behaviour({"RNF": np.array([4])})},
    "an empty footprint": {"footprints": Footprints(np.zeros((1, 63)), (7, 9), [3])},
}


@pytest.mark.parametrize("to", [t.name for t in TARGETS.values() if t.made_by is None])
@pytest.mark.parametrize("variant", VARIANTS)
def test_what_there_is_is_written_or_one_error_says_what_is_missing(tmp_path, to, variant):
    path = tmp_path / "r.hdf5"
    path.touch()
    recording = one_cell(path=path, **VARIANTS[variant])
    curation = SetMissedCell(MissedCell(4, [0, 1, 9], (7, 9))).apply(Curation.of(recording))
    target = TARGETS[to]
    out = tmp_path / ("out" + (target.endings[0] if target.endings else ""))
    curated = Curated(recording, curation)
    if variant == "no rate" and target.wants_clock:
        with pytest.raises(ExportError, match="frame rate"):
            export(curated, to, out)
        return
    assert export(curated, to, out).path.exists()


@pytest.mark.parametrize("to", ["csv", "nwb", "caltrig", "labels"])
def test_missed_cells_alone_are_exported(tmp_path, to):
    path = tmp_path / "movie.tif"
    path.touch()
    recording = one_cell(path=path, footprints=Footprints.empty((7, 9)), traces={})
    target = TARGETS[to]
    out = tmp_path / ("out" + (target.endings[0] if target.endings else ""))
    with pytest.raises(ExportError, match="no cells"):
        export(Curated.of(recording), to, out)
    cell = SetMissedCell(MissedCell(0, [0, 1, 9], (7, 9)))
    curated = Curated(recording, cell.apply(Curation.of(recording)))
    assert export(curated, to, out).path.exists()


def test_all_cells_rejected_are_still_exported(tmp_path):
    path = tmp_path / "r.hdf5"
    path.touch()
    recording = one_cell(path=path)
    curated = Curated(recording, SetStatus((3,), "rejected").apply(Curation.of(recording)))
    for to, name in (("csv", "t"), ("nwb", "x.nwb"), ("caltrig", "c"), ("labels", "l.tif")):
        assert export(curated, to, tmp_path / name).path.exists()
