"""What the documentation shows works."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner

import napari_caltrig
from napari_caltrig.cli import main
from napari_caltrig.projects import project_steps, write_project
from napari_caltrig.simulation.as_caiman import write_caiman
from napari_caltrig.simulation.as_minian import write_minian
from napari_caltrig.simulation.recordings import simulate_recording
from napari_caltrig.steps import run

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
MANIFEST = ROOT / "src" / "napari_caltrig" / "napari.yaml"
CHECKED_ONLY = {
    "open",
    "demo",
    "train cells",
    "train onsets",
    "train transients",
}  # a window, or long work


def blocks(text: str, language: str = "") -> list[str]:
    """Code blocks of a page, without the indentation of tabs and lists."""
    found = re.findall(r"^( *)```(\w*)\n(.*?)^\1```", text, re.MULTILINE | re.DOTALL)
    return [
        re.sub(f"^{indent}", "", body, flags=re.MULTILINE)
        for indent, name, body in found
        if language in ("", name)
    ]


def commands() -> list[str]:
    """Every command line of ours on any page."""
    lines = {
        line.strip()
        for page in sorted(DOCS.glob("*.md"))
        for block in blocks(page.read_text(encoding="utf-8"))
        for line in block.splitlines()
        if line.strip().startswith("napari-caltrig ")
    }
    return sorted(lines)


def all_commands(group: click.Group = main, prefix: str = "") -> dict[str, click.Command]:
    """Commands by their full name, ``train cells``."""
    found: dict[str, click.Command] = {}
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            found |= all_commands(command, f"{prefix}{name} ")
        else:
            found[f"{prefix}{name}"] = command
    return found


def command_of(line: str) -> tuple[str, list[str]]:
    """Full name of the command and its arguments."""
    words = shlex.split(line, comments=True)[1:]
    known = all_commands()
    for n in (2, 1):
        if " ".join(words[:n]) in known:
            return " ".join(words[:n]), words[n:]
    raise AssertionError(f"the docs name a command that does not exist: {line}")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the examples run."""
    folder = tmp_path_factory.mktemp("docs")
    (folder / "data").mkdir()
    options = {"n_cells": 6, "n_frames": 400, "shape": (64, 64)}
    write_minian(folder / "data" / "session1", simulate_recording("miniscope", **options))
    write_caiman(folder / "data" / "mouse2.hdf5", simulate_recording("two-photon", **options))
    project, _ = run(project_steps(folder / "data"))
    options = {"find-cells": {"diameter": 12}}
    write_project(project.replace(options=options), folder / "data" / "project.toml")
    return folder


