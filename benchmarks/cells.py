"""Cell finding side by side: default mode, Apthorpe et al. (2016), LoG, Suite2p, CaImAn.

    python benchmarks/cells.py [--folder FOLDER] [--quick] [--simulated N] [--only TEXT]
        [--coarser N]

Runs every method on every movie, each in a process of its own, and prints as it goes. Movies:
those of the public package minisim and, where they are present, real ones from
``../shared/data``, then simulated ones of our own (seeds that no training used). FOLDER (also
``CALTRIG_CELLBENCH``) holds what ``benchmarks/cell_finders/prepare.py FOLDER`` makes: movies of
minisim and environments of the peers, ``suite2p`` and ``caiman``. What is not there is skipped,
and the table says so. Peers are given the movies without their motion, where that is known;
everything else gets them raw.

Columns: cells found and true; F1 at IoU 0.3, 0.5 and 0.7 and by centroid; precision and recall at
IoU 0.5, recall by centroid; wall and processor seconds (of a peer: of its detection alone);
highest memory of the process. The truth of `fmi_2p` is active cells alone, found by correlation:
what counts there is recall. ``--coarser N`` averages squares of N pixels first, in movies and
truth: small cells. ``--save FOLDER`` keeps what was found for tools of your own.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from cell_finders.cases import Case, cases, coarser
from scipy import sparse

from napari_caltrig.cells import score_cells
from napari_caltrig.recording import Footprints

HERE = Path(__file__).parent / "cell_finders"
MOST_S = 1200
OURS = "default", "default, size unknown", "LoG + disks", "LoG + watershed"
PAPER = ("apthorpe-2016", "apthorpe-2016-2d")
PEERS = {
    "suite2p": "import importlib.util as u; assert u.find_spec('suite2p')",
    # Another package of that name is on PyPI.
    "caiman": "from caiman.source_extraction.cnmf import cnmf",
}


@dataclass(frozen=True)
class Method:
    """A finder: the Python that runs it, its script and what else the script is told."""

    name: str
    python: str
    script: str
    extra: tuple[str, ...] = ()
    peer: bool = False

    def __call__(self, case: Case, movie: Path, out: Path) -> Result:
        """Find the cells of a case whose movie lies in a file.

        Raises
        ------
        RuntimeError
            If it fails or takes longer than 20 minutes.
        """
        numbers = (str(case.frame_rate or 0), str(case.diameter), str(int(case.one_photon)))
        command = [self.python, str(HERE / self.script), str(movie), str(out), *numbers]
        try:
            done = subprocess.run(
                [*command, *self.extra], capture_output=True, text=True, timeout=MOST_S
            )
        except subprocess.TimeoutExpired as error:
            raise RuntimeError(f"stopped after {MOST_S / 60:.0f} minutes") from error
        if done.returncode:
            lines = done.stderr.strip().splitlines() or [f"ended with {done.returncode}"]
            raise RuntimeError(lines[-1])
        return Result.read(out, case.truth.shape)


@dataclass(frozen=True)
class Result:
    """Cells, seconds and GB."""

    cells: Footprints
    seconds: float
    cpu_seconds: float
    memory: float

    @classmethod
    def read(cls, path: Path, yx: tuple[int, int]) -> Result:
        """As the scripts write it."""
        with np.load(path) as z:
            shape = (len(z["indptr"]) - 1, yx[0] * yx[1])
            csr = sparse.csr_array((z["data"], z["indices"], z["indptr"]), shape=shape)
            numbers = (float(z[name]) for name in ("seconds", "cpu_seconds", "memory"))
            return cls(Footprints(csr, yx), *numbers)


def methods(folder: Path, *, quick: bool) -> list[Method]:
    """Every method that can run here; says why others cannot."""
    names = OURS if quick else (*OURS, *PAPER)
    found = [Method(name, sys.executable, "ours.py", (name,)) for name in names]
    for name, check in PEERS.items():
        variable = f"CALTRIG_{name.upper()}_PYTHON"
        python = os.environ.get(variable) or str(folder / name / "bin" / "python")
        if not Path(python).exists():
            print(f"{name} is skipped: no {python}, and {variable} names no other")
        elif subprocess.run([python, "-c", check], capture_output=True, check=False).returncode:
            print(f"{name} is skipped: {python} cannot import it")
        else:
            found.append(Method(name, python, f"peer_{name}.py", peer=True))
    return found


def run(case: Case, finders: list[Method], keep: Path | None) -> dict[str, float]:
    """Run every method on one case and print a line for each; returns wall seconds."""
    seconds = {}
    with tempfile.TemporaryDirectory() as folder:
        raw, steady = Path(folder) / "raw.npy", Path(folder) / "steady.npy"
        np.save(raw, case.movie)
        for method in finders:
            if case.movie.ndim == 2 and method.peer:
                print(f"{case.name:<26}{method.name:<24} skipped: it needs a movie")
                continue
            if method.peer and not steady.exists():
                np.save(steady, case.steady)
            try:
                result = method(case, steady if method.peer else raw, Path(folder) / "cells.npz")
            except RuntimeError as error:
                print(f"{case.name:<26}{method.name:<24} failed: {error}", flush=True)
                continue
            report(case, method.name, result)
            seconds[method.name] = result.seconds
            if keep is not None:
                name = f"{case.name}-{method.name}.npz".replace(" ", "_").replace("/", "of")
                save(result.cells, keep / name)
    return seconds


def report(case: Case, method: str, result: Result) -> None:
    """Print one line of the table."""
    score: dict[str, Any] = score_cells(result.cells, case.truth, counted=case.counted)
    scores = score["scores"]
    values = [scores[k]["F1"] for k in ("iou_0.3", "iou_0.5", "iou_0.7", "centroid")]
    values += [scores["iou_0.5"]["P"]]
    unknown = (0, 1, 2, 3, 4) if case.only_active else ()
    shown = [f"{'' if i in unknown else format(v, '.2f'):>6}" for i, v in enumerate(values)]
    recalls = f"{scores['iou_0.5']['R']:>6.2f}{scores['centroid']['R']:>6.2f}"
    print(
        f"{case.name:<26}{method:<24}{score['n_pred']:>6}{score['n_truth']:>6}{''.join(shown)}"
        f"{recalls}{result.seconds:>7.1f}{result.cpu_seconds:>7.1f}{result.memory:>6.2f}",
        flush=True,
    )


def save(cells: Footprints, path: Path) -> None:
    csr = cells.to_csr()
    parts = {"data": csr.data, "indices": csr.indices, "indptr": csr.indptr}
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, shape=np.array(csr.shape), yx=np.array(cells.shape), **parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = os.environ.get("CALTRIG_CELLBENCH", str(Path(tempfile.gettempdir()) / "cellbench"))
    parser.add_argument("--folder", type=Path, default=Path(default), help="of prepare.py")
    parser.add_argument("--quick", action="store_true", help="without the network of 2016")
    parser.add_argument("--simulated", type=int, default=1, help="own movies per modality")
    parser.add_argument("--only", default="", metavar="TEXT", help="cases with TEXT in their name")
    parser.add_argument("--coarser", type=int, default=1, metavar="N", help="average N x N pixels")
    parser.add_argument("--save", type=Path, metavar="FOLDER", help="keep what was found")
    options = parser.parse_args()
    finders = methods(options.folder, quick=options.quick)
    print(f"load of the machine at the start: {os.getloadavg()[0]:.1f}")
    print(
        f"{'movie':<26}{'method':<24}{'found':>6}{'true':>6}{'F1.3':>6}{'F1.5':>6}{'F1.7':>6}"
        f"{'F1c':>6}{'P.5':>6}{'R.5':>6}{'Rc':>6}{'s':>7}{'cpu s':>7}{'GB':>6}",
        flush=True,
    )
    times = []
    for case in cases(options.folder / "movies", options.simulated):
        if options.only in case.name:
            chosen = case if options.coarser == 1 else coarser(case, options.coarser)
            times.append(run(chosen, finders, options.save))
    ran_all = [seconds for seconds in times if len(seconds) == len(finders)]
    print(f"wall seconds in all {len(ran_all)} cases that every method could do:")
    for method in finders:
        print(f"  {method.name:<24}{sum(seconds[method.name] for seconds in ran_all):>6.1f}")


if __name__ == "__main__":
    main()
