"""Figures show what the tables say, in files that a journal takes."""

import re
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from napari_caltrig import Behaviour, Clock, Curation, Footprints, Transients, measure
from napari_caltrig.curation import CellStatus
from napari_caltrig.measures.aligned import aligned_means
from napari_caltrig.measures.figures import (
    FIGURES,
    FigureError,
    compare,
    draw,
    figure_steps,
    save_figure,
)
from napari_caltrig.measures.figures.distributions import bin_edges, cumulative_curve
from napari_caltrig.steps import run


@pytest.fixture
def measures(recording):
    rng = np.random.default_rng(0)
    spans = []
    for unit_id in recording.unit_ids[:8].tolist():
        onsets = np.sort(rng.choice(np.arange(10, 560, 12), 9, replace=False))
        spans += [(unit_id, o, o + 1 + unit_id % 3, o + 10) for o in onsets]
    table = pd.DataFrame(spans, columns=["unit_id", "onset", "peak", "end"])
    statuses = {0: "accepted", 2: "accepted", 3: "accepted", 5: "rejected", 8: "rejected"}
    curation = Curation.of(recording)
    curation = curation.replace(
        transients=Transients(table),
        statuses={**curation.statuses, **{u: CellStatus(s) for u, s in statuses.items()}},
        groups={"left": (0, 2), "near the lens": (2, 3)},
    )
    return measure(recording, curation)


def texts(figure):
    import matplotlib.text

    return [t.get_text() for t in figure.findobj(matplotlib.text.Text)]


@pytest.mark.parametrize(
    ("name", "file_format"),
    [*((name, "svg") for name in FIGURES), ("footprints", "pdf"), ("cell-means", "png")],
)
def test_every_figure_is_written_in_a_format_of_journals(measures, tmp_path, name, file_format):
    written = run(figure_steps(measures, tmp_path, [name], file_format=file_format))
    assert written.files == [tmp_path / f"{name}.{file_format}"]
    content = written.files[0].read_bytes()
    starts = {"svg": b"<?xml", "pdf": b"%PDF", "png": b"\x89PNG"}
    assert content.startswith(starts[file_format])
    if file_format == "svg":
        text = content.decode()
        assert "mouse1" in re.findall(r">([^<>]*mouse1[^<>]*)</text>", text)[0]
        assert '<use xlink:href="#DejaVu' not in text  # no glyph is a path


