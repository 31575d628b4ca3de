"""The history of edits and the way back."""

import pytest

from napari_caltrig.curation import SetStatus

pytestmark = pytest.mark.gui


@pytest.fixture
def history(workspace):
    """The history after three edits, the last one undone."""
    session = workspace.session
    for unit_id in (0, 2, 3):
        session.do(SetStatus((unit_id,), "accepted"))
    session.undo()
    workspace.panel.review.history.click()
    return workspace.panel.review._history_dialog


def listed(history):
    return [history.list.topLevelItem(i).text(0) for i in range(history.list.topLevelItemCount())]


def choose(history, row):
    history.list.setCurrentItem(history.list.topLevelItem(row))


def accepted(workspace):
    return workspace.session.curation.with_status("accepted")


def test_it_lists_the_newest_edit_first(history):
    assert listed(history) == ["Accept cell 3", "Accept cell 2", "Accept cell 0"]
    assert [e.undone for e in history.entries] == [True, False, False]


def test_it_says_by_which_method(history, workspace):
    import pandas as pd

    from napari_caltrig.curation import AddTransients, numbered

    session = workspace.session
    found = pd.DataFrame({"unit_id": [5], "onset": [1], "peak": [3], "end": [9]})
    found = found.assign(method="network", model="gru 1.1")
    session.do(AddTransients(numbered(found, session.curation)))
    choose(history, 0)
    assert "network (gru 1.1)" in history._hint.text()
    choose(history, 1)
    assert "by hand" in history._hint.text()
    session.merge([8, 9])
    choose(history, 0)
    assert "merged" in history._hint.text()


def test_it_follows_while_it_is_open(history, workspace):
    workspace.session.do(SetStatus((5,), "rejected", "vessel"))
    assert listed(history)[0].endswith("vessel")


def test_edits_are_grey_while_they_are_undone_and_the_chosen_one_stays(history, workspace):
    def grey():
        items = [history.list.topLevelItem(i) for i in range(3)]
        return [item.foreground(0).color().getRgb()[:3] == (128, 128, 128) for item in items]

    choose(history, 2)
    assert grey() == [True, False, False]
    workspace.session.undo()
    assert grey() == [True, True, False]
    workspace.session.redo()
    workspace.session.redo()
    assert grey() == [False, False, False]
    assert history.list.selectedItems()[0].text(0) == "Accept cell 0"
    assert listed(history) == ["Accept cell 3", "Accept cell 2", "Accept cell 0"]


def test_it_goes_back_and_forth(history, workspace):
    choose(history, 2)
    history.go.click()
    assert accepted(workspace) == [0]
    choose(history, 0)
    history.go.click()
    assert accepted(workspace) == [0, 2, 3]


def test_what_was_overtaken_cannot_come_back(history, workspace):
    workspace.session.do(SetStatus((5,), "accepted"))
    history.go_to(3)
    assert accepted(workspace) == [0, 2, 5]


def test_a_long_way_back_is_drawn_once(history, workspace):
    told = []
    workspace.session.curation_changed.connect(told.append)
    history.go_to(1)
    history.go_to(3)
    assert [change.unit_ids for change in told] == [{2}, {2, 3}]
    assert [change.act for change in told] == ["undo", "redo"]


def test_a_file_that_was_broken_meanwhile_is_a_message(history, workspace, capsys):
    path = workspace.session.store.path
    path.write_bytes(b"x" * path.stat().st_size)
    before = workspace.session.curation
    for button in (workspace.panel.review.undo, workspace.panel.review.history):
        button.click()
    choose(history, 0)
    assert "could not be read" in capsys.readouterr().out
    assert workspace.session.curation == before


def test_it_closes_with_the_workspace(history, workspace):
    workspace.disconnect_all()
    assert not history.isVisible()
