"""File > Open Sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_caltrig.viewer.layers import LayerData


def miniscope() -> list[LayerData]:
    """Open a simulated miniscope recording in Minian's layout."""
    return _open_sample("miniscope", "Simulating a miniscope recording (once)")


def two_photon() -> list[LayerData]:
    """Open a simulated two-photon recording in CaImAn's layout."""
    return _open_sample("two-photon", "Simulating a two-photon recording (once)")


def _open_sample(name: str, title: str) -> list[LayerData]:
    from napari_caltrig.simulation.samples import sample_steps
    from napari_caltrig.viewer.reader import read
    from napari_caltrig.viewer.work import run_modal

    path = run_modal(lambda: sample_steps(name), title)
    if path is None:  # cancelled: handled, without layers
        return [(None,)]  # type: ignore[list-item]
    return read(str(path))
