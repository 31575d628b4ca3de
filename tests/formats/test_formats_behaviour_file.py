"""Any file of behaviour, brought onto the frames of a recording by its times."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_caltrig.formats.behaviour_file import read_behaviour_file, with_behaviour
from napari_caltrig.recording import Behaviour, BehaviourFile, Clock, FormatError

CLOCK = Clock(200, 20.0)  # ten seconds


def read(path, clock=CLOCK, **how):
    return read_behaviour_file(BehaviourFile(path, **how), clock)


def save(path, *lines):
    path.write_text("\n".join(lines) + "\n")
    return path


# Rows per frame -----------------------------------------------------------------------


def lever(frames, held=range(50, 100)):
    """A table in which a lever is held down, with the rows of some frames."""
    return ["Frame Number,lever", *(f"{i},{int(i in held)}" for i in frames)]


def test_lost_rows_do_not_make_two_events_of_one(tmp_path):
    found = read(save(tmp_path / "e.csv", *lever(i for i in range(200) if i not in (70, 71))))
    np.testing.assert_array_equal(found.events["lever"], [50])
    np.testing.assert_array_equal(found.bouts["lever"], [[50, 100]])


def test_empty_fields_are_zeros_where_only_events_are_written(tmp_path):
    rows = [f"{i},{1 if i in (50, 60, 150) else ''}" for i in range(200)]
    found = read(save(tmp_path / "e.csv", "Frame Number,lever", *rows))
    np.testing.assert_array_equal(found.events["lever"], [50, 60, 150])


def test_a_column_of_times_is_no_signal(tmp_path):
    rows = [f"{i / 20},{int(i == 50)}" for i in range(200)]
    found = read(save(tmp_path / "e.csv", "Time (s),lever", *rows))
    assert list(found.events) == ["lever"] and not found.signals


# Lists of events ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "factor"),
    [("Behavior,Start (s),Stop (s)", 1), ("Behavior,Start (ms),Stop (ms)", 1000)],
)
def test_bouts_with_a_name_are_placed_by_their_unit(tmp_path, header, factor):
    rows = [("rear", 1.0, 1.5), ("groom", 2.0, 4.0), ("rear", 9.0, 9.2)]
    lines = [f"{name},{a * factor:g},{b * factor:g}" for name, a, b in rows]
    found = read(save(tmp_path / "boris.csv", header, *lines))
    np.testing.assert_array_equal(found.events["rear"], [20, 180])
    np.testing.assert_array_equal(found.bouts["rear"], [[20, 30], [180, 184]])
    np.testing.assert_array_equal(found.bouts["groom"], [[40, 80]])


def test_durations_serve_as_ends(tmp_path):
    path = save(tmp_path / "e.csv", "event,onset,duration", "lever,3,0.5", "lever,6,0.25")
    np.testing.assert_array_equal(read(path).bouts["lever"], [[60, 70], [120, 125]])


def test_point_events_have_no_bouts(tmp_path):
    path = save(tmp_path / "e.csv", "event,time", "lick,0.5", "lick,0.9", "tone,5")
    found = read(path)
    np.testing.assert_array_equal(found.events["lick"], [10, 18])
    assert not found.bouts


def test_every_column_may_be_a_list_of_times(tmp_path):
    path = save(tmp_path / "e.csv", "lick (s),tone (s)", "0.5,1", "0.9,2", "1.3,", "2.0,")
    found = read(path)
    np.testing.assert_array_equal(found.events["lick"], [10, 18, 26, 40])
    np.testing.assert_array_equal(found.events["tone"], [20, 40])


def test_columns_of_starts_and_ends_are_bouts(tmp_path):
    path = save(tmp_path / "e.csv", "rear start,rear end,tone", "1,1.5,3", "4,4.5,")
    found = read(path)
    np.testing.assert_array_equal(found.bouts["rear"], [[20, 30], [80, 90]])
    np.testing.assert_array_equal(found.events["tone"], [60])


def test_every_column_has_its_own_unit(tmp_path):
    path = save(tmp_path / "e.csv", "lick (ms),tone (s)", "500,1", "900,2", "1300,", "2000,")
    found = read(path)
    np.testing.assert_array_equal(found.events["lick"], [10, 18, 26, 40])
    np.testing.assert_array_equal(found.events["tone"], [20, 40])
    assert "ms, s" in found.source


def test_an_end_before_its_start_is_refused(tmp_path):
    path = save(tmp_path / "e.csv", "event,start,stop", "rear,3,2")
    with pytest.raises(FormatError, match="from 3 to 2 s"):
        read(path)


@given(st.lists(st.integers(0, 199), min_size=1, max_size=20, unique=True))
def test_times_of_frames_come_back_as_these_frames(tmp_path_factory, frames):
    path = tmp_path_factory.mktemp("b") / "e.csv"
    save(path, "event,time (s)", *(f"a,{f / 20}" for f in frames))
    np.testing.assert_array_equal(read(path).events["a"], sorted(frames))


# Tables with times ------------------------------------------------------------------


def timed(path, rate=50.0, start=0.0, scale=1.0, header="Time (s),press,speed", n=500):
    times = start + np.arange(n) / rate
    pressed = ((times > 2) & (times < 2.5)).astype(int)
    rows = [f"{t * scale:.6f},{p},{t * 3:.6f}" for t, p in zip(times, pressed, strict=True)]
    return save(path, header, *rows)


@pytest.mark.parametrize(
    ("header", "scale"),
    [
        ("Time (s),press,speed", 1),
        ("Time Stamp (ms),press,speed", 1000),
        ("Time,press,speed", 1000),
    ],
)
def test_a_table_with_another_rate_is_placed_by_its_times(tmp_path, header, scale):
    found = read(timed(tmp_path / "b.csv", header=header, scale=scale))
    np.testing.assert_array_equal(found.events["press"], [40])
    first, after = found.bouts["press"][0]
    assert (first, after) in {(40, 50), (40, 51)}
    known = np.isfinite(found.signals["speed"])
    assert known.sum() > 195
    np.testing.assert_allclose(
        found.signals["speed"][known], 3 * np.arange(200)[known] / 20, atol=1e-6
    )


def test_an_offset_moves_everything(tmp_path):
    found = read(timed(tmp_path / "b.csv"), offset_s=1.0)
    np.testing.assert_array_equal(found.events["press"], [60])


def test_the_clock_of_the_recording_counts_not_its_nominal_rate(tmp_path):
    times = np.arange(200) / 20
    times[100:] += 3  # acquisition paused
    found = read(
        save(tmp_path / "e.csv", "event,time (s)", "a,4.95", "a,8.05"), Clock(200, times_s=times)
    )
    np.testing.assert_array_equal(found.events["a"], [99, 101])


def test_a_signal_is_unknown_across_a_gap(tmp_path):
    lines = [f"{t:.2f},{t}" for t in np.arange(0, 10, 0.02) if not 4 < t < 6]
    speed = read(save(tmp_path / "b.csv", "Time (s),speed", *lines)).signals["speed"]
    assert np.isnan(speed[85:115]).all()
    assert np.isfinite(speed[:80]).all()


def test_head_orientation_comes_as_a_unit_quaternion(tmp_path):
    angles = np.linspace(0, 1, 400)
    lines = [f"{i * 25},{np.cos(a):.6f},{np.sin(a):.6f},0,0" for i, a in enumerate(angles.tolist())]
    found = read(save(tmp_path / "headOrientation.csv", "Time Stamp (ms),qw,qx,qy,qz", *lines))
    norm = sum(found.signals[q] ** 2 for q in ("qw", "qx", "qy", "qz"))
    np.testing.assert_allclose(norm[np.isfinite(norm)], 1, atol=1e-9)


# What cannot be used ------------------------------------------------------------------


def test_unsorted_times_are_refused(tmp_path):
    rng = np.random.default_rng(0)
    lines = [f"{t:.3f},{i}" for i, t in enumerate(rng.uniform(0, 10, 400))]
    with pytest.raises(FormatError, match="out of order"):
        read(save(tmp_path / "b.csv", "Time (s),speed", *lines))


def test_missing_times_are_refused(tmp_path):
    with pytest.raises(FormatError, match="no column of times"):
        read(save(tmp_path / "b.csv", "speed,turn", *(f"{i % 7},{i % 5}" for i in range(500))))


def test_times_of_another_recording_are_refused(tmp_path):
    with pytest.raises(FormatError, match="within the recording"):
        read(save(tmp_path / "e.csv", "event,time (s)", "a,400", "a,500"))


def test_without_a_frame_rate_times_are_refused_and_rows_are_not(tmp_path):
    unknown = Clock(200)
    with pytest.raises(ValueError, match="frame rate is unknown"):
        read(save(tmp_path / "e.csv", "event,time (s)", "a,4"), unknown)
    lines = [f"{i},{int(i == 7)}" for i in range(200)]
    table = save(tmp_path / "b.csv", "Frame Number,lick", *lines)
    np.testing.assert_array_equal(read(table, unknown).events["lick"], [7])


def test_a_file_that_cannot_be_used_is_named_and_the_rest_is_there(tmp_path):
    good = save(tmp_path / "good.csv", "event,time", "a,1")
    files = (BehaviourFile(tmp_path / "gone.csv"), BehaviourFile(good))
    found = with_behaviour(Behaviour({"own": [3]}), files, CLOCK)
    assert set(found.events) == {"own", "a"}
    assert "not used: gone.csv" in found.source


# DeepLabCut --------------------------------------------------------------------------


def deeplabcut_file(path, n, individuals=False):
    parts = ["nose", "tail"]
    head = [["scorer", *["DLC_net"] * 6]]
    if individuals:
        head.append(["individuals", *["m1"] * 6])
    head += [
        ["bodyparts", *[p for p in parts for _ in range(3)]],
        ["coords", *["x", "y", "likelihood"] * 2],
    ]
    rows = [[i, i, 2 * i, 0.9, 5 * i, 1, 0.9 if i % 2 else 0.1] for i in range(n)]
    return save(path, *(",".join(map(str, row)) for row in head + rows))


def test_body_parts_are_signals_and_unlikely_points_are_unknown(tmp_path):
    found = read(deeplabcut_file(tmp_path / "videoDLC_net.csv", 200))
    np.testing.assert_array_equal(found.signals["nose y"], 2 * np.arange(200))
    assert np.isnan(found.signals["tail x"][::2]).all()
    assert found.signals["tail x"][3] == 15


def test_several_animals_are_told_apart(tmp_path):
    assert set(read(deeplabcut_file(tmp_path / "v.csv", 200, True)).signals) == {
        "m1 nose x",
        "m1 nose y",
        "m1 tail x",
        "m1 tail y",
    }


def test_body_parts_of_a_faster_video_are_placed_by_its_time_stamps(tmp_path):
    path = deeplabcut_file(tmp_path / "videoDLC_net.csv", 600)
    with pytest.raises(FormatError, match="no time stamps"):
        read(path)
    stamps = [f"{i},{i * 1000 / 60:.3f}" for i in range(600)]
    save(tmp_path / "video_timestamps.csv", "Frame Number,Time Stamp (ms)", *stamps)
    found = read(path)
    np.testing.assert_array_equal(found.signals["nose x"], 3 * np.arange(200))


# Videos --------------------------------------------------------------------------------


def video_file(path, n, rate=30):
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.width, stream.height, stream.pix_fmt = 32, 24, "yuv420p"
        for i in range(n):
            image = np.full((24, 32, 3), i % 200, np.uint8)
            for packet in stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


def test_a_video_is_shown_at_its_own_times(tmp_path):
    video = read(video_file(tmp_path / "cam.avi", 300)).videos["cam"]
    np.testing.assert_array_equal(video.frame_of, np.arange(200) * 3 // 2)
    assert video.frames.shape == (300, 24, 32)


def test_time_stamps_beside_a_video_outrank_its_rate(tmp_path):
    path = video_file(tmp_path / "cam.avi", 100)
    stamps = [f"{i},{2000 + i * 50}" for i in range(100)]
    save(tmp_path / "cam_timestamps.csv", "Frame Number,Time Stamp (ms)", *stamps)
    video = read(path).videos["cam"]
    assert (video.frame_of[:40] == -1).all()
    np.testing.assert_array_equal(video.frame_of[40:140], np.arange(100))
    assert (video.frame_of[142:] == -1).all()


def test_time_stamps_that_do_not_fit_a_video_are_refused(tmp_path):
    path = video_file(tmp_path / "cam.avi", 100)
    save(tmp_path / "cam_timestamps.csv", "Frame Number,Time Stamp (ms)", "0,0", "1,50")
    with pytest.raises(FormatError, match="100 frames"):
        read(path)


def test_a_zarr_video_without_times_is_stretched_and_says_so(tmp_path):
    import zarr

    movie = np.zeros((50, 8, 9), np.uint8)
    zarr.save_array(str(tmp_path / "behavior_video.zarr"), movie)
    found = read(tmp_path / "behavior_video.zarr")
    video = found.videos["behavior_video"]
    np.testing.assert_array_equal(video.frame_of, np.arange(200) // 4)
    assert "stretched" in video.source
