"""File > Open Sample."""

import pytest

PLUGIN = "napari-caltrig"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("key", "shape"), [("miniscope", (3000, 200, 200)), ("two-photon", (2000, 256, 256))]
)
def test_a_sample_opens_as_a_recording_with_behaviour(
    key, shape, sample_cache, make_napari_viewer, npe2pm
):
    from npe2 import PluginManifest

    from napari_caltrig.viewer.registry import recording_of, tag_of

    manifest = PluginManifest.from_distribution(PLUGIN)
    with npe2pm.tmp_plugin(manifest=manifest):
        viewer = make_napari_viewer()
        viewer.open_sample(PLUGIN, key)
        assert viewer.layers["processed movie"].data.shape == shape
        recording = recording_of(tag_of(viewer.layers["footprints"]))
    assert recording.n_cells > 40
    assert {"C", "S", "YrA", "raw", "dff"} <= set(recording.traces)
    assert {"RNF", "ALP", "ILP"} <= set(recording.behaviour.events)
    assert recording.clock.is_known
