"""What all commands share: errors for a person at a shell, progress, outputs."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from napari_caltrig.recording import Recording
    from napari_caltrig.steps import Step

UNREADABLE = 2


class Number(click.FloatRange):
    """A number in a range; unlike click's own, nan and inf are none."""

    name = "number"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Read what was typed."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


frame_rate_option = click.option(
    "--frame-rate",
    type=Number(min=0, min_open=True),
    metavar="HZ",
    help="Frames per second, where the file does not say or is wrong.",
)


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn expected errors into one line on stderr and an exit code."""
    from napari_caltrig.curation import CurationError
    from napari_caltrig.recording import FormatError

    try:
        yield
    except FormatError as error:
        raise _failure(str(error), UNREADABLE) from error
    except (ValueError, OSError, CurationError) as error:
        raise _failure(str(error), 1) from error
    except MemoryError as error:
        message = f"there is not enough memory: {error or 'close other programs'}"
        raise _failure(message, 1) from error


def _failure(message: str, code: int) -> click.ClickException:
    failure = click.ClickException(message)
    failure.exit_code = code
    return failure


def read_recording(path: str, frame_rate: float | None = None) -> Recording:
    """Open a recording, or end with a clear message."""
    from napari_caltrig.opening import open_recording

    return open_recording(path, frame_rate=frame_rate)


def warn_unavailable(recording: Recording) -> None:
    """Say on stderr what of a file could not be used, before anything is computed from the rest."""
    for what, why in recording.unavailable.items():
        click.echo(f"warning: {what}: {why}", err=True)


def cell_ids(text: str) -> list[int]:
    """The cells that ``--cells`` names, each once."""
    try:
        return list(dict.fromkeys(int(part) for part in text.split(",")))
    except ValueError:
        raise click.UsageError("--cells takes unit_ids with commas, e.g. 3,7,12") from None


def has_display() -> bool:
    """Whether Qt can open a window here; without a display it would end the process."""
    if sys.platform != "linux":
        return True
    return any(os.environ.get(n) for n in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"))


@contextmanager
def progress_bar(label: str) -> Iterator[Callable[[Step], None]]:
    """A progress bar on stderr, only where a person watches."""
    if not sys.stderr.isatty():
        yield lambda step: None
        return
    with click.progressbar(length=1000, label=label, file=sys.stderr) as bar:

        def show(step: Step) -> None:
            if step.total:
                target = 1000 * step.done // step.total
                bar.update(max(target - bar.pos, 0))

        yield show


def check_output(
    path: str, suffixes: tuple[str, ...], *, overwrite: bool, source: str | None = None
) -> Path:
    """Refuse an output that cannot or must not be written, before any work is done."""
    out = Path(path)
    if not any(out.name.lower().endswith(suffix) for suffix in suffixes):
        raise click.UsageError(f"the output {out.name} must end with {' or '.join(suffixes)}")
    if source is not None and out.resolve() == Path(source).resolve():
        raise click.UsageError(f"{out} is the recording itself, which is never written to")
    if out.exists() and not overwrite:
        raise click.UsageError(f"{out} exists already; give --overwrite to replace it")
    if not out.absolute().parent.is_dir():
        raise click.UsageError(f"the folder {out.absolute().parent} does not exist")
    return out


@contextmanager
def writing(target: Path, source: str, *, overwrite: bool) -> Iterator[Path]:
    """A path to write to, which becomes the output when all went well; never the recording.

    Raises
    ------
    ExportError
        If the output cannot be written; what was there before is still there then.
    """
    from napari_caltrig.exports.writing import replacing

    with replacing(target, folder=False, overwrite=overwrite, originals=[Path(source)]) as path:
        yield path


def print_json(content: Any) -> None:
    """Print JSON that any tool can read: no NaN, no numpy."""
    import json

    click.echo(json.dumps(content, indent=2, allow_nan=False))
