"""The command that says which files of behaviour belong to a recording."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from napari_caltrig.cli.common import Number, plain_errors, read_recording

if TYPE_CHECKING:
    from napari_caltrig.curation import CurationStore
    from napari_caltrig.recording import Behaviour, Clock, Recording


@click.command("behaviour")
@click.argument("path", type=click.Path(exists=True))
@click.option(
    "--add",
    "added",
    type=click.Path(exists=True),
    metavar="FILE",
    help="CSV of events or signals, DeepLabCut CSV, video, or a camera's folder.",
)
@click.option(
    "--unit",
    type=click.Choice(["s", "ms"]),
    help="With --add: of its times; as it says by default.",
)
@click.option("--offset", type=Number(), metavar="S", help="With --add: added to its times.")
@click.option("--remove", metavar="NAME", help="Take the file of this name out again.")
def behaviour(
    path: str, added: str | None, unit: str | None, offset: float | None, remove: str | None
) -> None:
    """Show, add or remove files of behaviour of a recording.

    What is added is remembered in the recording's .caltrig file; the files themselves stay where
    they are and are read again each time.
    """
    if added is None and (unit is not None or offset is not None):
        raise click.UsageError("--unit and --offset need --add")
    with plain_errors():
        from napari_caltrig.opening import with_curated_behaviour

        recording = read_recording(path)
        with _store(path, recording, read_only=added is None and remove is None) as store:
            if added is not None:
                _add(recording, store, Path(added), unit, offset or 0.0)
            if remove is not None:
                _remove(store, remove)
            clock = store.curation.clock_of(recording)
            found = with_curated_behaviour(recording, store.curation).behaviour
    for line in _lines(found, clock):
        click.echo(line)


def _store(path: str, recording: Recording, *, read_only: bool) -> CurationStore:
    from napari_caltrig.curation import CurationStore

    if Path(path).suffix == ".caltrig":
        return CurationStore.open(Path(path), recording, read_only=read_only)
    return CurationStore.for_recording(recording, read_only=read_only)


def _add(
    recording: Recording, store: CurationStore, path: Path, unit: str | None, offset_s: float
) -> None:
    from napari_caltrig.curation import SetBehaviourFiles
    from napari_caltrig.formats.behaviour_file import read_behaviour_file
    from napari_caltrig.recording import BehaviourFile

    file = BehaviourFile(path.absolute(), unit, offset_s)  # type: ignore[arg-type]
    clock = store.curation.clock_of(recording)
    read_behaviour_file(file, clock)  # refuses what cannot be used, before anything is kept
    own = file.below(recording.path.parent)
    others = [known for known in store.curation.behaviour_files if known.path != own.path]
    store.do(SetBehaviourFiles((*others, own)))


def _remove(store: CurationStore, name: str) -> None:
    from napari_caltrig.curation import SetBehaviourFiles

    files = store.curation.behaviour_files
    kept = tuple(file for file in files if file.path.name != name)
    if len(kept) == len(files):
        there = ", ".join(file.path.name for file in files) or "none"
        raise ValueError(f"no file named {name} was added; there are: {there}")
    store.do(SetBehaviourFiles(kept))


def _lines(found: Behaviour, clock: Clock) -> list[str]:
    lines = []
    for name, frames in found.events.items():
        times = ""
        if len(frames) and clock.is_known:
            first, last = clock.to_seconds(frames[[0, -1]])
            times = f", {first:.2f} to {last:.2f} s"
        kind = "bouts" if name in found.bouts else "events"
        lines.append(f"{name}: {len(frames)} {kind}{times}")
    lines += [f"{name}: signal" for name in found.signals]
    lines += [f"{name}: video, {video.source}" for name, video in found.videos.items()]
    return [*lines, found.source or "no behaviour"]
