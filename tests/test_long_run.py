"""The long run sees what grows, what waits, and what goes wrong."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.long_run import ACTIONS, Guest, Ledger, draw, growth, sample

ROWS = [
    {"minute": n, "memory_mb": 900.0 + 2 * n, "files_mb": 5.0, "handles": 20, "threads": 6, "waits_s": {}}
    for n in range(1, 41)
]


class Calm(Guest):
    """Answers at once, or as it is told."""

    def __init__(self) -> None: ...

    def read_photo(self) -> bool:
        return True

    def story(self) -> bool:
        return False

    def compare(self) -> bool:
        raise RuntimeError("gone away")


def test_growth_is_between_the_last_two_quarters() -> None:
    assert growth(ROWS, "memory_mb") == pytest.approx(20.0), "2 MB a minute, and 10 minutes between the two"
    assert growth(ROWS, "files_mb") == 0.0
    assert growth(ROWS[:1], "memory_mb") == 0.0, "one row has nothing to grow from"


def test_a_wrong_answer_and_a_fault_are_findings_and_their_waits_do_not_count() -> None:
    ledger, guest = Ledger(), Calm()
    for action in (Calm.read_photo, Calm.read_photo, Calm.story, Calm.compare):
        ledger.act(guest, action)
    assert ledger.done == 2
    assert dict(ledger.findings) == {
        "story: an answer that is not what was asked for": 1,
        "compare: RuntimeError: gone away": 1,
    }
    assert list(ledger.waits()) == ["read_photo"]
    assert ledger.waits() == {}, "each minute has waits of its own"


def test_every_action_is_one_that_a_guest_can_do() -> None:
    assert {action.__name__ for action in ACTIONS} <= set(vars(Guest))


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="only Linux tells")
def test_a_sample_counts_files_and_handles(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "piece.wav").write_bytes(bytes(2_000_000))
    before = sample(os.getpid(), tmp_path)
    with (tmp_path / "a" / "piece.wav").open():
        after = sample(os.getpid(), tmp_path)
    assert (before["files"], before["files_mb"]) == (1, 2.0)
    assert after["handles"] >= before["handles"] + 1
    assert before["memory_mb"] > 10


def test_the_run_is_drawn(tmp_path: Path) -> None:
    rows = [row | {"waits_s": {"compose_point": 1.5}} for row in ROWS]
    draw({"rows": rows}, tmp_path / "run.png")
    assert (tmp_path / "run.png").read_bytes().startswith(b"\x89PNG")
