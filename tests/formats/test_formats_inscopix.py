"""Inscopix exports, as IDPS lays them out."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from napari_caltrig import FormatError, open_recording
from napari_caltrig.formats import find_format, inscopix

SHAPE, N_FRAMES = (24, 32), 60
NAMES = ["C00", "C01", "C02", "C07", "C10"]
STATUSES = ["accepted", "undecided", "rejected", "accepted", "accepted"]


def footprint(i):
    image = np.zeros(SHAPE, np.float32)
    image[2 + 3 * i : 7 + 3 * i, 4 + 4 * i : 10 + 4 * i] = 0.5 + 0.1 * i
    return image


@pytest.fixture
def values():
    return np.random.default_rng(0).normal(size=(N_FRAMES, len(NAMES)))


@pytest.fixture
def export(tmp_path, values):
    folder = tmp_path / "cellset"
    folder.mkdir()
    write_traces(folder / "traces.csv", values)
    for i, name in enumerate(NAMES):
        tifffile.imwrite(folder / f"recording_{name}.tif", footprint(i))
    props = ["Name, Status, ColorR, ColorG, ColorB, CentroidX, CentroidY, NumComponents, Size"]
    props += [f"{n}, accepted, 1, 1, 1, 10, 10, {i + 1}, {20 + i}" for i, n in enumerate(NAMES)]
    (folder / "traces-props.csv").write_text("\n".join(props) + "\n")
    return folder


def write_traces(path, values, start=-0.05):
    rows = [" , " + ", ".join(NAMES), "Time(s)/Cell Status, " + ", ".join(STATUSES)]
    for t, row in enumerate(values):
        cells = ["" if np.isnan(v) else f"{v:.9g}" for v in row]
        rows.append(", ".join([f"{start + 0.1 * t:.6f}", *cells]))
    path.write_text("\n".join(rows) + "\n")


def test_the_table_and_its_folder_are_the_same_recording(export, values):
    for path in (export, export / "traces.csv"):
        assert find_format(path) is inscopix
        recording = open_recording(path)
        assert recording.unit_ids.tolist() == [0, 1, 2, 7, 10]
        assert (recording.shape, recording.n_frames) == (SHAPE, N_FRAMES)
        np.testing.assert_allclose(recording.traces["raw"], values.T, rtol=1e-8)
        for i, row in enumerate(recording.footprints.to_csr().toarray()):
            np.testing.assert_allclose(row.reshape(SHAPE), footprint(i))
        assert recording.clock.frame_rate == pytest.approx(10)
        assert recording.clock.times_s[0] == pytest.approx(-0.05)
        assert {u: s.status for u, s in recording.pipeline_status.items()} == {
            0: "accepted",
            2: "rejected",
            7: "accepted",
            10: "accepted",
        }
        assert recording.quality["components"].tolist() == [1, 2, 3, 4, 5]


def test_dropped_frames_are_nan(export, values):
    values[5, 2] = np.nan
    write_traces(export / "traces.csv", values)
    trace = open_recording(export).trace("raw", 2)
    assert np.isnan(trace[5]) and np.isfinite(np.delete(trace, 5)).all()


def test_a_cell_without_footprint_is_left_out_and_named(export):
    (export / "recording_C07.tif").unlink()
    recording = open_recording(export)
    assert recording.unit_ids.tolist() == [0, 1, 2, 10]
    assert "C07" in recording.unavailable["cells without footprint"]


def test_footprints_in_a_folder_below_are_found(export):
    below = export / "footprints"
    below.mkdir()
    for file in export.glob("*.tif"):
        file.rename(below / file.name)
    assert open_recording(export).n_cells == 5


def test_without_footprints_it_says_what_to_export(export):
    for file in export.glob("*.tif"):
        file.unlink()
    with pytest.raises(FormatError, match="export the cell set as TIFF"):
        open_recording(export)


def test_two_tables_need_a_choice(export, values):
    write_traces(export / "more.csv", values)
    with pytest.raises(FormatError, match=r"more\.csv, traces\.csv"):
        open_recording(export)


def test_other_tables_are_none(tmp_path):
    (tmp_path / "behavior.csv").write_text("Frame Number,Time Stamp (ms),RNF\n0,0,1\n")
    assert not inscopix.matches(tmp_path)
    assert not inscopix.matches(tmp_path / "behavior.csv")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda f: (f / "recording_C01.tif").write_bytes(b"II*\x00broken"), "footprint"),
        (lambda f: tifffile.imwrite(f / "recording_C01.tif", np.zeros((9, 9))), "as the others"),
        (
            lambda f: (f / "traces.csv").write_text(" , C00, C01\nTime(s)/Cell Status, a\n1, 2\n"),
            "2 names",
        ),
        (lambda f: (f / "traces.csv").write_text(" , C00\nTime(s)/Cell Status, a\n1, x\n"), "CSV"),
        (lambda f: (f / "traces.csv").write_text(" , C00\nTime(s)/Cell Status, a\n"), "CSV"),
        (
            lambda f: (f / "traces.csv").write_text(" , C00\nTime(s)/Cell Status, a\n1, 2, 3\n"),
            "3 columns",
        ),
    ],
)
def test_damage_is_one_error(export, damage, said):
    damage(export)
    with pytest.raises(FormatError, match=said):
        open_recording(export)
