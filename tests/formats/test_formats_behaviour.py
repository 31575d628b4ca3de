"""Behaviour tables: events where they happen, signals on the frames."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_caltrig.formats.behaviour import (
    find_behaviour,
    find_behaviour_file,
    read_behaviour,
    read_frame_times_s,
)
from napari_caltrig.recording import FormatError

N = 200
HEADER = "Frame Number,Time Stamp (ms),RNF,ALP,ILP,ALP_Timeout,speed"


def write(path, n=N, header=HEADER, start=0, alp=(5, 6, 7, 30, 199), **format_):
    separator = format_.get("separator", ",")
    pressed = set(alp)
    rows = [(i + start, i * 50 + 3, int(i == 31), int(i in pressed), 0, 0, i / 4) for i in range(n)]
    lines = [header, *(",".join(str(v) for v in row) for row in rows)]
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "\n".join(lines)
    if separator == ";":
        text = text.replace(".", "§").replace(",", ";").replace("§", ",")
    path.write_text(text, encoding=format_.get("encoding", "utf-8"))
    return path


def test_an_event_is_where_the_column_rises_to_one(tmp_path):
    behaviour = read_behaviour(write(tmp_path / "behavior.csv"), N)
    np.testing.assert_array_equal(behaviour.events["ALP"], [5, 30, 199])
    np.testing.assert_array_equal(behaviour.events["RNF"], [31])
    assert behaviour.events["ILP"].size == 0
    np.testing.assert_array_equal(behaviour.signals["speed"], np.arange(N) / 4)
    assert set(behaviour.events) == {"RNF", "ALP", "ILP", "ALP_Timeout"}
    assert set(behaviour.signals) == {"speed"}
    assert behaviour.source == "behavior.csv"


@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_every_run_of_ones_is_one_event(tmp_path_factory, on):
    path = tmp_path_factory.mktemp("b") / "behavior.csv"
    rows = "".join(f"{i},{int(v)}\n" for i, v in enumerate(on))
    path.write_text("Frame Number,ALP\n" + rows)
    events = read_behaviour(path, len(on)).events["ALP"]
    runs = "".join("1" if v else " " for v in on).split()
    assert len(events) == len(runs)
    assert all(on[i] and (i == 0 or not on[i - 1]) for i in events)


@pytest.mark.parametrize(
    "name", ["behavior.csv", "Behaviour.CSV", "m1_behav_day2.csv", "My_WebCam/behavior.csv"]
)
def test_the_table_is_found_in_the_session_or_one_below(tmp_path, name):
    path = write(tmp_path / name)
    (tmp_path / "other").mkdir()
    assert find_behaviour_file(tmp_path) == path
    assert find_behaviour(tmp_path, N).events["ALP"].size == 3


def test_the_plain_name_goes_before_others_and_tracking_is_no_table(tmp_path):
    tracked = tmp_path / "behavCam1DLC_resnet50.csv"
    tracked.write_text("scorer,DLC,DLC\nbodyparts,nose,nose\ncoords,x,y\n0,1,2\n")
    assert find_behaviour(tmp_path, N) is None
    write(tmp_path / "a_behav.csv")
    plain = write(tmp_path / "deep" / "behavior.csv")
    assert find_behaviour_file(tmp_path) == plain


def test_a_session_without_behaviour_has_none(tmp_path):
    assert find_behaviour(tmp_path, N) is None
    assert find_behaviour(tmp_path / "missing", N) is None


@pytest.mark.parametrize("start", [0, 1, 5000])
def test_with_a_row_per_frame_the_numbering_does_not_matter(tmp_path, start):
    behaviour = read_behaviour(write(tmp_path / "behavior.csv", start=start), N)
    np.testing.assert_array_equal(behaviour.events["ALP"], [5, 30, 199])


@pytest.mark.parametrize("n_rows", [N - 2, N + 2])
def test_a_few_rows_more_or_less_are_told(tmp_path, n_rows):
    write(tmp_path / "behavior.csv", n=n_rows)
    behaviour = find_behaviour(tmp_path, N)
    assert f"{n_rows} rows for {N} frames" in behaviour.source
    assert set(behaviour.events["ALP"]) == {5, 30, 199} & set(range(n_rows))
    assert behaviour.signals["speed"].size == N
    assert np.isnan(behaviour.signals["speed"]).sum() == max(0, N - n_rows)


@pytest.mark.parametrize("n_rows", [100, 400])
def test_a_table_of_another_length_is_refused(tmp_path, n_rows):
    write(tmp_path / "behavior.csv", n=n_rows)
    with pytest.raises(FormatError, match=f"{n_rows} rows"):
        find_behaviour(tmp_path, N)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "latin-1"])
@pytest.mark.parametrize("separator", [",", ";"])
def test_spreadsheets_may_write_it(tmp_path, encoding, separator):
    path = write(tmp_path / "behavior.csv", encoding=encoding, separator=separator)
    behaviour = read_behaviour(path, N)
    np.testing.assert_array_equal(behaviour.events["ALP"], [5, 30, 199])
    np.testing.assert_array_equal(behaviour.signals["speed"], np.arange(N) / 4)


def test_columns_of_words_are_told_and_truth_values_are_events(tmp_path):
    rows = "".join(f"{i},{i == 4},left\n" for i in range(10))
    (tmp_path / "behavior.csv").write_text("Frame Number,lick,arm\n" + rows)
    behaviour = find_behaviour(tmp_path, 10)
    np.testing.assert_array_equal(behaviour.events["lick"], [4])
    assert "arm" in behaviour.source
    assert not behaviour.signals


def test_times_of_the_table_make_a_clock(tmp_path):
    path = write(tmp_path / "behavior.csv")
    np.testing.assert_allclose(read_frame_times_s(path), (np.arange(N) * 50 + 3) / 1000)
    (tmp_path / "none.csv").write_text("Frame Number,ALP\n0,1\n1,0\n")
    assert read_frame_times_s(tmp_path / "none.csv") is None


@pytest.mark.parametrize("content", ["", "Frame Number,ALP\n", 'Frame Number,ALP\n1,2,3,4\n1\n"x'])
def test_a_broken_table_is_one_clear_error(tmp_path, content):
    path = tmp_path / "behavior.csv"
    path.write_text(content)
    with pytest.raises(FormatError, match=r"behavior\.csv"):
        read_behaviour(path, N)


def test_real_head_orientation_fits_the_recording(shared_data):
    behaviour = find_behaviour(shared_data("minian", "session1"), 2000)
    q = np.stack([behaviour.signals[name] for name in ("qw", "qx", "qy", "qz")])
    assert q.shape == (4, 2000)
    np.testing.assert_allclose(np.linalg.norm(q, axis=0), 1)
    assert q[0, 0] == pytest.approx(0.9997, abs=1e-3)
