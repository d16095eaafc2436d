"""The table of versions: what pytest said is counted, and a later run replaces an earlier one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.tables import versions
from benchmarks.versions import SHOWN, counts, main


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("3064 passed, 38 skipped, 179 deselected, 55 warnings in 528.45s (0:08:48)", (3064, 0, 38)),
        ("1 failed, 3063 passed, 38 skipped in 5s", (3063, 1, 38)),
        ("2 failed, 7 passed, 1 error in 5s", (7, 3, 0)),
        ("3 errors in 0.5s", (0, 3, 0)),
    ],
)
def test_the_last_line_is_counted(line: str, expected: tuple[int, int, int]) -> None:
    log = f"...s.. [100%]\n1 passed, as a test may print\n{line}\n"
    assert tuple(counts(log).values()) == expected


def test_a_log_without_counts_is_refused() -> None:
    with pytest.raises(ValueError, match="no line that counts"):
        counts("ERROR: no tests ran\n")


def test_a_run_is_kept_once_for_each_python_and_choice(tmp_path: Path) -> None:
    log, out = tmp_path / "log.txt", tmp_path / "versions.json"
    for which, line in (("newest", "1 failed, 2 passed"), ("lowest", "5 passed"), ("newest", "3 passed, 1 skipped")):
        log.write_text(line + " in 1s\n")
        main([which, str(log), "--out", str(out)])
    rows = json.loads(out.read_text())
    assert [(row["which"], row["passed"], row["failed"], row["skipped"]) for row in rows] == [
        ("lowest", 5, 0, 0),
        ("newest", 3, 0, 1),
    ]
    table = versions(rows).splitlines()
    assert len(table) == 4
    assert all(table[0].count(name) == 1 for name in SHOWN)
    assert len({line.count("|") for line in table}) == 1
