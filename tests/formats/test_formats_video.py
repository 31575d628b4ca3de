"""Video files: every frame, the right frame, from everywhere."""

import pickle
import shutil
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_caltrig.formats.movies import open_movie, read
from napari_caltrig.recording import FormatError

RATE = 20
N = 130  # two chunks and a bit


def moving(n=N, shape=(48, 64), dtype=np.uint8):
    """A travelling wave below the number of each frame in black and white bars."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    top = np.iinfo(dtype).max
    waves = [top * (0.5 + 0.4 * np.sin((x + 2 * i) / 7) * np.cos(y / 9)) for i in range(n)]
    movie = np.stack(waves).astype(dtype)
    bits = (np.arange(n)[:, None] >> np.arange(8)) & 1
    movie[:, :8] = (np.repeat(bits, shape[1] // 8, axis=1) * top)[:, None, :]
    return movie


def write(path, frames, codec, pix_fmt, given_as="gray", pts=None, **options):
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=RATE, options=options)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = pix_fmt
        if pts is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for i, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(image, format=given_as)
            if pts is not None:
                frame.pts, frame.time_base = int(pts[i]), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def counters(frames):
    """Frame numbers read back from the bars, which survive any codec."""
    bars = frames[:, 2:6].reshape(len(frames), 4, 8, -1).mean(axis=(1, 3)) > 127
    return bars @ (1 << np.arange(8))


LOSSLESS = [
    ("gray.avi", "ffv1", "gray", np.uint8),
    ("raw.avi", "rawvideo", "gray", np.uint8),
    ("colour.avi", "ffv1", "bgr0", np.uint8),
    ("gray.mkv", "ffv1", "gray", np.uint8),
    ("gray16.mkv", "ffv1", "gray16le", np.uint16),
    ("gray10.mkv", "ffv1", "gray10le", np.uint16),
]


@pytest.mark.parametrize(("name", "codec", "pix_fmt", "dtype"), LOSSLESS)
def test_lossless_frames_come_back_exactly(tmp_path, name, codec, pix_fmt, dtype):
    frames = moving(dtype=dtype)
    given_as = "gray"
    if dtype == np.uint16:
        frames, given_as = (frames >> 6, "gray10le") if "10" in pix_fmt else (frames, "gray16le")
    movie = open_movie(write(tmp_path / name, frames, codec, pix_fmt, given_as))
    assert movie.dtype == dtype
    np.testing.assert_array_equal(movie.compute(), frames)


B_FRAMES = {"x264-params": "bframes=3:b-adapt=0:keyint=30:scenecut=0"}
OPEN_GOP = {"x264-params": "bframes=3:b-adapt=0:keyint=24:open-gop=1:scenecut=0"}
LOSSY = [
    ("b.mp4", "libx264", "yuv420p", B_FRAMES),
    ("open.mp4", "libx264", "yuv420p", OPEN_GOP),
    ("open.mkv", "libx264", "yuv420p", OPEN_GOP),
    ("b.mov", "libx264", "yuv420p", B_FRAMES),
    ("b.avi", "libx264", "yuv420p", B_FRAMES),  # AVI has no timestamps: its order lies
    ("long.mp4", "libx264", "yuv420p", {}),  # one keyframe at the start
    ("gray.mp4", "libx264", "gray", B_FRAMES),
    ("b4.avi", "mpeg4", "yuv420p", {"bf": "2", "g": "25", "q": "2"}),
    ("b4.mp4", "mpeg4", "yuv420p", {"bf": "2", "g": "25", "q": "2"}),
    ("jpeg.avi", "mjpeg", "yuvj420p", {"q": "2"}),
]


@pytest.mark.parametrize(("name", "codec", "pix_fmt", "options"), LOSSY)
def test_every_frame_is_found_at_its_place(tmp_path, name, codec, pix_fmt, options):
    """Sequential, random and threaded access give the same frames, in order."""
    movie = open_movie(write(tmp_path / name, moving(), codec, pix_fmt, **options))
    assert movie.shape == (N, 48, 64)
    frames = movie.compute(scheduler="sync")
    np.testing.assert_array_equal(counters(frames), np.arange(N))
    for i in np.random.default_rng(0).permutation(N)[:25]:
        np.testing.assert_array_equal(movie[int(i)].compute(scheduler="sync"), frames[i])
    np.testing.assert_array_equal(movie.compute(scheduler="threads"), frames)


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    path = tmp_path_factory.mktemp("film") / "b.mp4"
    movie = open_movie(write(path, moving(), "libx264", "yuv420p", **B_FRAMES))
    return movie, movie.compute()


@given(
    wanted=st.slices(N),
    rows=st.sampled_from([slice(None), slice(5, 20), slice(None, None, -2), 3]),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_slice_equals_the_slice_of_all_frames(film, wanted, rows):
    movie, frames = film
    key = (wanted, rows)
    np.testing.assert_array_equal(movie[key].compute(), frames[key])


def test_lists_of_frames_and_pixels_are_taken_each_on_its_axis(film):
    movie, frames = film
    np.testing.assert_array_equal(movie[[99, 3, 3, 64]].compute(), frames[[99, 3, 3, 64]])
    np.testing.assert_array_equal(movie[7:9, :, [5, 2]].compute(), frames[7:9, :, [5, 2]])


def test_many_threads_read_one_file(film):
    movie, frames = film
    wanted = np.random.default_rng(1).integers(0, N, 60).tolist()
    with ThreadPoolExecutor(6) as pool:
        got = list(pool.map(lambda i: movie[i].compute(scheduler="sync"), wanted))
    np.testing.assert_array_equal(np.stack(got), frames[wanted])


def test_one_frame_does_not_cost_its_chunk(tmp_path, monkeypatch):
    """A slice reaches the decoder; playing goes on without a new seek."""
    from napari_caltrig.formats import video_decode

    movie = open_movie(write(tmp_path / "m.mp4", moving(), "libx264", "yuv420p"))
    converted, seeks = [], []
    to_gray, frames_from = video_decode.to_gray, video_decode.frames_from
    monkeypatch.setattr(
        video_decode, "to_gray", lambda frame: converted.append(frame) or to_gray(frame)
    )
    monkeypatch.setattr(
        video_decode, "frames_from", lambda *args: seeks.append(args) or frames_from(*args)
    )
    for i in range(40, 90):
        movie[i].compute(scheduler="sync")
    assert len(converted) == 50
    assert len(seeks) <= 1


def test_a_movie_travels_to_another_process(film):
    movie, frames = film
    copy = pickle.loads(pickle.dumps(movie))
    np.testing.assert_array_equal(copy[70].compute(), frames[70])


def test_colour_becomes_luma_and_grey_stays_exact(tmp_path):
    rng = np.random.default_rng(0)
    colour = rng.integers(0, 256, (3, 16, 32, 3)).astype(np.uint8)
    colour[1] = colour[1, ..., :1]  # R = G = B
    path = write(tmp_path / "c.avi", colour, "ffv1", "bgr0", "rgb24")
    got = open_movie(path).compute()
    luma = colour @ np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(got, luma, atol=0.5001)
    np.testing.assert_array_equal(got[1], colour[1, ..., 0])


def test_television_range_is_stretched_to_full_range(tmp_path):
    """Luma 16 is black and 235 is white (ITU-R BT.601)."""
    planes = np.full((2, 16 * 3 // 2, 32), 128, np.uint8)
    planes[0, :16], planes[1, :16] = 16, 235
    path = tmp_path / "tv.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = 32, 16, "yuv420p"
        for image in planes:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="yuv420p")))
        container.mux(stream.encode())
    got = open_movie(path).compute()
    assert (got[0] == 0).all()
    assert (got[1] == 255).all()


def test_rate_is_the_one_of_the_file(tmp_path):
    recording = read(write(tmp_path / "m.mkv", moving(40), "ffv1", "gray"))
    assert recording.clock.frame_rate == pytest.approx(RATE, rel=1e-6)
    assert recording.clock.times_s is None
    assert "m.mkv" in recording.clock.source
    assert recording.n_cells == 0
    assert recording.movies["raw"].shape == (40, 48, 64)


def test_uneven_times_are_kept(tmp_path):
    pts = np.cumsum(np.random.default_rng(0).integers(20, 90, 40))
    path = write(tmp_path / "vfr.mkv", moving(40), "ffv1", "gray", pts=pts)
    times = read(path).clock.times_s
    np.testing.assert_allclose(np.diff(times), np.diff(pts) / 1000, atol=2e-3)


CUT = [
    ("cut.avi", "ffv1", "gray"),
    ("cut_raw.avi", "rawvideo", "gray"),
    ("cut.mkv", "ffv1", "gray"),
    ("cut_h264.avi", "libx264", "yuv420p"),
]


@pytest.mark.parametrize(("name", "codec", "pix_fmt"), CUT)
def test_a_cut_off_recording_opens_as_far_as_it_decodes_and_says_so(tmp_path, name, codec, pix_fmt):
    frames = moving()
    path = write(tmp_path / name, frames, codec, pix_fmt)
    whole = open_movie(path).compute()
    with path.open("r+b") as file:
        file.truncate(int(path.stat().st_size * 0.6))
    recording = read(path)
    movie = recording.movies["raw"]
    assert 0.3 * N < movie.shape[0] < N
    np.testing.assert_array_equal(movie.compute(), whole[: movie.shape[0]])
    told = " ".join(recording.unavailable.values())
    assert str(movie.shape[0]) in told
    assert "can be decoded" in told


def test_damaged_frames_are_an_error_until_the_next_keyframe(tmp_path):
    path = write(tmp_path / "m.avi", moving(), "ffv1", "gray", g="12")
    good = open_movie(path).compute()
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
        at, size = packets[62].pos, packets[62].size
    with path.open("r+b") as file:
        file.seek(at + 8)
        file.write(b"\xff" * (size - 16))
    movie = open_movie(path)
    assert movie.shape[0] == N
    for i in (59, 61, 72, 129):
        np.testing.assert_array_equal(movie[i].compute(), good[i])
    for i in (62, 63, 71):
        with pytest.raises(FormatError, match=f"frame {i} of 130 damaged"):
            movie[i].compute()


@pytest.mark.parametrize("name", ["m.mp4", "m.avi"])
@pytest.mark.parametrize("content", [b"", b"no video at all" * 40, None])
def test_what_is_no_video_is_one_clear_error(tmp_path, name, content):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(FormatError) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert caught.value.hint


def test_an_mp4_that_was_cut_off_says_why_it_cannot_be_read(tmp_path):
    path = write(tmp_path / "m.mp4", moving(40), "libx264", "yuv420p")
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    with pytest.raises(FormatError, match="table of frames"):
        read(path)


def test_sound_alone_is_no_movie(tmp_path):
    path = tmp_path / "sound.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        samples.sample_rate = 8000
        container.mux(stream.encode(samples))
        container.mux(stream.encode())
    with pytest.raises(FormatError, match="without pictures"):
        read(path)


def test_files_can_be_moved_once_their_movie_is_gone(tmp_path):
    import gc

    path = write(tmp_path / "m.mp4", moving(40), "libx264", "yuv420p")
    movie = open_movie(path)
    movie[3].compute()
    del movie
    gc.collect()
    shutil.move(path, tmp_path / "moved.mp4")
    from napari_caltrig.formats import video_decode

    assert not any(c.container.name == str(path) for _, c in video_decode._idle._cursors)
