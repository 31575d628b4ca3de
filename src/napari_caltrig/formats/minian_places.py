"""Which folder of a Minian session is which, told by names only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FINAL = "minian"
INTERMEDIATE = "minian_intermediate"
# Only Minian's cells make a folder Minian's: movies and images have such names elsewhere too.
STAGES = ("", "_mrg", "_new", "_init")
"""Suffixes of A and C from the final result back to the first guess."""
_CELL_VARIABLES = (
    *(f"{variable}{stage}" for stage in STAGES for variable in ("A", "C")),
    *("S", "YrA", "b0", "c0"),
)
_NETCDF = ("minian_dataset.nc", "minian.nc")


@dataclass(frozen=True)
class Places:
    """Where the parts of one Minian session lie.

    Parameters
    ----------
    main
        Folder or netCDF file with ``A`` and ``C``.
    beside
        Folder with movies and ``YrA``, or None.
    session
        The session's folder: timestamps and behaviour lie in it.
    """

    main: Path
    beside: Path | None
    session: Path

    @property
    def name(self) -> str:
        """The session's name; Minian is also run in the Miniscope's own folder in it."""
        is_device = (self.session / "timeStamps.csv").is_file()
        return self.session.parent.name if is_device else self.session.name


def find_places(path: Path) -> Places | None:
    """The parts of the session that `path` belongs to; None if it is no Minian output.

    Parameters
    ----------
    path
        Session folder, ``minian``, ``minian_intermediate``, a ``VARIABLE.zarr`` in
        them, the array in it, or a netCDF file.
    """
    if path.is_file():
        return _around(path) if path.suffix.lower() == ".nc" else None
    if path.parent.suffix == ".zarr":  # the array A.zarr/A
        return _of_variable(path.parent)
    if path.suffix == ".zarr":
        return _of_variable(path)
    if _has_cells(path):
        return _around(path)
    return _of_session(path)


def stage_of(folder: Path) -> str | None:
    """Suffix of the most final A and C that both lie in a folder; None without a pair."""
    for stage in STAGES:
        if all((folder / f"{v}{stage}.zarr").is_dir() for v in ("A", "C")):
            return stage
    return None


def _of_variable(variable: Path) -> Places | None:
    places = _around(variable.parent) if _has_cells(variable.parent) else None
    if places is None or variable.stem in _CELL_VARIABLES:
        return places
    # A movie beside cells that cannot be opened is still a movie.
    return places if places.main.is_file() or stage_of(places.main) is not None else None


def _of_session(session: Path) -> Places | None:
    if not session.is_dir():
        return None
    if _has_cells(session / FINAL):
        return _around(session / FINAL)
    for name in _NETCDF:
        if (session / name).is_file():
            return _around(session / name)
    if _has_cells(session / INTERMEDIATE):
        return _around(session / INTERMEDIATE)
    return None


def _around(main: Path) -> Places:
    """Complete the session around the place that was chosen."""
    session = main.parent
    if main.is_file() and session.name == FINAL:
        session = session.parent
    if main.name == INTERMEDIATE and stage_of(main) is None and _has_cells(session / FINAL):
        main = session / FINAL  # movies and YrA alone: the cells are in the final folder
    beside = session / INTERMEDIATE
    return Places(main, beside if beside.is_dir() and beside != main else None, session)


def _has_cells(folder: Path) -> bool:
    return any((folder / f"{name}.zarr").is_dir() for name in _CELL_VARIABLES)
