"""The table of cells sorts, filters and stays fast."""

import time

import numpy as np
import pandas as pd
import pytest
from qtpy.QtCore import Qt

from napari_caltrig.widgets.cell_model import CellTableModel


@pytest.fixture
def table():
    return pd.DataFrame(
        {
            "status": ["accepted", "rejected", "unreviewed", "accepted"],
            "SNR": [3.0, np.nan, 12.5, np.inf],
            "reason": ["", "blood vessel", "", ""],
        },
        index=pd.Index([4, 0, 17, 9], name="unit_id"),
    )


def test_sorting_puts_cells_without_a_value_last(table):
    model = CellTableModel(table)
    column = model.columns.index("SNR")
    model.sort(column, Qt.SortOrder.AscendingOrder)
    assert model.unit_ids == [4, 17, 9, 0]
    model.sort(column, Qt.SortOrder.DescendingOrder)
    assert model.unit_ids == [9, 17, 4, 0]
    model.sort(0)
    assert model.unit_ids == [0, 4, 9, 17]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [4, 0, 17, 9]),
        ("accepted", [4, 9]),
        ("VESSEL", [0]),
        ("17", [17]),
        ("SNR > 5", [17, 9]),
        ("SNR > 5 and status == 'accepted'", [9]),
        ("unit_id < 5", [4, 0]),
        ("nothing like this", []),
    ],
)
def test_the_filter_takes_words_ids_and_expressions(table, text, expected):
    model = CellTableModel(table)
    model.set_filter(text)
    assert model.unit_ids == expected


@pytest.mark.parametrize("text", ["SNR >", "colour == 3", "SNR > > 2"])
def test_a_half_typed_filter_is_an_error_and_changes_nothing(table, text):
    model = CellTableModel(table)
    model.set_filter("accepted")
    with pytest.raises(ValueError, match="filter"):
        model.set_filter(text)
    assert model.unit_ids == [4, 9]


def test_new_values_keep_order_and_filter(table, qtbot):
    model = CellTableModel(table)
    model.set_filter("accepted")
    model.sort(0, Qt.SortOrder.DescendingOrder)
    with qtbot.waitSignal(model.dataChanged):
        model.set_table(table.assign(SNR=1.0))
    assert model.unit_ids == [9, 4]
    assert model.data(model.index(0, model.columns.index("SNR")), 0) == "1.00"


def test_a_new_cell_appears(table, qtbot):
    model = CellTableModel(table)
    more = pd.concat([table, table.iloc[:1].set_axis(pd.Index([99], name="unit_id"))])
    with qtbot.waitSignal(model.modelReset):
        model.set_table(more)
    assert model.rowCount() == 5
    assert model.rows_of([99, 4]) == [4, 0]


def test_a_thousand_cells_sort_without_lag():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {"status": rng.choice(["accepted", "rejected"], 1000), "SNR": rng.random(1000)},
        index=pd.Index(rng.permutation(1000), name="unit_id"),
    )
    model = CellTableModel(table)
    start = time.perf_counter()
    for column in range(3):
        model.sort(column)
        model.set_filter("SNR > 0.5")
    assert time.perf_counter() - start < 0.6
