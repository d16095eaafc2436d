"""Two versions in one table: medians over rounds, and rows found by how they begin."""

from __future__ import annotations

from typing import Any

from benchmarks.before_after import SHOWN, compared
from benchmarks.tables import before_after


def rows(seconds: float, limit: float, further: str) -> list[dict[str, Any]]:
    """What ``benchmarks.speed`` gives, with a row that is not shown."""
    shown = [{"what": begins + further, "ours": seconds, "limit": ["alone", limit]} for begins in SHOWN]
    return [{"what": "opening a photo", "ours": 1.0, "limit": None}, *shown]


def test_versions_are_compared_by_medians_over_rounds() -> None:
    rounds = [(rows(8.0, 1.0, ", 4 takes"), rows(ours, 2.0, ", 8 takes")) for ours in (9.0, 6.0, 4.0)]
    found = compared(rounds)
    assert len(found) == len(SHOWN)
    for one in found:
        assert (one["before"]["seconds"], one["before"]["over"]) == (8.0, 8.0)
        assert (one["after"]["seconds"], one["after"]["limit_s"], one["after"]["over"]) == (6.0, 2.0, 3.0)

    packed = {"what": "the decoder's matrices of 15 s, as they are packed", "ours": 1.0, "plain": ["in float32", 5.0]}
    (*_, short, long) = compared([(rows(8.0, 1.0, ", 4 takes"), [*rows(10.0, 2.0, ", 8 takes"), packed])])
    assert (short["before"]["over"], short["after"]["limit_s"], short["after"]["over"]) == (8.0, 5.0, 2.0)
    assert long["after"]["limit_s"] == 2.0

    circumstances = {"before": "abc of 2026-01-01", "cores": 2, "python": "3.11", "command": "x", "date": "2026-01-02"}
    table = before_after({"rows": found, **circumstances}).splitlines()
    assert f"{SHOWN[0]}, 8 takes (before: {SHOWN[0]}, 4 takes)" in table[2]
    assert "| 8 s | 1 s | **8 ×** | 6 s | 2 s | **3 ×** |" in table[2]
    assert len({line.count("|") for line in table[: 2 + len(SHOWN)]}) == 1
