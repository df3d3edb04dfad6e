"""Names that were probably meant."""

from __future__ import annotations

from tfmatrix.core.hints import nearest


def test_of_many_names_the_nearest_are_shown():
    names = [f"scenario_{number}" for number in range(180)] + ["lstm"]
    assert nearest(["lstmm"], names).startswith("lstm, ")
    assert nearest(["lstmm"], names).endswith(", … (181 in all)")
    assert nearest(["lstmm"], names).count(",") == 5
    assert nearest([], ["h5", "keras", "h5"]) == "h5, keras"
