"""Tables are there whole or not at all."""

import pandas as pd
import pytest

from napari_caltrig.measures.saving import save_table


@pytest.mark.parametrize(("ending", "writer"), [("csv", "to_csv"), ("parquet", "to_parquet")])
def test_a_full_disk_leaves_the_table_that_was_there(tmp_path, monkeypatch, ending, writer):
    table = pd.DataFrame({"rate_hz": [0.1, 0.2]}, index=pd.Index([3, 7], name="unit_id"))
    path = save_table(table, tmp_path / f"cells.{ending}")
    before = path.read_bytes()

    def full(self, file, **_):
        file.write_bytes(b"unit_id,ra")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, writer, full)
    with pytest.raises(OSError, match="No space"):
        save_table(table * 2, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_table_replaces_an_earlier_one(tmp_path):
    path = tmp_path / "cells.csv"
    for rate in (0.1, 0.2):
        save_table(pd.DataFrame({"rate_hz": [rate]}), path)
    assert pd.read_csv(path)["rate_hz"].tolist() == [0.2]
