"""What a cluster would make on paper follows from what was measured."""

from __future__ import annotations

import pytest

from benchmarks.cluster import on_paper
from benchmarks.tables import cluster

MEASURED = {"wall_s": 50.0, "took_s": 2.0, "here_s": 0.1, "pieces": 40.0}


def test_two_workers_tell_what_a_piece_costs_and_what_many_would_make() -> None:
    paper = on_paper(MEASURED, workers=2, many=8)
    assert paper["rate"] == pytest.approx(48.0), "40 pieces in 50 s"
    assert paper["overhead_s"] == pytest.approx(0.5), "each of the two had 2.5 s for a piece"
    assert paper["many_rate"] == pytest.approx(8 * 24.0)
    assert paper["most"] == pytest.approx(600.0)


def test_one_machine_cannot_hand_out_more_than_it_can() -> None:
    assert on_paper(MEASURED, workers=2, many=64)["many_rate"] == pytest.approx(600.0)


def test_the_table_has_a_row_for_each_and_one_on_paper() -> None:
    rows = [{"workers": n, **MEASURED, **on_paper(MEASURED, n, 64)} for n in (1, 2)]
    record = {"rows": rows, "many": 64, "cores": 2, "python": "3.11", "command": "x", "date": "2026-11-27"}
    lines = cluster(record).splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:5]] == ["1", "2", "64, on paper"]
    assert "**48**" in lines[3]
