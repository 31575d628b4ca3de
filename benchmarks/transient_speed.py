"""Speed and memory of finding transients, beside CalTrig's way on the same machine.

    python benchmarks/transient_speed.py [--cells 500] [--frames 27000] [--model gru]

The traces are made up; the time includes everything from the array to the table. Besides the time
on the clock, which other programs on the machine lengthen, it prints the processor time, and what
that makes on this many cores if nothing else ran.

CalTrig's way: its network (3 layers of a bidirectional GRU with 30 units), one window of 300
frames every 50 frames at a time, one cell at a time. The weights are random: they do not change
the time. It runs on one cell with one thread, which for such a network is faster than many.
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from dataclasses import dataclass

import numpy as np

from napari_caltrig.simulation.traces import TraceConfig, simulate_traces
from napari_caltrig.transients import detect_transients, spans_from_probabilities
from napari_caltrig.transients import transient_probabilities as probabilities


@dataclass(frozen=True)
class Cost:
    """Seconds on the clock and of the processor."""

    clock: float
    processor: float


class Timer:
    """Measures from its making on."""

    def __init__(self) -> None:
        self.clock, self.processor = time.perf_counter(), time.process_time()

    def cost(self) -> Cost:
        """Say what it took so far."""
        return Cost(time.perf_counter() - self.clock, time.process_time() - self.processor)


def window_by_window(trace: np.ndarray, c: np.ndarray) -> Cost:
    """CalTrig's way to one cell's probabilities: windows of 50 + 200 + 50 frames every 50."""
    import torch

    gru = torch.nn.GRU(2, 30, 3, batch_first=True, bidirectional=True)
    last = torch.nn.Linear(60, 1)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    timer = Timer()
    x = np.stack([c / max(c.max(), 1e-9), trace / trace.max()], axis=1).astype(np.float32)
    x = np.pad(x, ((50, 50), (0, 0)))
    p = np.zeros(len(trace), dtype=np.float32)
    with torch.inference_mode():
        for start in range(0, len(trace) - 200 + 1, 50):
            window = torch.from_numpy(x[None, start : start + 300])
            answer = torch.sigmoid(last(gru(window)[0]))[0, 50:-50, 0].numpy()
            p[start : start + 200] = np.maximum(p[start : start + 200], answer)
    cost = timer.cost()
    torch.set_num_threads(threads)
    return cost


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cells", type=int, default=500)
    parser.add_argument("--frames", type=int, default=27000)
    parser.add_argument("--model", default="gru")
    arguments = parser.parse_args()
    few = simulate_traces(TraceConfig(n_cells=20, n_frames=arguments.frames))
    dff = np.tile(few.dff, (-(-arguments.cells // 20), 1))[: arguments.cells].astype(np.float32)
    detect_transients(dff[:1, :2000], 30.0, model=arguments.model)  # imports torch
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    timer = Timer()
    p = probabilities(dff, 30.0, model=arguments.model)
    network = timer.cost()
    timer = Timer()
    table = spans_from_probabilities(p, dff, 30.0)
    spans = timer.cost()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    cores = os.cpu_count() or 1
    alone = (network.processor + spans.processor) / min(cores, 2)
    print(
        f"{len(dff)} cells x {dff.shape[1]} frames on {cores} cores "
        f"(load {os.getloadavg()[0]:.1f}), {len(table)} transients\n"
        f"  clock:     network {network.clock:.1f} s, spans {spans.clock:.1f} s\n"
        f"  processor: network {network.processor:.1f} s, spans {spans.processor:.1f} s; "
        f"{alone:.1f} s on two cores of their own\n"
        f"  memory: {peak / 2**20:.2f} GiB at most, {(peak - before) / 2**20:.2f} GiB of it here"
    )
    theirs = window_by_window(few.dff[0], np.maximum(few.clean[0], 0))
    ours = (network.processor + spans.processor) / len(dff)
    print(
        f"CalTrig's way, one window at a time: {theirs.processor:.1f} s of processor per cell; "
        f"ours {1000 * ours:.0f} ms, {theirs.processor / ours:.0f} times less"
    )


if __name__ == "__main__":
    main()
