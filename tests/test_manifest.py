"""What napari sees of us."""

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import yaml
from npe2 import PluginManifest

MANIFEST = Path(__file__).parents[1] / "src" / "napari_caltrig" / "napari.yaml"
OLD_NPE2 = Path(os.environ.get("NPE2_09", Path(sys.prefix) / "npe2-0.9"))


def test_the_manifest_is_valid_and_the_installed_one():
    manifest = PluginManifest.from_file(MANIFEST)
    assert PluginManifest.from_distribution("napari-caltrig").name == manifest.name
    assert manifest.display_name == "CalTrig"


def test_the_link_at_the_top_is_the_manifest():
    assert (MANIFEST.parents[2] / "napari.yaml").samefile(MANIFEST)


def test_the_manifest_is_valid_under_the_oldest_npe2():
    if not (OLD_NPE2 / "npe2").is_dir():
        pytest.skip(f"npe2 0.9 is not installed in {OLD_NPE2} (`make test` does it)")
    code = (
        "import npe2, sys; assert npe2.__version__.startswith('0.9'), npe2.__version__; "
        "print(npe2.PluginManifest.from_file(sys.argv[1]).name)"
    )
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, str(MANIFEST)],
        env={**os.environ, "PYTHONPATH": str(OLD_NPE2)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "napari-caltrig"


COMMANDS = yaml.safe_load(MANIFEST.read_text())["contributions"]["commands"]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: c["id"])
def test_every_command_can_be_imported(command):
    module, _, name = command["python_name"].partition(":")
    assert callable(getattr(import_module(module), name))
