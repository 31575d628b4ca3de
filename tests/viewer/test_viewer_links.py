import pytest
from psygnal import Signal

from napari_caltrig.viewer.links import Links


class Sender:
    changed = Signal(int)


class GoneSender:
    """A sender whose Qt object is deleted, as each binding reports it."""

    def __init__(self, error):
        self.error = error

    def connect(self, slot):
        pass

    def disconnect(self, slot):
        raise self.error


def test_links_undo_what_they_connected():
    sender, heard = Sender(), []
    links = Links((sender.changed, heard.append))
    sender.changed.emit(1)
    links.disconnect()
    sender.changed.emit(2)
    assert heard == [1]


@pytest.mark.parametrize("error", [RuntimeError, SystemError, TypeError])
def test_a_sender_that_is_gone_does_not_keep_the_others_connected(error):
    sender, heard = Sender(), []
    links = Links((sender.changed, heard.append), (GoneSender(error("deleted")), heard.append))
    links.disconnect()
    sender.changed.emit(1)
    assert heard == []
