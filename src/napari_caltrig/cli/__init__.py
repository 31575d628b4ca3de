"""The command line: ``napari-caltrig``."""

from napari_caltrig.cli.main import main

__all__ = ["main"]
