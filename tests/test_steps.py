"""Long work reports how far it is and stops when told."""

import pytest

from napari_caltrig.steps import Step, run


def count(n, closed):
    try:
        for i in range(n):
            yield Step(i + 1, n)
        return n * 2
    finally:
        closed.append(True)


def test_every_step_is_reported_and_the_result_comes_back():
    seen, closed = [], []
    assert run(count(3, closed), seen.append) == 6
    assert [s.done for s in seen] == [1, 2, 3]
    assert closed == [True]


def test_an_error_in_the_callback_stops_the_work():
    closed = []

    def stop(step):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(count(3, closed), stop)
    assert closed == [True]
