"""UCLA Miniscope folders: all videos, the right times, nothing of the webcam."""

import json

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_caltrig.formats import miniscope
from napari_caltrig.formats.timing import strictly_increasing
from napari_caltrig.recording import FormatError

PER_FILE, N = 10, 115
FRAMES = np.random.default_rng(0).integers(0, 255, (N, 16, 24)).astype(np.uint8)
TIMES = np.cumsum(np.random.default_rng(1).integers(47, 54, N)) - 64


def write_avi(path, frames):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=60)  # not the true rate, as so often
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:], "gray"
        for image in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="gray")))
        container.mux(stream.encode())


def write_times(device, numbers, times):
    rows = "".join(f"{n},{t},0\n" for n, t in zip(numbers, times, strict=True))
    (device / "timeStamps.csv").write_text("Frame Number,Time Stamp (ms),Buffer Index\n" + rows)


@pytest.fixture
def session(tmp_path):
    """A V4 session with a webcam that would be found first."""
    session = tmp_path / "mouse1" / "2024_01_02" / "11_20_30"
    device = session / "My_V4_Miniscope"
    webcam = session / "My_V4_Cam"
    for folder in (device, webcam):
        folder.mkdir(parents=True)
    (session / "metaData.json").write_text(json.dumps({"animalName": "mouse1", "cameras": [1]}))
    settings = {"deviceType": "Miniscope_V4_BNO", "frameRate": "20FPS", "framesPerFile": PER_FILE}
    (device / "metaData.json").write_text(json.dumps(settings))
    (webcam / "metaData.json").write_text(json.dumps({"deviceType": "WebCam-640x480"}))
    write_avi(webcam / "0.avi", np.zeros((5, 16, 24), np.uint8))
    for i in range(0, N, PER_FILE):
        write_avi(device / f"{i // PER_FILE}.avi", FRAMES[i : i + PER_FILE])
    write_times(device, range(N), TIMES)
    return session


@pytest.fixture
def device(session):
    return session / "My_V4_Miniscope"


@pytest.mark.parametrize("opened", ["session", "device"])
def test_videos_follow_each_other_in_the_order_of_recording(session, device, opened):
    """10.avi comes after 9.avi, and the webcam is left out."""
    path = session if opened == "session" else device
    assert miniscope.matches(path)
    recording = miniscope.read(path)
    np.testing.assert_array_equal(recording.movies["raw"].compute(), FRAMES)
    np.testing.assert_array_equal(recording.movies["raw"][95:105].compute(), FRAMES[95:105])
    assert recording.shape == (16, 24)
    assert recording.n_cells == 0
    assert not recording.unavailable


def test_times_are_those_of_the_software_also_below_zero(session):
    clock = miniscope.read(session).clock
    np.testing.assert_array_equal(clock.times_s, TIMES / 1000)
    assert clock.times_s[0] < 0
    assert clock.frame_rate == pytest.approx(1000 / np.median(np.diff(TIMES)))
    assert clock.source == "timeStamps.csv"


def test_settings_of_device_and_session_are_shown(device):
    metadata = miniscope.read(device).metadata
    assert metadata["frame_rate"] == 20
    assert metadata["animalName"] == "mouse1"
    assert metadata["deviceType"] == "Miniscope_V4_BNO"


@pytest.mark.parametrize(("value", "rate"), [("20FPS", 20), (30, 30), ("15.5", 15.5), ("?", None)])
def test_nominal_rate_serves_without_timestamps(device, value, rate):
    (device / "timeStamps.csv").unlink()
    (device / "metaData.json").write_text(json.dumps({"frameRate": value}))
    clock = miniscope.read(device).clock
    assert clock.times_s is None
    assert clock.frame_rate == pytest.approx(60 if rate is None else rate)
    assert ("0.avi" if rate is None else "metaData.json") in clock.source


def test_unsorted_and_double_rows_do_not_matter(device):
    order = np.random.default_rng(2).permutation(N)
    order = np.concatenate([order, order[:3]])
    write_times(device, order, TIMES[order])
    np.testing.assert_array_equal(miniscope.read(device).clock.times_s, TIMES / 1000)


