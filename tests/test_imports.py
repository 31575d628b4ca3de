"""What importing costs, and who may import whom."""

import subprocess
import sys

import pytest

HEAVY = ("torch", "qtpy", "PyQt6", "PySide6", "pyqtgraph", "napari", "matplotlib")


def loaded(code: str) -> set[str]:
    """Heavy packages that running `code` in a fresh Python brings in."""
    check = f"{code}\nimport sys; print(*[m for m in {HEAVY!r} if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return set(result.stdout.split())


@pytest.mark.parametrize(
    "code",
    [
        "import napari_caltrig",
        "import napari_caltrig.viewer.reader as r; r.get_reader('x.hdf5'); r.get_reader('.')",
        "import napari_caltrig.formats.minian, napari_caltrig.formats.caiman",
        "import napari_caltrig.formats.movies, napari_caltrig.formats.miniscope",
        "import napari_caltrig.curation, napari_caltrig.session",
        "import napari_caltrig.cells, napari_caltrig.transients, napari_caltrig.simulation",
        "from napari_caltrig import open_recording, load_curation, FormatError",
        "import napari_caltrig.cli, napari_caltrig.projects",
    ],
)
def test_importing_is_light(code):
    assert loaded(code) == set()


def test_every_public_name_exists():
    import napari_caltrig

    for name in napari_caltrig.__all__:
        assert getattr(napari_caltrig, name).__doc__, name
    assert set(napari_caltrig.__all__) <= set(dir(napari_caltrig))
    with pytest.raises(AttributeError, match="nothing"):
        napari_caltrig.nothing  # noqa: B018


def test_opening_a_recording_needs_neither_torch_nor_qt(shared_data):
    path = shared_data("caiman", "cnmf_2p_evaluated.hdf5")
    assert loaded(f"import napari_caltrig; napari_caltrig.open_recording({str(path)!r})") == set()