@pytest.fixture
def in_data(data: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same as the current folder, without anyone's decisions."""
    monkeypatch.chdir(data)
    for file in (data / "data").glob("*.caltrig"):
        file.unlink()
    return data


def python_examples(*, gui: bool) -> list[str]:
    text = (DOCS / "python.md").read_text(encoding="utf-8")
    return [b for b in blocks(text, "python") if ("napari.Viewer" in b) == gui]


def test_the_python_examples_run(in_data, capsys):
    namespace: dict[str, object] = {}
    for example in python_examples(gui=False):
        exec(compile(example, "docs/python.md", "exec"), namespace)
    recording = napari_caltrig.open_recording("data/session1")
    assert namespace["rejected"] == [int(recording.unit_ids[0])]
    assert len(namespace["transients"]) > 0
    assert (in_data / "session1_transients.csv").is_file()
    assert "left out: " in capsys.readouterr().out


@pytest.mark.gui
def test_the_napari_example_runs(in_data, make_napari_viewer, npe2pm, monkeypatch):
    import napari
    from npe2 import PluginManifest

    monkeypatch.setattr(napari, "Viewer", make_napari_viewer)
    namespace: dict[str, object] = {}
    with npe2pm.tmp_plugin(manifest=PluginManifest.from_file(MANIFEST)):
        for example in python_examples(gui=True):
            exec(compile(example, "docs/python.md", "exec"), namespace)
        viewer = namespace["viewer"]
        assert "footprints" in viewer.layers
        names = [name for name in viewer.window.dock_widgets if name.startswith("Workspace")]
        workspace = viewer.window.dock_widgets[names[0]]
        assert workspace.session.unit_ids == viewer.layers["footprints"].features.unit_id.tolist()
        workspace.disconnect_all()


@pytest.mark.parametrize("line", commands())
def test_every_command_line_is_understood(line, in_data):
    name, arguments = command_of(line)
    # Pages may name any recording; whether it exists is not the question here.
    for argument in arguments:
        path = Path(argument)
        if not argument.startswith("-") and path.parts[0] == "data":
            assert path.exists(), f"{line}: the examples know no {argument}"
    all_commands()[name].make_context(name, list(arguments))


@pytest.mark.parametrize("line", blocks((DOCS / "command-line.md").read_text("utf-8"), "sh"))
def test_the_command_line_examples_run(line, in_data, monkeypatch):
    for one in line.splitlines():
        name, arguments = command_of(one)
        if name in CHECKED_ONLY or "mine" in arguments:  # a model that `train` would make
            continue
        result = CliRunner().invoke(main, [*name.split(), *arguments])
        assert result.exit_code == 0, result.output
        if "--out" in arguments:
            out = in_data / arguments[arguments.index("--out") + 1]
            assert out.stat().st_size > 0


def test_the_page_lists_all_commands_with_all_options():
    text = (DOCS / "command-line.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    assert sections.keys() == all_commands().keys()
    for name, command in all_commands().items():
        real = {o for p in command.params if isinstance(p, click.Option) for o in p.opts}
        listed = set(re.findall(r"^\| `(--[a-z-]+)", sections[name], re.MULTILINE))
        assert listed == real, name


def test_the_api_page_has_every_public_name():
    text = (DOCS / "api.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^::: napari_caltrig\.(\w+)$", text, re.MULTILINE))
    assert listed == set(napari_caltrig.__all__)


def test_the_formats_page_has_every_ending_that_napari_offers():
    manifest = yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))
    text = (DOCS / "formats.md").read_text(encoding="utf-8")
    for pattern in manifest["contributions"]["readers"][0]["filename_patterns"]:
        ending = pattern.removeprefix("*")
        assert f"{ending}`" in text, ending


def test_every_page_is_in_the_navigation():
    nav = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for page in DOCS.glob("*.md"):
        assert f": {page.name}\n" in nav, page.name


def test_the_keys_in_the_docs_are_those_of_the_workspace():
    """First steps lists A, R, U, undo and redo; the buttons' tooltips say the same."""
    review = (ROOT / "src/napari_caltrig/widgets/review.py").read_text(encoding="utf-8")
    steps = (DOCS / "first-steps.md").read_text(encoding="utf-8")
    for key in ("A", "R", "U"):
        assert f'"{key}": self._' in review
        assert f"| ++{key.lower()}++ |" in steps
    for keys in ("Ctrl+Z", "Ctrl+Shift+Z"):
        assert f"({keys})" in review
        assert f"| ++{keys.lower()}++ |" in steps


def test_the_measures_page_defines_every_column():
    from napari_caltrig.measures import CELL, TRANSIENT

    text = (DOCS / "measures.md").read_text(encoding="utf-8")
    transients, cells = (
        set(re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (`.*?) \|", part, re.MULTILINE))))
        for part in (text.split("## Transients")[1].split("## Cells")[0], text.split("## Cells")[1])
    )
    assert transients == set(TRANSIENT)
    assert {name for name in CELL if not name.startswith(("mean_", "sd_"))} <= cells | {"sd_dff"}


def test_the_figures_page_names_every_figure_and_option():
    from napari_caltrig.measures.figures import FIGURES

    text = (DOCS / "figures.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `([a-z-]+)` ", text, re.MULTILINE)
    assert listed == list(FIGURES)
    for kind in FIGURES.values():
        for option in kind.options:
            assert f"`{option.name}`" in text, option.name