def test_a_stamp_given_twice_is_interpolated_and_told(device):
    times = TIMES.copy()
    times[50] = times[49]
    write_times(device, range(N), times)
    recording = miniscope.read(device)
    assert recording.clock.times_s[[48, 51]] == pytest.approx(TIMES[[48, 51]] / 1000)
    assert np.abs(recording.clock.times_s - TIMES / 1000).max() < 0.06
    assert "1 time(s)" in recording.unavailable["timestamps"]


def test_counting_may_begin_at_one(device):
    write_times(device, range(1, N + 1), TIMES)
    np.testing.assert_array_equal(miniscope.read(device).clock.times_s, TIMES / 1000)


def test_rows_after_the_last_frame_are_left_out_and_told(device):
    later = TIMES[-1] + np.arange(1, 6) * 50
    write_times(device, range(N + 5), np.concatenate([TIMES, later]))
    recording = miniscope.read(device)
    np.testing.assert_array_equal(recording.clock.times_s, TIMES / 1000)
    assert f"{N + 5} rows for {N} frames" in recording.unavailable["timestamps"]


def test_one_missing_row_is_continued_and_told(device):
    write_times(device, range(N - 1), TIMES[:-1])
    recording = miniscope.read(device)
    np.testing.assert_array_equal(recording.clock.times_s[:-1], TIMES[:-1] / 1000)
    assert recording.clock.times_s[-1] == pytest.approx(TIMES[-1] / 1000, abs=0.01)
    assert f"{N - 1} rows for {N} frames" in recording.unavailable["timestamps"]


def test_many_missing_rows_leave_only_the_rate(device):
    write_times(device, range(60), TIMES[:60])
    recording = miniscope.read(device)
    assert recording.clock.times_s is None
    assert recording.clock.frame_rate == pytest.approx(1000 / np.median(np.diff(TIMES[:60])))
    assert "55 frames without" in recording.unavailable["timestamps"]


def test_a_missing_video_is_told_and_its_times_are_not_shifted(device):
    (device / "3.avi").unlink()
    recording = miniscope.read(device)
    assert recording.n_frames == N - PER_FILE
    assert "3.avi missing" in recording.unavailable["videos"]
    assert recording.clock.times_s is None
    assert recording.clock.frame_rate == pytest.approx(20, rel=0.05)


def test_a_last_video_that_was_cut_off_keeps_the_times_of_the_others(device):
    path = device / "10.avi"
    (device / "11.avi").unlink()
    with path.open("r+b") as file:
        file.truncate(int(path.stat().st_size * 0.7))
    recording = miniscope.read(device)
    n = recording.n_frames
    assert 100 < n < 110
    np.testing.assert_array_equal(recording.movies["raw"].compute(), FRAMES[:n])
    np.testing.assert_array_equal(recording.clock.times_s, TIMES[:n] / 1000)
    assert "10.avi" in " ".join(recording.unavailable)
    assert "timestamps" in recording.unavailable


@pytest.mark.parametrize(
    "content", ["", "Frame Number,Time Stamp (ms),Buffer Index\n", "a,b\n1,2\n"]
)
def test_useless_timestamps_do_not_keep_the_movie_closed(device, content):
    (device / "timeStamps.csv").write_text(content)
    recording = miniscope.read(device)
    assert recording.n_frames == N
    assert recording.clock.frame_rate == 20
    assert "timeStamps.csv" in recording.unavailable["timestamps"]


def test_broken_settings_do_not_keep_the_movie_closed(device):
    (device / "metaData.json").write_text("{")
    recording = miniscope.read(device)
    np.testing.assert_array_equal(recording.clock.times_s, TIMES / 1000)
    assert "metaData.json" in recording.unavailable


def test_a_video_of_another_size_is_named(device):
    write_avi(device / "4.avi", np.zeros((10, 18, 24), np.uint8))
    with pytest.raises(FormatError, match=r"4\.avi"):
        miniscope.read(device)


def test_folders_without_miniscope_videos_are_not_ours(session, device, tmp_path):
    for path in device.glob("*.avi"):
        path.unlink()
    assert not miniscope.matches(device)
    assert not miniscope.matches(tmp_path / "nothing")
    assert miniscope.find_device_folder(session) == device
    with pytest.raises(FormatError, match="Miniscope folder"):
        miniscope.read(device)


