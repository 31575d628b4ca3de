"""A table of transients cannot be wrong."""

import numpy as np
import pandas as pd
import pytest

from napari_caltrig import Transients


def table(**columns):
    base = {"unit_id": [1, 1, 5], "onset": [0, 20, 3], "peak": [4, 22, 3], "end": [9, 40, 4]}
    return pd.DataFrame({**base, **columns})


def test_missing_facts_are_filled_in():
    transients = Transients(table())
    assert len(transients) == 3
    assert transients.table()["probability"].isna().all()
    assert (transients.table()["method"] == "").all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"onset": [-1, 20, 3]}, "onset -1"),
        ({"peak": [4, 19, 3]}, "row 1"),
        ({"end": [4, 40, 4]}, "end 4"),
        ({"probability": [0.5, 1.5, 0.1]}, "between 0 and 1"),
    ],
)
def test_impossible_transients_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        Transients(table(**change))


def test_a_missing_column_is_named():
    with pytest.raises(ValueError, match="peak"):
        Transients(table().drop(columns="peak"))


def test_the_table_given_out_is_a_copy():
    transients = Transients(table())
    given = transients.table()
    given["onset"] = 0
    assert transients.table()["onset"].tolist() == [0, 20, 3]


def test_ids_stay_with_their_transients():
    transients = Transients(table().set_axis([7, 9, 11]))
    assert transients.of(1).ids.tolist() == [7, 9]
    assert transients.without([9]).ids.tolist() == [7, 11]
    assert transients.take([11, 7]).ids.tolist() == [11, 7]
    assert transients.counts([5, 1, 99]).tolist() == [1, 2, 0]
    assert transients.without([7]).plus(transients.take([7])).ids.tolist() == [9, 11, 7]
    with pytest.raises(ValueError, match="same id"):
        transients.plus(transients.take([7]))


def test_an_empty_table_is_fine():
    assert len(Transients()) == 0
    assert Transients().counts([1, 2]).tolist() == [0, 0]
    assert Transients().plus(Transients(table())) == Transients(table())
    assert np.array_equal(Transients().table().columns, Transients(table()).table().columns)
