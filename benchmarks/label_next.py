"""Label next, side by side with chance.

    python benchmarks/label_next.py [--kinds slow ...] [--first 0] [--fields 4] [--chosen 3]
        [--draws 3] [--panel]

Simulated fields of 100 cells whose true transients stand for a person's labels. Sixty cells can be
chosen from, the other forty only serve to score. Fields are as recordings are: activity differs by
three orders of magnitude from cell to cell, so that in a quarter of the cells nothing can be seen
to happen (in `quiet` kinds in up to six of ten) and the median cell has about three transients,
while a few never rest. The kinds are those of `label_fields`; the shipped model knows some of them
well, others hardly or not at all.

A person marks what can be seen, rises of 3 sd of the noise or more. Those from 1.8 sd on, which the
networks are taught to find, are left open: somebody who goes through the model's transients neither
confirms nor misses them, and to call them wrong would teach the opposite of what the model has
learned. A cell in which nothing can be marked teaches nothing, as in the workspace: only cells with
a confirmed transient count as labelled.

For the cells chosen by rank, by chance, and by the true number of the model's errors: transients to
mark, corrections of what the shipped model found in them, and the event F1 on the other cells after
30 steps of learning from them (half of each batch rehearsed, the mean of old and new weights,
nothing held back). With `--panel` the model learns as the Train panel lets it (`tuning.tune`: of
three labelled cells one is held back, and the shipped model is kept where it does best on that
one), which takes half a minute for each choice; then by rank and by chance only.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from few_shot import Cells, tolerance_s
from label_fields import KIND_NAMES, field

from napari_caltrig.transients import detect_transients, score_transients
from napari_caltrig.transients.active import label_next
from napari_caltrig.transients.examples import Examples
from napari_caltrig.transients.learning import Learner, Schedule
from napari_caltrig.transients.networks import build_network
from napari_caltrig.transients.own_examples import OwnWindows, mixed, replayed_examples
from napari_caltrig.transients.training import TrainingConfig
from napari_caltrig.transients.tuning import TuningConfig, tune
from napari_caltrig.weights import load_model, save_model

POOL, REST = list(range(60)), list(range(60, 100))
STEPS, BATCH, WINDOW, LEARNING_RATE, SHARE = 30, 12, 800, 1e-3, 0.5


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kinds", nargs="+", choices=KIND_NAMES, default=KIND_NAMES)
    parser.add_argument("--first", type=int, default=0, help="number of the first field")
    parser.add_argument("--fields", type=int, default=4, help="fields of each kind")
    parser.add_argument("--chosen", type=int, default=3)
    parser.add_argument("--draws", type=int, default=3, help="random choices per field")
    parser.add_argument("--panel", action="store_true", help="learn as the Train panel does")
    arguments = parser.parse_args()
    simulated = replayed_examples(TrainingConfig().simulation, WINDOW, 0)
    rows = []
    for number in range(arguments.first, arguments.first + arguments.fields):
        for kind in arguments.kinds:
            cells = field(kind, number, len(POOL) + len(REST))
            before = cells.f1("gru", REST)
            errors = corrections(cells)
            events = marked(cells)
            for how, chosen in choices(cells, errors, number, arguments):
                after = learned(
                    cells, [u for u in chosen if events[u]], None if arguments.panel else simulated
                )
                rows.append(
                    (kind, number, how, events[chosen].sum(), errors[chosen].sum(), before, after)
                )
                print(f"{kind} {number}, {how}: {rows[-1][3:]}", flush=True)
    show(pd.DataFrame(rows, columns=COLUMNS))


COLUMNS = ["kind", "field", "choice", "transients", "corrections", "F1 before", "F1 after"]


def show(table: pd.DataFrame) -> None:
    """Means by kind and way of choosing, and paired differences to chance with standard errors."""
    print(table.groupby(["kind", "choice"], sort=False)[COLUMNS[3:]].mean().round(3).to_string())
    pairs = table.pivot_table("F1 after", ["kind", "field"], "choice", aggfunc="mean", sort=False)
    kinds = {kind: pairs.xs(kind, level="kind") for kind in table["kind"].unique()}
    for kind, part in (*kinds.items(), ("all kinds", pairs)):
        for how in ("by rank", "by true errors"):
            if how in part:
                gain = part[how] - part["by chance"]
                print(
                    f"{kind}, {how} less by chance: {gain.mean():+.4f}, standard error "
                    f"{gain.std() / np.sqrt(len(gain)):.4f}, better in {(gain > 0).sum()} of "
                    f"{len(gain)} fields"
                )


def choices(
    cells: Cells, errors: np.ndarray, seed: int, arguments: argparse.Namespace
) -> list[tuple[str, list[int]]]:
    """Ways of choosing and what they choose."""
    s, n = cells.simulated, arguments.chosen
    c = None if cells.c is None else cells.c[POOL]
    ranking = label_next(s.dff[POOL], s.frame_rate, c=c, unit_ids=POOL)
    result = [("by rank", ranking.index[:n].tolist())]
    result.append(("by true errors", np.argsort(-errors, kind="stable")[:n].tolist()))
    rng = np.random.default_rng(seed)
    for _ in range(arguments.draws):
        result.append(("by chance", rng.choice(POOL, n, False).tolist()))
    return [r for r in result if not arguments.panel or r[0] in ("by rank", "by chance")]


def detected(cells: Cells) -> pd.DataFrame:
    """What the shipped model finds in the pool."""
    s = cells.simulated
    c = None if cells.c is None else cells.c[POOL]
    return detect_transients(s.dff[POOL], s.frame_rate, c=c, unit_ids=POOL)


def corrections(cells: Cells) -> np.ndarray:
    """Missed and false transients of the shipped model, per cell of the pool."""
    spans = cells.simulated.spans
    truth = spans[spans["unit_id"].isin(POOL)]
    rate = cells.simulated.frame_rate
    scores = score_transients(detected(cells), truth, rate, tolerance_s(rate)).cells
    return (scores["fp"] + scores["fn"]).reindex(POOL, fill_value=0).to_numpy()


def marked(cells: Cells) -> np.ndarray:
    """Transients that a person sees, per cell of the pool."""
    spans = cells.simulated.spans
    seen = spans.loc[spans["snr"] >= 3, "unit_id"]
    return np.bincount(seen, minlength=len(POOL))[: len(POOL)]


def learned(cells: Cells, chosen: list[int], simulated: Examples | None) -> float:
    """Event F1 on the other cells after learning; as in the panel without `simulated`."""
    if not chosen:
        return cells.f1("gru", REST)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if simulated is None:
            data = [cells.labels(chosen)]
            return cells.f1(tune(data, TuningConfig("label-next", folder=folder)), REST)
        return cells.f1(short_learning(cells, chosen, simulated, folder), REST)


def short_learning(cells: Cells, chosen: list[int], simulated: Examples, folder: Path) -> Path:
    """A model that has learned from these cells."""
    card, base = load_model("gru", "transients")
    network = build_network(card.architecture, card.arguments, base)
    learner = Learner(network, Schedule(STEPS, LEARNING_RATE, warm_up=0.2), 0, {})
    own = OwnWindows([cells.labels(chosen)], WINDOW)
    for _ in range(STEPS):
        batch = own.draw(learner.rng, BATCH // 2)
        learner.learn(mixed(batch, simulated, learner.rng, BATCH // 2))
    new = learner.weights()
    mean = {name: base[name] + SHARE * (new[name] - base[name]) for name in base}
    return save_model(replace(card, name="label-next"), mean, folder)


if __name__ == "__main__":
    main()
