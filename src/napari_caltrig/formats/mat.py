"""MATLAB results: EXTRACT's ``output`` or CNMF-E's ``results``; what is inside tells which."""

from __future__ import annotations

from pathlib import Path

from napari_caltrig.formats import cnmfe, extract
from napari_caltrig.formats.mat_file import open_mat
from napari_caltrig.recording import FormatError, Recording


def matches(path: Path) -> bool:
    """Whether `path` has the ending ``.mat``."""
    return path.suffix.lower() == ".mat" and not path.is_dir()


def read(path: Path) -> Recording:
    """Open a result of EXTRACT or of CNMF-E for MATLAB.

    Raises
    ------
    FormatError
        If it is neither, or damaged.
    """
    with open_mat(path) as file:
        if extract.is_in(file):
            return extract.from_mat(file)
        if cnmfe.is_in(file):
            return cnmfe.from_mat(file)
        names = file.names
    hint = "Choose the file with EXTRACT's output or CNMF-E's results."
    if {"stat", "ops"} <= set(names):
        hint = "This is suite2p's Fall.mat: choose the folder suite2p with its .npy files."
    found = ", ".join(names[:8]) or "no variable that can be read"
    raise FormatError(
        path, "EXTRACT's output or CNMF-E's results or neuron", f"a MATLAB file with {found}", hint
    )
