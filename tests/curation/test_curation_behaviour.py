"""Files of behaviour that a person names stay with the recording."""

from pathlib import Path

import numpy as np
import pytest

from napari_caltrig.curation import CurationStore, SetBehaviourFiles, edit_from_json, load_curation
from napari_caltrig.exports import Curated
from napari_caltrig.opening import with_curated_behaviour
from napari_caltrig.recording import Behaviour, BehaviourFile
from napari_caltrig.session import Session


@pytest.fixture
def recording(recording):
    return recording.replace(behaviour=Behaviour({"RNF": np.array([5])}))


def events_file(folder):
    path = folder / "licks.csv"
    path.write_text("event,time (s)\nlick,1\nlick,2\n")
    return BehaviourFile(path, offset_s=0.5)


def test_named_files_survive_and_undo_takes_them_back(recording, tmp_path):
    file = events_file(tmp_path).below(recording.path.parent)
    assert not file.path.is_absolute()
    with CurationStore.for_recording(recording) as store:
        session = Session(recording, store)
        seen = []
        session.behaviour_changed.connect(lambda: seen.append(True))
        session.do(SetBehaviourFiles((file,)))
        times = session.clock.to_seconds(session.recording.behaviour.events["lick"])
        np.testing.assert_allclose(times, [1.5, 2.5], atol=1e-9)
        assert "RNF" in session.recording.behaviour.events
        assert load_curation(store.path).behaviour_files == (file,)
        session.undo()
        assert "lick" not in session.recording.behaviour.events
        session.redo()
        assert len(seen) == 3
    with CurationStore.for_recording(recording) as store:
        assert "lick" in Session(recording, store).recording.behaviour.events


def test_a_file_that_went_is_named_and_nothing_else_is_lost(recording, tmp_path):
    gone = BehaviourFile(Path("gone.csv"))
    with CurationStore.for_recording(recording) as store:
        store.do(SetBehaviourFiles((gone, events_file(tmp_path).below(recording.path.parent))))
        found = with_curated_behaviour(recording, store.curation)
    assert "not used: gone.csv" in found.behaviour.source
    assert {"RNF", "lick"} <= set(found.behaviour.events)


def test_the_edit_is_plain_json(tmp_path):
    edit = SetBehaviourFiles((BehaviourFile(Path("a/b.csv"), "ms", -2.0),))
    assert edit_from_json(edit.to_json()) == edit


def test_a_curated_recording_has_its_behaviour(recording, tmp_path):
    from napari_caltrig.curation import Curation

    file = events_file(tmp_path).below(recording.path.parent)
    curation = SetBehaviourFiles((file,)).apply(Curation.of(recording))
    curated = Curated(with_curated_behaviour(recording, curation), curation)
    assert "lick" in curated.recording.behaviour.events
