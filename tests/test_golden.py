"""The music does not change by accident: some thirty pieces, event by event. See ``tests/golden.py``."""

from __future__ import annotations

import json

import pytest

from tests.golden import RECORD, in_plain_process, versions


@pytest.mark.slow
def test_golden_compositions_are_as_they_were():
    known = json.loads(RECORD.read_text(encoding="utf-8"))
    if (found := versions()) != known["made_with"]:
        pytest.skip(
            f"recorded with {known['made_with']}, this is {found}: run `python -m tests.golden` before a change"
        )
    done = in_plain_process("--print")
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)["pieces"]
    assert list(made) == list(known["pieces"])
    assert [key for key in made if made[key] != known["pieces"][key]] == []


def test_every_shipped_pairing_and_variant_is_among_them():
    from eimg_core.pipeline import available, variants

    golden = set(json.loads(RECORD.read_text(encoding="utf-8"))["pieces"])
    for pairing in available():
        for variant in variants(pairing):
            assert {pairing, f"{pairing}@{variant}"} & golden, f"{pairing}@{variant}"