def test_the_same_data_give_the_same_file(measures, tmp_path):
    one, two = (
        save_figure(draw("raster", measures), tmp_path / n).read_bytes() for n in ("a.svg", "b.svg")
    )
    assert one == two


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("amplitudes", {"by": "cell", "bins": "12", "log": "yes"}),
        ("amplitudes", {"show": "cumulative", "measure": "decay_time_s", "cells": "accepted"}),
        ("intervals", {"show": "histogram", "cells": "0,2,3"}),
        ("cell-means", {"kind": "violin", "by": "group"}),
        ("cell-means", {"by": "nothing", "points": "no"}),
        ("accepted-rejected", {"unit": "cell", "log": "yes"}),
        ("raster", {"order": "number of transients", "events": "no", "bin_s": "5"}),
        ("raster", {"order": "first transient", "cells": "group:left"}),
        ("peri-event-average", {"event": "RNF", "baseline": "no", "before_s": "0"}),
        ("peri-event-heatmap", {"event": "ALP", "after_s": "1"}),
        ("footprints", {"color": "group", "ids": "no", "image": "none"}),
        ("footprints", {"color": "one colour", "level": "0.3", "image": "max projection"}),
        ("traces", {"cells": "kept", "number": "3", "start_s": "5", "length_s": "10"}),
    ],
)
def test_every_option_is_taken(measures, tmp_path, name, options):
    assert save_figure(draw(name, measures, options), tmp_path / "x.png").stat().st_size > 5000


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("nothing", {}, "there are amplitudes"),
        ("raster", {"bins": 3}, "has no option bins; it has cells"),
        ("amplitudes", {"bins": "many"}, "bins is a number"),
        ("amplitudes", {"bins": 1000}, "between 0 and 200"),
        ("amplitudes", {"show": "pie"}, "one of both, histogram"),
        ("amplitudes", {"cells": "some"}, "kept, accepted"),
        ("amplitudes", {"cells": "0,1"}, "no such cell: 1"),
        ("amplitudes", {"log": "maybe"}, "yes or no"),
        ("footprints", {"image": "mean"}, "there are max projection"),
    ],
)
def test_wrong_options_say_what_would_be_right(measures, name, options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        draw(name, measures, options)


# What is drawn ------------------------------------------------------------------


def test_the_test_is_that_of_kolmogorov_and_smirnov(measures):
    table = measures.transients
    one, two = (table.loc[table["status"] == s, "amplitude"] for s in ("accepted", "rejected"))
    test = compare(measures, "amplitude")
    expected = stats.ks_2samp(one, two)
    assert (test.n_accepted, test.n_rejected) == (27, 18)
    assert test.statistic == pytest.approx(expected.statistic)
    assert test.p_value == pytest.approx(expected.pvalue)
    assert compare(measures, "amplitude", "cell").n_accepted == 3
    shown = [t for t in texts(draw("accepted-rejected", measures)) if t.startswith("KS")]
    assert len(shown) == 4 and f"D = {expected.statistic:.2f}" in "".join(shown)


def test_different_distributions_are_told_apart(measures):
    changed = measures.transients.copy()
    changed.loc[changed["status"] == "rejected", "amplitude"] += 100
    from dataclasses import replace

    assert compare(replace(measures, transients=changed), "amplitude").p_value < 1e-6


def test_a_cumulative_curve_reaches_one_at_the_largest_value():
    x, share = cumulative_curve(np.array([3.0, 1.0, 2.0, 2.0]))
    assert x.tolist() == [1, 1, 2, 2, 3]
    assert share.tolist() == [0, 0.25, 0.5, 0.75, 1.0]


def test_bins_cover_the_values():
    values = np.random.default_rng(0).exponential(1, 500)
    assert len(bin_edges(values, 25)) == 26
    automatic = bin_edges(values, 0)
    assert 6 <= len(automatic) <= 61
    assert np.quantile(values, [0.01, 0.99]) == pytest.approx(
        np.clip(np.quantile(values, [0.01, 0.99]), automatic[0], automatic[-1])
    )
    assert len(bin_edges(np.array([2.0]), 0)) >= 2


def test_traces_around_events_are_averaged_without_what_is_missing():
    y = np.tile(np.arange(100.0), (2, 1))
    y[1, 50] = np.nan
    means = aligned_means(y, [20, 50, 99], 2, 3, subtract_baseline=False)
    assert means.shape == (2, 6)
    np.testing.assert_allclose(means[0, 2], np.mean([20, 50, 99]))
    np.testing.assert_allclose(means[1, 2], np.mean([20, 99]))
    np.testing.assert_allclose(means[0, 5], np.mean([23, 53]))  # the last event has no frame there
    rise = aligned_means(y, [20, 60], 2, 3)
    np.testing.assert_allclose(rise[0], np.arange(-2, 4) + 1.5)


def test_the_heatmap_puts_the_strongest_answer_first(recording):
    dff = np.zeros((12, 600))
    dff[4, 301:320] = 5.0
    recording = recording.replace(traces={"dff": dff}, behaviour=Behaviour({"go": np.array([300])}))
    figure = draw("peri-event-heatmap", measure(recording), {"after_s": 1})
    image = figure.axes[0].images[0].get_array()
    assert image[0].max() == 5.0 and abs(image[1:]).max() == 0
    assert figure.axes[0].get_yticklabels()[0].get_text() == "8"


def test_a_comma_in_the_name_of_a_group_makes_no_other_groups(measures):
    from dataclasses import replace

    groups = {"tagged, late": (0, 2), "late": (3,)}
    named = measure(measures.recording, replace(measures).curation.replace(groups=groups))
    labels = [
        t.get_text().replace("\n", " ")
        for t in draw("cell-means", named, {"by": "group"}).axes[0].get_xticklabels()
    ]
    assert labels == ["late (n = 1)", "tagged, late (n = 2)", "no group (n = 5)"]
    figure = draw("raster", named, {"cells": "group:tagged, late"})
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == ["0", "2"]
    handles = draw("footprints", named, {"color": "group"}).legends[0].get_texts()
    assert [t.get_text() for t in handles] == ["late", "tagged, late", "no group"]


def boxes(figure, artists):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure).draw()
    return [artist.get_window_extent() for artist in artists]


