"""Population analysis against known truth, brute force, and its own null."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_caltrig.measures.population import (
    Onsets,
    coactivity,
    distance_test,
    event_windows,
    peri_event,
)
from napari_caltrig.measures.population.nulls import shuffled
from napari_caltrig.measures.population.pairs import pair_counts
from napari_caltrig.measures.population.responses import onset_rate
from napari_caltrig.measures.population.significance import Tally, false_discovery
from napari_caltrig.recording import Clock

RATE = 20.0
N_FRAMES = 6000


def onsets_of(frames_by_cell, n_frames=N_FRAMES):
    rows = [(u, f, 1.0) for u, frames in frames_by_cell.items() for f in frames]
    table = pd.DataFrame(rows, columns=["unit_id", "onset", "amplitude"])
    return Onsets.of(table, Clock(n_frames, RATE), frames_by_cell)


def independent(rng, n_cells=12, n_events=40):
    return {
        u: np.sort(rng.choice(N_FRAMES, n_events, replace=False)).tolist() for u in range(n_cells)
    }


some_onsets = st.lists(
    st.lists(st.integers(0, 299), max_size=15, unique=True), min_size=1, max_size=5
).map(lambda cells: onsets_of(dict(enumerate(cells)), n_frames=300))


# Counting ------------------------------------------------------------------------


@given(some_onsets, st.integers(-40, 20), st.integers(0, 40))
@settings(max_examples=60, deadline=None)
def test_pairs_are_counted_as_a_plain_loop_counts_them(onsets, low, width):
    low_s, high_s = low / RATE, (low + width) / RATE
    n = len(onsets.unit_ids)
    expected = np.zeros((n, n), int)
    for a, t in zip(onsets.rows, onsets.times_s, strict=True):
        for b in range(n):
            gap = onsets.times_s[onsets.rows == b] - t
            near = (gap >= low_s - 1e-6) & (gap <= high_s + 1e-6)
            expected[a, b] += a != b and near.any()
    np.testing.assert_array_equal(pair_counts(onsets, low_s, high_s), expected)


def test_large_counts_do_not_depend_on_how_the_work_is_cut(monkeypatch):
    from napari_caltrig.measures.population import pairs

    onsets = onsets_of(independent(np.random.default_rng(0), 20))
    whole = pair_counts(onsets, -1, 1)
    monkeypatch.setattr(pairs, "_CHUNK", 7)
    np.testing.assert_array_equal(pair_counts(onsets, -1, 1), whole)


def test_a_leader_and_its_follower_are_found_in_the_right_direction():
    rng = np.random.default_rng(1)
    cells = independent(rng)
    cells[1] = [f + 5 for f in cells[0]]
    found = coactivity(onsets_of(cells), window_s=0.5, direction="forward", n_shuffles=400)
    pairs = found.pairs.set_index(["unit_id_a", "unit_id_b"])
    assert pairs.loc[(0, 1), "fraction"] == 1
    assert pairs["p"].idxmin() == (0, 1)
    assert pairs.loc[(1, 0), "p"] > 0.05
    back = coactivity(onsets_of(cells), window_s=0.5, direction="backward", n_shuffles=400)
    assert back.pairs.set_index(["unit_id_a", "unit_id_b"])["p"].idxmin() == (1, 0)


def test_the_same_seed_gives_the_same_result():
    onsets = onsets_of(independent(np.random.default_rng(2)))
    first, again, other = (coactivity(onsets, n_shuffles=50, seed=s) for s in (3, 3, 4))
    pd.testing.assert_frame_equal(first.pairs, again.pairs)
    assert not first.pairs["expected"].equals(other.pairs["expected"])


@pytest.mark.parametrize("null", ["circular", "intervals"])
def test_independent_cells_look_independent(null):
    """p-values of pairs that share nothing are uniform, and few survive the correction."""
    onsets = onsets_of(independent(np.random.default_rng(5), 20))
    found = coactivity(onsets, window_s=0.5, null=null, n_shuffles=300)
    assert 0.35 < found.pairs["p"].mean() < 0.68
    assert (found.pairs["p"] < 0.05).mean() < 0.12
    assert (found.pairs["p_fdr"] < 0.05).sum() == 0
    assert abs(found.total["z"]) < 3.5


def test_silent_cells_and_single_cells_have_no_p_value():
    found = coactivity(onsets_of({1: [10, 50], 2: [], 3: [12, 90]}), n_shuffles=20)
    pairs = found.pairs.set_index(["unit_id_a", "unit_id_b"])
    assert np.isnan(pairs.loc[(1, 2), ["fraction", "p", "p_fdr"]].to_numpy(float)).all()
    assert np.isfinite(pairs.loc[(1, 3), "p"])
    alone = coactivity(onsets_of({7: [1, 2]}), n_shuffles=5)
    assert len(alone.pairs) == 0
    assert len(alone.cells) == 1


# Shuffles --------------------------------------------------------------------------


@given(some_onsets, st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_shuffled_intervals_keep_first_and_last_onset_and_all_intervals(onsets, seed):
    chance = shuffled(onsets, "intervals", np.random.default_rng(seed))
    for row in range(len(onsets.unit_ids)):
        was, now = (o.times_s[o.rows == row] for o in (onsets, chance))
        assert len(was) == len(now)
        if len(was):
            np.testing.assert_allclose(now[[0, -1]], was[[0, -1]], atol=1e-9)
        np.testing.assert_allclose(np.sort(np.diff(now)), np.sort(np.diff(was)), atol=1e-9)


@given(some_onsets, st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_circular_shuffles_keep_each_cells_circle(onsets, seed):
    chance = shuffled(onsets, "circular", np.random.default_rng(seed))
    np.testing.assert_array_equal(chance.counts, onsets.counts)
    for row in range(len(onsets.unit_ids)):
        was, now = (o.times_s[o.rows == row] for o in (onsets, chance))
        assert ((now > -1e-6) & (now < onsets.duration_s)).all()
        if len(was):
            gaps = [np.sort(np.diff(x, append=x[0] + onsets.duration_s)) for x in (was, now)]
            np.testing.assert_allclose(*gaps, atol=1e-6)


# Significance ------------------------------------------------------------------------


def test_p_is_never_zero_and_counts_ties():
    tally = Tally([5.0, 0.0, np.nan])
    for chance in ([5, 1, 0], [1, 1, 0], [2, 1, 0]):
        tally.add(chance)
    np.testing.assert_allclose(tally.p()[:2], [2 / 4, 4 / 4])
    assert np.isnan(tally.p()[2])
    assert tally.p("two-sided")[1] == pytest.approx(0.5)


def test_adjusted_p_values_are_benjamini_and_hochbergs():
    # Worked by hand: ranks 1 to 4, p * 4 / rank, then the running minimum from the right.
    np.testing.assert_allclose(
        false_discovery([0.01, 0.04, np.nan, 0.03, 0.5]), [0.04, 0.16 / 3, np.nan, 0.16 / 3, 0.5]
    )


# Distance ------------------------------------------------------------------------------


def test_neighbours_that_share_activity_are_found():
    rng = np.random.default_rng(0)
    places = rng.uniform(0, 200, (30, 2))
    apart = np.hypot(*(places[:, None] - places[None]).transpose(2, 0, 1))
    shared = np.exp(-apart / 60) + 0.05 * rng.random((30, 30))
    np.fill_diagonal(shared, np.nan)
    found = distance_test(shared, places, n_shuffles=200)
    assert found.rho < -0.8
    assert found.p == pytest.approx(2 / 201)
    assert found.bins["fraction"].iloc[0] > found.bins["chance_high"].iloc[0]
    assert found.bins["pairs"].sum() == found.n_pairs == 30 * 29 // 2
    moved = distance_test(shared, places[rng.permutation(30)], n_shuffles=200)
    assert moved.p > 0.02


def test_distance_equals_scipys_spearman():
    from scipy.stats import spearmanr

    rng = np.random.default_rng(3)
    places, shared = rng.random((12, 2)), rng.random((12, 12))
    upper = np.triu_indices(12, 1)
    apart = np.hypot(*(places[:, None] - places[None]).transpose(2, 0, 1))
    expected = spearmanr(apart[upper], ((shared + shared.T) / 2)[upper]).statistic
    assert distance_test(shared, places, n_shuffles=0).rho == pytest.approx(expected)


def test_too_few_cells_for_a_distance_are_refused():
    with pytest.raises(ValueError, match="four cells"):
        distance_test(np.full((3, 3), 0.5), np.zeros((3, 2)))


# Around events ---------------------------------------------------------------------------


def test_a_cell_that_answers_is_told_from_one_that_does_not():
    rng = np.random.default_rng(0)
    events = np.sort(rng.choice(np.arange(100, N_FRAMES - 100), 25, replace=False))
    signal = rng.normal(0, 0.1, (6, N_FRAMES))
    for e in events:
        signal[2, e : e + 20] += 0.3
        signal[4, e : e + 20] -= 0.3
    found = peri_event(signal, events, RATE, before_s=1, after_s=1, n_shuffles=300)
    table = found.table.set_index("unit_id")
    assert set(table.index[table["p_fdr"] < 0.05]) == {2, 4}
    assert table.loc[2, "response"] == pytest.approx(0.3, abs=0.05)
    assert table.loc[4, "z"] < -4
    assert found.average[2, found.time_s >= 0].mean() > 0.2
    assert found.n_events == 25


def test_nan_gaps_and_events_at_the_edges_are_left_out():
    signal = np.random.default_rng(1).normal(0, 1, (2, 500))
    signal[1] = np.nan
    signal[0, 200:300] = np.nan
    found = peri_event(signal, [0, 100, 250, 499], RATE, before_s=1, after_s=1, n_shuffles=50)
    assert (found.n_events, found.n_left_out) == (2, 2)
    assert np.isfinite(found.table["response"][0])
    assert np.isnan(found.table[["response", "p"]].iloc[1]).all()


def test_events_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="shorter window"):
        peri_event(np.zeros((1, 50)), [5], RATE)
    with pytest.raises(ValueError, match="before_s"):
        peri_event(np.zeros((1, 50)), [5], RATE, before_s=0)
    with pytest.raises(ValueError, match="shorter window"):
        event_windows(onsets_of({0: [1]}), [299], window_s=30)


@given(some_onsets, st.lists(st.integers(0, 299), min_size=1, max_size=6), st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_windows_hold_what_a_plain_loop_counts(onsets, events, n_parts):
    window = 2.0
    fits = [e / RATE for e in sorted(set(events)) if e / RATE + window <= 15 + 1e-9]
    if not fits:
        return
    found = event_windows(
        onsets, np.array(events) / RATE, window_s=window, n_subwindows=n_parts, n_shuffles=2
    )
    for row in found.table.itertuples():
        times = onsets.times_s[onsets.rows == row.unit_id]
        low, high = row.event_s + row.start_s, row.event_s + row.end_s
        inside = (times >= low - 1e-6) & (times < high - 1e-6)
        assert row.transients == inside.sum()
        assert row.total_amplitude == pytest.approx(inside.sum())
    assert found.n_events == len(fits)
    assert len(found.table) == len(fits) * len(onsets.unit_ids) * n_parts


def test_a_lag_moves_the_window():
    onsets = onsets_of({0: [100, 140], 1: [60]})
    after = event_windows(onsets, [4.5], window_s=1, lag_s=0.5, n_shuffles=0)
    before = event_windows(onsets, [4.5], window_s=2, lag_s=-2, n_shuffles=0)
    assert after.table["transients"].tolist() == [1, 0]
    assert before.table["transients"].tolist() == [0, 1]
    assert np.isnan(after.cells["p"]).all()


def test_cells_that_fire_after_events_are_found():
    rng = np.random.default_rng(4)
    cells = independent(rng, 8, 30)
    events = np.sort(rng.choice(np.arange(100, N_FRAMES - 100), 25, replace=False))
    cells[3] = sorted({int(e) + 4 for e in events} | set(cells[3][:5]))
    found = event_windows(
        onsets_of(cells), events / RATE, window_s=2, n_subwindows=2, n_shuffles=1000
    )
    table = found.cells.set_index(["unit_id", "subwindow"])
    assert table["p"].idxmin() == (3, 0)
    assert table.loc[(3, 0), "p_fdr"] < 0.05
    assert table.loc[(3, 1), "p"] > 0.05


def test_onset_rate_is_in_hz():
    rate = onset_rate(np.array([0, 1, 1]), np.array([3, 4, 4]), (2, 10), RATE)
    assert rate[0, 3] == RATE
    assert rate[1, 4] == 2 * RATE
    assert rate.sum() == 3 * RATE