def test_a_session_of_webcams_has_no_miniscope(session, device):
    device.rename(session.parent / "elsewhere")
    assert miniscope.find_device_folder(session) is None
    assert not miniscope.matches(session)


def test_head_orientation_is_on_the_frames(device):
    """A steady turn about one axis, sampled at other times, with q and -q mixed."""
    at = np.arange(TIMES[0] - 20, TIMES[-1] + 40, 37.0)
    half = at / at[-1] * 3
    q = np.stack([np.cos(half), 0 * half, 0 * half, np.sin(half)], axis=1)
    q[::2] *= -1
    rows = "".join(
        f"{t:.0f},{a:.8f},{b:.8f},{c:.8f},{d:.8f}\n" for t, (a, b, c, d) in zip(at, q, strict=True)
    )
    (device / "headOrientation.csv").write_text("Time Stamp (ms),qw,qx,qy,qz\n" + rows)
    behaviour = miniscope.read(device).behaviour
    got = np.stack([behaviour.signals[name] for name in ("qw", "qx", "qy", "qz")], axis=1)
    wanted = TIMES / at[-1] * 3
    truth = np.stack([np.cos(wanted), 0 * wanted, 0 * wanted, np.sin(wanted)], axis=1)
    np.testing.assert_allclose(np.abs((got * truth).sum(axis=1)), 1, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(got, axis=1), 1)
    assert "headOrientation.csv" in behaviour.source


def test_v3_takes_the_rows_of_its_own_camera(tmp_path):
    """Two cameras in one timestamp.dat, 1-based, the first stamp junk."""
    n_behav = 30
    for i in range(0, N, 100):
        write_avi(tmp_path / f"msCam{i // 100 + 1}.avi", FRAMES[i : i + 100])
    write_avi(tmp_path / "behavCam1.avi", FRAMES[:n_behav])
    times = TIMES - TIMES[0]
    rows = [(1, i + 1, t) for i, t in enumerate(times)]
    rows += [(0, i + 1, i * 200 + 3) for i in range(n_behav)]
    rows.sort(key=lambda row: row[2])
    rows = [(c, n, 4294967295 if n == 1 else t) for c, n, t in rows]
    text = "".join(f"{c}\t{n}\t{t}\t1\n" for c, n, t in rows)
    (tmp_path / "timestamp.dat").write_text("camNum\tframeNum\tsysClock\tbuffer\n" + text)
    assert miniscope.matches(tmp_path)
    recording = miniscope.read(tmp_path)
    np.testing.assert_array_equal(recording.movies["raw"].compute(), FRAMES)
    np.testing.assert_array_equal(recording.clock.times_s[1:], times[1:] / 1000)
    assert recording.clock.times_s[0] < recording.clock.times_s[1]
    numbers, got = miniscope.read_times_ms(tmp_path)
    np.testing.assert_array_equal(numbers, np.arange(N))
    np.testing.assert_array_equal(got[1:], times[1:])


@given(st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), max_size=60))
def test_repaired_times_always_increase_and_good_ones_stay(times):
    repaired, n_replaced = strictly_increasing(times)
    assert repaired.size == len(times)
    if np.isfinite(repaired).all():
        kept = repaired == np.array(times)
        assert kept.sum() >= len(times) - n_replaced
        gaps = np.diff(repaired[kept])
        assert (gaps > 0).all()
    good = np.cumsum(np.ones(len(times)))
    unchanged, none = strictly_increasing(good)
    assert none == 0
    np.testing.assert_array_equal(unchanged, good)


def test_one_wild_stamp_costs_one_stamp():
    times = np.arange(100.0) * 50
    times[0], times[40] = 4e9, -7
    repaired, n_replaced = strictly_increasing(times)
    assert n_replaced == 2
    np.testing.assert_allclose(repaired, np.arange(100.0) * 50)


def test_real_timestamps_and_settings_are_read(shared_data):
    session = shared_data("minian", "session1")
    device = miniscope.find_device_folder(session)
    assert device.name == "My_V4_Miniscope"
    numbers, times = miniscope.read_times_ms(device)
    np.testing.assert_array_equal(numbers, np.arange(2000))
    assert times[0] == -17
    assert (np.diff(times) > 0).all()
    assert miniscope.read_metadata(device)["frame_rate"] == 20
