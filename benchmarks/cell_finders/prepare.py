"""Make what cells.py compares with: movies of minisim, and an environment with Suite2p.

    python benchmarks/cell_finders/prepare.py FOLDER [--constraint FILE]

What FOLDER has already is left alone. Needs a package index; some minutes.
CaImAn cannot be had from PyPI (the package of that name is another one): make an environment with
conda (``conda create -p FOLDER/caiman -c conda-forge caiman``).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import venv
from pathlib import Path

MAKE_MOVIE = Path(__file__).parents[3] / "shared" / "tools" / "make_minisim.py"
SIZE_PX, SECONDS = "304", "75"
MOVIES = {
    "minisim ca1": ("ca1", "11", SIZE_PX, SECONDS),
    "minisim cortex": ("cortex_l23", "12", SIZE_PX, SECONDS),
    # Up to 7 px of motion, a quarter of the light.
    "minisim dim moving": ("ca1", "13", SIZE_PX, SECONDS, "7", "150"),
}


def environment(folder: Path, packages: list[str], extra: list[str]) -> Path:
    """Python of a virtual environment with these packages, made if it is not there."""
    python = folder / "bin" / "python"
    if not python.exists():
        print(f"installing {' '.join(packages)} in {folder}", flush=True)
        venv.create(folder, with_pip=True)
        command = [str(python), "-m", "pip", "install", "--quiet", *extra, *packages]
        subprocess.run(command, check=True)
    return python


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--constraint", help="versions that pip should keep to")
    options = parser.parse_args()
    extra = ["--constraint", options.constraint] if options.constraint else []
    environment(options.folder / "suite2p", ["suite2p"], extra)
    if not MAKE_MOVIE.exists():
        sys.exit(f"no movies are made: there is no {MAKE_MOVIE}")
    python = environment(options.folder / "minisim", ["minisim"], [])
    (options.folder / "movies").mkdir(exist_ok=True)
    for name, (region, seed, *rest) in MOVIES.items():
        out = options.folder / "movies" / f"{name}.npz"
        if not out.exists():
            command = [str(python), str(MAKE_MOVIE), region, seed, str(out), *rest]
            subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
