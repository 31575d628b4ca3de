"""Traces that are cut off at zero, as Minian's raw traces are."""

import numpy as np
import pytest

from napari_caltrig import detect_transients, open_recording
from napari_caltrig.transients import noise_level


@pytest.mark.parametrize("cut", [-5.0, -0.5, 0.0])
def test_cutting_a_trace_off_hardly_changes_its_noise(cut):
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 1, (4, 20_000))
    np.testing.assert_allclose(noise_level(np.maximum(noise, cut)), 1, rtol=0.4)


def test_whole_numbers_keep_their_noise():
    rng = np.random.default_rng(0)
    counts = np.rint(rng.normal(100, 2, (3, 20_000)))
    np.testing.assert_allclose(noise_level(counts), 2, rtol=0.3)


def test_a_constant_trace_has_no_noise():
    assert noise_level(np.ones((2, 100))).tolist() == [0, 0]


@pytest.mark.parametrize("with_c", [True, False])
def test_a_genuine_minian_session_is_not_flooded_with_transients(shared_data, with_c):
    """Against the truth of the simulated movie that Minian analysed."""
    path = shared_data("minian", "session1")
    recording = open_recording(path)
    with np.load(path / "ground_truth.npz") as stored:
        a, s = stored["A"].reshape(48, -1), stored["S"]
    found = recording.footprints.to_csr()
    norms = np.sqrt(found.multiply(found).sum(axis=1)).reshape(-1, 1)
    cosine = (found @ a.T) / norms / np.linalg.norm(a, axis=1)
    cells = np.flatnonzero(cosine.max(axis=1) > 0.8)
    dff, c = (np.asarray(recording.traces[name][cells]) for name in ("dff", "C"))
    table = detect_transients(dff, 20.0, c=c if with_c else None, unit_ids=cells)
    hits = false = missed = 0
    for unit_id in cells:
        frames = np.flatnonzero(s[cosine[unit_id].argmax()])
        truth = frames[np.diff(frames, prepend=-99) > 4]
        onsets = table.loc[table["unit_id"] == unit_id, "onset"].to_numpy()
        near = np.abs(onsets[:, None] + 1 - truth) <= 4
        hits += near.any(axis=0).sum()
        missed += (~near.any(axis=0)).sum()
        false += (~near.any(axis=1)).sum()
    assert len(cells) > 30
    assert hits / (hits + missed) > 0.9
    assert hits / (hits + false) > 0.85
