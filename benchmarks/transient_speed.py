"""Speed and memory of finding transients.

    python benchmarks/transient_speed.py [--cells 500] [--frames 27000] [--model gru]

The traces are made up; the time includes everything from the array to the table.
"""

from __future__ import annotations

import argparse
import os
import resource
import time

import numpy as np

from napari_caltrig.simulation.traces import TraceConfig, simulate_traces
from napari_caltrig.transients import detect_transients, spans_from_probabilities
from napari_caltrig.transients import transient_probabilities as probabilities


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=500)
    parser.add_argument("--frames", type=int, default=27000)
    parser.add_argument("--model", default="gru")
    arguments = parser.parse_args()
    few = simulate_traces(TraceConfig(n_cells=20, n_frames=arguments.frames)).dff
    dff = np.tile(few, (-(-arguments.cells // 20), 1))[: arguments.cells].astype(np.float32)
    detect_transients(dff[:1, :2000], 30.0, model=arguments.model)  # imports torch
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    p = probabilities(dff, 30.0, model=arguments.model)
    middle = time.perf_counter()
    table = spans_from_probabilities(p, dff, 30.0)
    end = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        f"{len(dff)} cells x {dff.shape[1]} frames on {os.cpu_count()} cores "
        f"(load {os.getloadavg()[0]:.1f}): network {middle - start:.1f} s, "
        f"spans {end - middle:.1f} s, {len(table)} transients; "
        f"peak memory {peak / 2**20:.2f} GiB, {(peak - before) / 2**20:.2f} GiB of it here"
    )


if __name__ == "__main__":
    main()
