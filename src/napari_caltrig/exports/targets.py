"""What can be exported to, and what each format needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, cast

from napari_caltrig.exports.writing import ExportError
from napari_caltrig.steps import Steps

if TYPE_CHECKING:
    from napari_caltrig.exports.curated import Curated

Write = Callable[..., "Steps[list[str]]"]


@dataclass(frozen=True)
class Target:
    """A format to export to.

    Parameters
    ----------
    name
        At the command line.
    title
        For the user.
    endings
        Of the file, the usual one first; none for a folder.
    contents
        What is written, in a sentence.
    module
        Where it is written.
    options
        Options of its ``write_steps``.
    wants_clock
        Whether it cannot do without times.
    made_by
        Format of the recordings that it takes; all by default.
    """

    name: str
    title: str
    endings: tuple[str, ...]
    contents: str
    module: str
    options: tuple[str, ...] = ()
    wants_clock: bool = False
    made_by: str | None = None

    @property
    def is_folder(self) -> bool:
        """Whether a folder is written."""
        return not self.endings

    def why_not(self, curated: Curated) -> str | None:
        """Why this recording cannot be exported so; None if it can."""
        found = curated.recording.format
        if self.made_by is not None and found != self.made_by:
            return (
                f"a copy in {self.made_by}'s format needs a recording of {self.made_by}: "
                f"this is one of {found}"
            )
        if not len(curated.footprints):
            return "there are no cells to export"
        if self.wants_clock and not curated.clock.is_known:
            return "the frame rate is unknown, and this format keeps time in seconds"
        return None

    def checked(self, out: Path) -> Path:
        """The path with the ending of the format.

        Raises
        ------
        ExportError
            If it has another ending.
        """
        if self.is_folder or out.name.lower().endswith(self.endings):
            return out
        if not out.suffix:
            return out.with_name(out.name + self.endings[0])
        raise ExportError(
            out, f"a file for {self.title} ends with {' or '.join(self.endings)}", "Rename it."
        )

    def writer(self) -> Write:
        """The function that writes."""
        module = import_module(f"napari_caltrig.exports.{self.module}")
        return cast("Write", module.write_steps)


_ALL = (
    Target(
        "csv",
        "CSV tables",
        (),
        "A folder with tables of cells and transients, and traces if asked for.",
        "tables",
        ("traces",),
    ),
    Target(
        "parquet",
        "Parquet tables",
        (),
        "The same tables as Parquet, for pandas, R or Arrow.",
        "parquet",
        ("traces",),
    ),
    Target(
        "nwb",
        "NWB (Neurodata Without Borders)",
        (".nwb",),
        "One file with footprints, all traces, transients with their method, and decisions.",
        "nwb",
        wants_clock=True,
    ),
    Target(
        "caltrig",
        "CalTrig project",
        (),
        "A folder with config.ini, E.zarr, DFF.zarr, M.zarr and the rest that CalTrig opens.",
        "caltrig",
        ("movie",),
        wants_clock=True,
    ),
    Target(
        "caiman",
        "Curated CaImAn copy",
        (".hdf5",),
        "A copy of CaImAn's file with your statuses in it.",
        "caiman",
        made_by="CaImAn",
    ),
    Target(
        "minian",
        "Curated Minian copy",
        (),
        "A copy of Minian's folder with your statuses as unit_labels.",
        "minian",
        made_by="Minian",
    ),
    Target(
        "imagej",
        "ImageJ ROIs",
        (".zip",),
        "Outlines for ImageJ's ROI Manager; rejected cells are left out.",
        "imagej",
    ),
    Target(
        "labels",
        "Labels TIFF",
        (".tif", ".tiff"),
        "An image with unit_id + 1 in the pixels of each cell; rejected cells are left out.",
        "labels",
    ),
)
TARGETS = {target.name: target for target in _ALL}
