"""Opening recordings from Python."""

import pytest

from napari_caltrig import FormatError, open_recording
from napari_caltrig.curation import CurationStore, SetFrameRate


def test_a_caltrig_file_stands_for_its_recording(shared_data, tmp_path):
    path = tmp_path / "result.hdf5"
    path.symlink_to(shared_data("caiman", "cnmf_2p_evaluated.hdf5"))
    with CurationStore.for_recording(open_recording(path)) as store:
        store.do(SetFrameRate(12.5))
        file = store.path
    recording = open_recording(file)
    assert recording.path == path
    assert recording.clock.frame_rate == 12.5
    assert open_recording(file, frame_rate=20).clock.frame_rate == 20


def test_a_caltrig_file_without_its_recording_says_so(shared_data, tmp_path):
    path = tmp_path / "result.hdf5"
    path.symlink_to(shared_data("caiman", "cnmf_2p_evaluated.hdf5"))
    with CurationStore.for_recording(open_recording(path)) as store:
        store.do(SetFrameRate(12.5))
        file = store.path
    path.unlink()
    with pytest.raises(FormatError, match=r"result\.hdf5"):
        open_recording(file)


@pytest.mark.parametrize("rate", [0, -1, float("nan")])
def test_a_senseless_frame_rate_is_refused(shared_data, rate):
    with pytest.raises(ValueError, match="frame rate"):
        open_recording(shared_data("caiman", "cnmf_2p_evaluated.hdf5"), frame_rate=rate)
