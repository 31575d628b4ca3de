"""Commands that show something: info, open, demo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from napari_caltrig.cli.common import (
    frame_rate_option,
    has_display,
    plain_errors,
    print_json,
    read_recording,
)

if TYPE_CHECKING:
    from napari_caltrig.recording import Recording


@click.command()
@click.argument("path", type=click.Path(exists=True))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@frame_rate_option
def info(path: str, as_json: bool, frame_rate: float | None) -> None:
    """Say what a recording or movie holds, without reading it whole."""
    with plain_errors():
        facts = describe(read_recording(path, frame_rate))
    if as_json:
        print_json(facts)
        return
    width = max(len(name) for name in facts)
    for name, value in facts.items():
        click.echo(f"{name.ljust(width)}  {_text(value)}")


def describe(recording: Recording) -> dict[str, Any]:
    """What `info` prints, as plain values."""
    clock = recording.clock
    return {
        "name": recording.name,
        "path": str(recording.path),
        "format": recording.format,
        "n_cells": recording.n_cells,
        "n_frames": recording.n_frames,
        "shape": list(recording.shape),
        "frame_rate": clock.frame_rate,
        "frame_rate_source": clock.source,
        "duration_s": clock.duration_s,
        "traces": list(recording.traces),
        "movies": {name: list(map(int, m.shape)) for name, m in recording.movies.items()},
        "summary_images": list(recording.summary_images),
        "behaviour": [*recording.behaviour.events, *recording.behaviour.signals],
        "dff": dict(recording.metadata.get("dff", {})) or None,
        "unavailable": dict(recording.unavailable),
        "unit_ids": [int(u) for u in recording.unit_ids],
    }


def _text(value: Any) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, dict):
        return "; ".join(f"{k}: {_text(v)}" for k, v in value.items()) or "none"
    if isinstance(value, list):
        shown = [str(v) for v in value[:12]]
        more = f", … ({len(value)} in all)" if len(value) > 12 else ""
        return ", ".join(shown) + more or "none"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


@click.command("open")
@click.argument("path", type=click.Path(exists=True))
def open_(path: str) -> None:
    """Open a recording, a movie or a .caltrig file in napari, with the workspace."""
    _require_display()
    with plain_errors():
        from napari_caltrig.viewer.reader import get_reader

        if get_reader(path) is None:
            read_recording(path)  # says what is wrong with it, before a window opens
        _run_viewer(path)


def _require_display() -> None:
    if not has_display():
        raise click.ClickException(
            "there is no display to open napari on: put xvfb-run before the command, or use one "
            "that needs none, such as info or demo --headless DIR"
        )


def _run_viewer(path: str) -> None:
    import napari

    from napari_caltrig.viewer.commands import PLUGIN, show_workspace

    viewer = napari.Viewer(title="napari-caltrig")
    viewer.open(path, plugin=PLUGIN)
    show_workspace(viewer)
    napari.run()


@click.command()
@click.option(
    "--sample",
    type=click.Choice(["miniscope", "two-photon"]),
    default="miniscope",
    show_default=True,
    help="Which simulated recording.",
)
@click.option(
    "--headless",
    metavar="DIR",
    type=click.Path(file_okay=False),
    help="Show nothing; leave a screenshot, tables and figures in DIR.",
)
def demo(sample: str, headless: str | None) -> None:
    """Open napari on a simulated recording, ready to work on."""
    if headless is None:
        _require_display()
    from napari_caltrig.cli.common import progress_bar
    from napari_caltrig.simulation.samples import sample_path

    with plain_errors(), progress_bar("Simulating a recording") as show:
        path = sample_path(sample, progress=show)
    with plain_errors():
        if headless is None:
            _run_viewer(str(path))
            return
        from napari_caltrig.cli.demo import run_headless

        for line in run_headless(path, headless):
            click.echo(line)
