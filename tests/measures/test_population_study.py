"""A whole population analysis of one recording, its files, and what is missing."""

import json

import numpy as np
import pandas as pd
import pytest

from napari_caltrig import Behaviour
from napari_caltrig.curation import AddTransients, CurationStore, SetStatus, numbered
from napari_caltrig.measures.population import PopulationSettings, analyse_population
from napari_caltrig.measures.population.files import write_population
from napari_caltrig.recording import Transients

FAST = PopulationSettings(n_shuffles=20, before_s=1, after_s=1, event_window_s=2)


@pytest.fixture
def curation(recording):
    rng = np.random.default_rng(0)
    onset = rng.integers(0, 580, 120)
    table = pd.DataFrame({"onset": onset, "peak": onset + 3, "end": onset + 10, "amplitude": 1.0})
    table["unit_id"] = rng.choice(recording.unit_ids, 120)
    with CurationStore.for_recording(recording) as store:
        store.do(AddTransients(numbered(Transients(table), store.curation)))
        store.do(SetStatus((3,), "rejected", "vessel"))
        yield store.curation


def test_everything_is_analysed_and_written(recording, curation, tmp_path):
    found = analyse_population(recording, curation, settings=FAST)
    assert 3 not in found.unit_ids
    assert set(found.answers) == set(found.windows) == {"RNF", "ALP"}
    assert not found.missing
    written = write_population(found, tmp_path / "out", suffix="png")
    names = {path.name for path in written}
    assert {"coactivity_pairs.csv", "distance.csv", "peri_event_dff.csv"} <= names
    assert {"coactivity.png", "distance.png", "peri_event_RNF.png"} <= names
    assert all(path.stat().st_size for path in written)
    summary = json.loads((tmp_path / "out" / "population.json").read_text())
    assert summary["settings"]["n_shuffles"] == 20
    assert summary["events"]["RNF"] == {"used": 2, "left_out": 0}
    table = pd.read_csv(tmp_path / "out" / "event_windows.csv")
    assert set(table["event"]) == {"RNF", "ALP"}


def test_partial_recordings_give_what_they_can(recording, curation):
    bare = recording.replace(traces={"C": recording.traces["C"]}, behaviour=Behaviour())
    found = analyse_population(bare, curation, settings=FAST)
    assert found.coactivity is not None
    assert "no behaviour events" in found.missing["events"]
    without_dff = recording.replace(traces={"C": recording.traces["C"]})
    found = analyse_population(without_dff, curation, settings=FAST)
    assert set(found.rates) == {"RNF", "ALP"}
    assert "dF/F" in found.missing["peri_event_dff"]
    one = analyse_population(recording, curation, unit_ids=[5], settings=FAST)
    assert len(one.coactivity.pairs) == 0
    assert "four cells" in one.missing["distance"]


def test_no_transients_is_said_and_no_error(recording, tmp_path):
    with CurationStore.for_recording(recording) as store:
        found = analyse_population(recording, store.curation, settings=FAST)
    assert "no transients" in found.missing["coactivity"]
    assert [p.name for p in write_population(found, tmp_path / "out")] == ["population.json"]


def test_what_does_not_exist_is_refused(recording, curation):
    with pytest.raises(ValueError, match="no cell 999"):
        analyse_population(recording, curation, unit_ids=[999])
    with pytest.raises(ValueError, match="there are: RNF, ALP"):
        analyse_population(recording, curation, events=["lever"])
    with pytest.raises(ValueError, match="window_s"):
        analyse_population(recording, curation, settings=PopulationSettings(window_s=-1))


def test_what_one_analysis_cannot_do_keeps_no_other_from_it(recording, curation):
    early = recording.replace(behaviour=Behaviour({"early": np.array([5])}))
    found = analyse_population(early, curation, settings=FAST)
    assert found.windows["early"].n_events == 1
    assert "before" in found.missing["early"] and not found.answers


def test_names_of_events_that_look_alike_are_files_of_their_own(recording, curation, tmp_path):
    alike = recording.replace(
        behaviour=Behaviour({"CS+": np.array([50]), "CS*": np.array([300]), "cs_": np.array([200])})
    )
    found = analyse_population(alike, curation, settings=FAST)
    written = write_population(found, tmp_path / "out")
    names = [path.name.lower() for path in written]
    assert len(set(names)) == len(names)
    assert sum("peri_event_cs" in name for name in names) == 3


def test_what_shuffles_expect_is_drawn_where_nothing_was_seen(recording, curation):
    from napari_caltrig.measures.population.figures import windows_figure

    bare = curation.transients.table().query("onset < 100 or onset > 160")
    quiet = curation.replace(transients=Transients(bare))
    alone = recording.replace(behaviour=Behaviour({"quiet": np.array([105])}))
    found = analyse_population(alone, quiet, settings=FAST)
    result = found.windows["quiet"].population
    assert result["count"].tolist() == [0]
    (line,) = windows_figure(found, "quiet").axes[0].collections[0].get_segments()
    cells_seconds = len(found.unit_ids) * FAST.event_window_s
    assert line[0, 1] == pytest.approx(result["expected"][0] / cells_seconds)
    assert line[0, 1] > 0


def test_event_names_with_any_letters_make_files(recording, curation, tmp_path):
    odd = recording.replace(behaviour=Behaviour({"a/b: c": np.array([50, 300])}))
    found = analyse_population(odd, curation, settings=FAST)
    assert (tmp_path / "out" / "peri_event_a_b_c.svg") in write_population(found, tmp_path / "out")
