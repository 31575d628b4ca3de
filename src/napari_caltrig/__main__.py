"""``python -m napari_caltrig`` is the command ``napari-caltrig``."""

from napari_caltrig.cli import main

if __name__ == "__main__":
    main(prog_name="napari-caltrig")
