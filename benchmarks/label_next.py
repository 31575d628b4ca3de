"""Label next, side by side with chance.

    python benchmarks/label_next.py [--kinds slow ...] [--first 0] [--fields 4] [--chosen 3]
        [--draws 3] [--ways chance ...] [--from-nothing | --panel]

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

For the cells chosen by the expected transients or by the expected corrections (`label_next`), by
chance, and by the true number of the model's errors: cells with something to mark, transients to
mark, corrections of what the model found in them, and the event F1 on the other cells after 30
steps of learning from them (half of each batch rehearsed, the mean of old and new weights, nothing
held back). `chance, as many` is that of 2,000 choices by chance that holds most nearly as many
transients as the choice by corrections.

With `--from-nothing` a new network learns instead (`own_training`, 100 steps of 16 windows of 200
frames, nothing held back): first from three cells with something to mark that are taken by chance.
It ranks the others, and after the choice a new network learns from all the cells.

With `--panel` the model learns as the Train panel lets it (`tuning.tune`: of three labelled cells
one is held back, and the shipped model is kept where it does best on that one), which takes half a
minute for each choice.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from few_shot import Cells
from label_fields import KIND_NAMES, field

from napari_caltrig.transients import detect_transients, score_transients
from napari_caltrig.transients.active import Order, label_next
from napari_caltrig.transients.examples import Examples
from napari_caltrig.transients.learning import Learner, Schedule
from napari_caltrig.transients.networks import build_network
from napari_caltrig.transients.own_examples import OwnWindows, mixed, replayed_examples
from napari_caltrig.transients.own_training import OwnTrainingConfig, train_on_own
from napari_caltrig.transients.scoring import usual_tolerance_s
from napari_caltrig.transients.training import TrainingConfig
from napari_caltrig.transients.tuning import TuningConfig, tune
from napari_caltrig.weights import load_model, save_model

POOL, REST = list(range(60)), list(range(60, 100))
FIRST = 3  # cells that a new network begins with
ORDERS: tuple[Order, ...] = ("transients", "corrections")
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
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS)
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--from-nothing", action="store_true", help="begin with a new network")
    how.add_argument("--panel", action="store_true", help="learn as the Train panel does")
    parser.add_argument("--out", type=Path, help="add the rows to this .csv table")
    arguments = parser.parse_args()
    simulated = None
    if not (arguments.from_nothing or arguments.panel):
        usual = TrainingConfig()
        simulated = replayed_examples(usual.simulation, usual.miniscope_share, WINDOW, 0)
    rows = []
    for number in range(arguments.first, arguments.first + arguments.fields):
        for kind in arguments.kinds:
            for row in field_rows(kind, number, arguments, simulated):
                rows.append((kind, number, *row))
                print(f"{kind} {number}, {row}", flush=True)
                if arguments.out is not None:
                    line = pd.DataFrame(rows[-1:], columns=COLUMNS)
                    new = not arguments.out.exists()
                    line.to_csv(arguments.out, mode="a", header=new, index=False)
    show(pd.DataFrame(rows, columns=COLUMNS))


WAYS = ["transients", "corrections", "chance", "chance, as many", "true errors"]
COLUMNS = [
    "kind", "field", "choice", "labelled", "transients", "corrections", "F1 before", "F1 after"
]  # fmt: skip


def show(table: pd.DataFrame) -> None:
    """Means by kind and way of choosing, and paired differences to chance with standard errors."""
    print(table.groupby(["kind", "choice"], sort=False)[COLUMNS[3:]].mean().round(3).to_string())
    print(table.groupby("choice", sort=False)[COLUMNS[3:]].mean().round(3).to_string())
    pairs = table.pivot_table("F1 after", ["kind", "field"], "choice", aggfunc="mean", sort=False)
    kinds = {kind: pairs.xs(kind, level="kind") for kind in table["kind"].unique()}
    for kind, part in (*kinds.items(), ("all kinds", pairs)):
        for how in part.columns.drop("chance", errors="ignore"):
            if "chance" in part:
                gain = part[how] - part["chance"]
                print(
                    f"{kind}, by {how} less by chance: {gain.mean():+.4f}, standard error "
                    f"{gain.std() / np.sqrt(len(gain)):.4f}, better in {(gain > 0).sum()} of "
                    f"{len(gain)} fields"
                )


Row = tuple[str, int, int, int, float, float]


def field_rows(
    kind: str, number: int, arguments: argparse.Namespace, simulated: Examples | None
) -> Iterator[Row]:
    """What each choice in one field brings: the columns from `choice` on."""
    cells = field(kind, number, len(POOL) + len(REST))
    events = marked(cells)
    start: list[int] = []
    model: str | Path = "gru"
    with tempfile.TemporaryDirectory() as name:
        if arguments.from_nothing:
            rng = np.random.default_rng([number, 99])
            start = rng.choice(np.flatnonzero(events), FIRST, False).tolist()
            model = new_network(cells, start, Path(name))
        before = cells.f1(model, REST)
        errors = corrections(cells, model)
        for way, chosen in choices(cells, model, start, events, errors, number, arguments):
            labelled = [u for u in chosen if events[u]]
            after = before
            if labelled:
                after = learned(cells, start, labelled, arguments, simulated)
            numbers = len(labelled), int(events[chosen].sum()), int(errors[chosen].sum())
            yield (way, *numbers, before, after)


def choices(
    cells: Cells,
    model: str | Path,
    start: list[int],
    events: np.ndarray,
    errors: np.ndarray,
    number: int,
    arguments: argparse.Namespace,
) -> Iterator[tuple[str, list[int]]]:
    """Ways of choosing and what they choose."""
    s, n = cells.simulated, arguments.chosen
    c = None if cells.c is None else cells.c[POOL]
    rest = [u for u in POOL if u not in start]
    rng = np.random.default_rng(number)
    by_chance = [rng.choice(rest, n, False).tolist() for _ in range(2000)]
    ranked = {
        by: label_next(
            s.dff[POOL], s.frame_rate, c=c, unit_ids=POOL, labelled=start, model=model, by=by
        )
        for by in ORDERS
    }
    like = events[ranked["corrections"].index[:n]].sum()
    for way in arguments.ways:
        if way in ranked:
            yield way, ranked[way].index[:n].tolist()
        elif way == "chance":
            yield from ((way, chosen) for chosen in by_chance[: arguments.draws])
        elif way == "chance, as many":
            yield way, min(by_chance, key=lambda chosen: abs(events[chosen].sum() - like))
        else:
            yield way, sorted(rest, key=lambda u: -errors[u])[:n]


def corrections(cells: Cells, model: str | Path) -> np.ndarray:
    """Missed and false transients of the model, per cell of the pool."""
    s = cells.simulated
    c = None if cells.c is None else cells.c[POOL]
    found = detect_transients(s.dff[POOL], s.frame_rate, c=c, unit_ids=POOL, model=model)
    truth = s.spans[s.spans["unit_id"].isin(POOL)]
    scores = score_transients(found, truth, s.frame_rate, usual_tolerance_s(s.frame_rate)).cells
    return (scores["fp"] + scores["fn"]).reindex(POOL, fill_value=0).to_numpy()


def marked(cells: Cells) -> np.ndarray:
    """Transients that a person sees, per cell of the pool."""
    spans = cells.simulated.spans
    seen = spans.loc[spans["snr"] >= 3, "unit_id"]
    return np.bincount(seen, minlength=len(POOL))[: len(POOL)]


def learned(
    cells: Cells,
    start: list[int],
    labelled: list[int],
    arguments: argparse.Namespace,
    simulated: Examples | None,
) -> float:
    """Event F1 on the other cells after learning."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if arguments.from_nothing:
            return cells.f1(new_network(cells, start + labelled, folder), REST)
        if simulated is None:
            data = [cells.labels(labelled)]
            return cells.f1(tune(data, TuningConfig("label-next", folder=folder)), REST)
        return cells.f1(short_learning(cells, labelled, simulated, folder), REST)


def new_network(cells: Cells, labelled: list[int], folder: Path) -> Path:
    """A network that knows these cells alone."""
    config = OwnTrainingConfig(
        "label-next", steps=100, batch=16, window=200, validation=0, folder=folder
    )
    return train_on_own([cells.labels(sorted(labelled))], config)


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