def test_long_names_do_not_overlap(measures):
    from dataclasses import replace

    groups = {f"engram cells of context {i}": (u,) for i, u in enumerate((0, 2, 3, 5, 8))}
    events = {f"tone {i} (85 dB)": np.array([100 * i + 50]) for i in range(5)}
    recording = measures.recording.replace(
        name="mouse 12 day 3 hippocampus", behaviour=Behaviour(events)
    )
    named = measure(recording, replace(measures).curation.replace(groups=groups))
    figure = draw("cell-means", named, {"by": "group"})
    labels = boxes(figure, figure.axes[0].get_xticklabels())
    assert not any(a.overlaps(b) for a, b in pairwise(labels))
    for figure in (draw("raster", named), draw("footprints", named, {"color": "group"})):
        legend, title = boxes(figure, [figure.legends[0], figure.axes[0]._left_title])
        assert not legend.overlaps(title)
        assert legend.x0 >= 0 and legend.x1 <= figure.bbox.x1


def test_figures_stay_on_a_page(measures):
    events = {f"event {i}": np.array([100]) for i in range(11)}
    many = measure(measures.recording.replace(behaviour=Behaviour(events)))
    assert draw("peri-event-average", many).get_figwidth() < 11
    column = np.zeros((1, 400, 20))
    column[0, 200:210, 5:15] = 1
    tall = measures.recording.replace(
        footprints=Footprints.from_dense(column, [0]), traces={}, movies={}, summary_images={}
    )
    assert draw("footprints", measure(tall)).get_figheight() < 9


def test_a_figure_replaces_a_file_when_it_is_whole(measures, tmp_path, monkeypatch):
    from matplotlib.figure import Figure

    path = save_figure(draw("traces", measures), str(tmp_path / "traces.svg"))
    before = path.read_bytes()

    def full(self, file, **_):
        file.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Figure, "savefig", full)
    with pytest.raises(OSError, match="No space"):
        save_figure(draw("traces", measures), path)
    assert path.read_bytes() == before
    assert not list(tmp_path.glob(".*"))


def test_the_map_names_all_cells(measures):
    shown = texts(draw("footprints", measures))
    assert {str(u) for u in measures.recording.unit_ids} <= set(shown)


# What is missing ----------------------------------------------------------------


def test_what_cannot_be_drawn_is_named_and_the_rest_is_there(recording, tmp_path):
    bare = recording.replace(clock=Clock(600), behaviour=Behaviour(), movies={}, summary_images={})
    written = run(figure_steps(measure(bare), tmp_path))
    assert {f.stem for f in written.files} == {"footprints", "traces"}
    assert written.missing.keys() == FIGURES.keys() - {"footprints", "traces"}
    assert "detect or mark" in written.missing["amplitudes"]
    assert "no behaviour events" in written.missing["peri-event-average"]
    assert "accept and reject" in written.missing["accepted-rejected"]


def test_without_a_frame_rate_figures_are_in_frames(measures):
    from dataclasses import replace

    recording = measures.recording.replace(clock=Clock(600))
    frames = measure(recording, replace(measures).curation)
    for name in ("raster", "traces", "peri-event-average", "peri-event-heatmap"):
        assert any("frame" in t for t in texts(draw(name, frames))), name
    with pytest.raises(FigureError, match="interval"):
        draw("intervals", frames)


def test_a_movie_alone_has_no_figures(recording, tmp_path):
    alone = recording.replace(footprints=Footprints.empty(recording.shape), traces={}, quality={})
    written = run(figure_steps(measure(alone), tmp_path))
    assert written.files == [] and set(written.missing) == set(FIGURES)


def test_one_cell_with_one_transient(recording, tmp_path):
    spans = pd.DataFrame({"unit_id": [5], "onset": [50], "peak": [53], "end": [70]})
    curation = Curation.of(recording).replace(
        transients=Transients(spans), statuses={5: CellStatus("accepted")}
    )
    written = run(figure_steps(measure(recording, curation), tmp_path, options={"cells": "5"}))
    assert set(written.missing) == {"intervals", "accepted-rejected"}
