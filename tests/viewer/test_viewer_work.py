"""Jobs that belong to one widget."""

from __future__ import annotations

import time

import pytest

from napari_caltrig.steps import Step
from napari_caltrig.viewer.work import Jobs

pytestmark = pytest.mark.gui


def _slow():
    for i in range(1000):
        yield Step(i, 1000, "")
        time.sleep(0.005)


def _quick():
    yield Step(0, 1, "")
    return "result"


def test_stopped_jobs_are_heard_of_no_more(qtbot):
    jobs, heard = Jobs(), []
    for _ in range(2):
        jobs.start(_slow, on_step=heard.append, on_end=lambda: heard.append("end"))
    qtbot.waitUntil(lambda: bool(heard))
    jobs.stop()
    assert not jobs
    heard.clear()
    qtbot.wait(100)
    assert not heard


def test_a_job_that_has_ended_is_none_of_them(qtbot):
    jobs, heard = Jobs(), []
    jobs.start(_quick, on_done=heard.append, on_end=lambda: heard.append(bool(jobs)))
    assert jobs
    qtbot.waitUntil(lambda: heard == ["result", False])
