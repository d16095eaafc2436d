"""A new option of composing is one new field: everything that offers options has it without another word."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

import pytest

from eimg_core.composer import Composition, Take
from eimg_core.emotion import VA
from eimg_core.errors import InputError
from eimg_core.options import OPTIONS, STORY_SECONDS, ComposeOptions, option_values, read_options
from eimg_core.studio import Studio
from tests.fake_studio import sketch

ROOT = Path(__file__).resolve().parents[1]

TOY = """    swing: float = _option(
        0.25, "Swing", "how uneven pairs of short notes are", low=0.0, high=0.5, step=0.25, address="sw", shown="create"
    )

    def __post_init__"""
# A program in which ``eimg_core.options`` has the toy from the first import on.
WITH_TOY = """
import sys, types
from pathlib import Path
source = Path("eimg_core/options.py").read_text(encoding="utf-8").replace("    def __post_init__", {toy!r}, 1)
module = types.ModuleType("eimg_core.options")
module.__file__ = "eimg_core/options.py"
sys.modules["eimg_core.options"] = module
exec(compile(source, "eimg_core/options.py", "exec"), module.__dict__)
from tests.toy_option import find
find()
"""


def test_a_new_option_is_everywhere_at_once():
    """``tests.toy_option.find`` looks for it on the command line, the page, in endpoints, tools, files and tables."""
    program = WITH_TOY.format(toy=TOY)
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = set(done.stdout.split())
    wanted = {"command-line", "endpoint", "page", "scripts", "link", "record", "recipe", "index", "table", "limits"}
    try:
        import mcp  # noqa: F401
    except ImportError:
        assert found == wanted
    else:
        assert found == wanted | {"tool"}


@pytest.mark.parametrize("name", [name for name, one in OPTIONS.items() if one.low is not None])
def test_every_limit_is_told_in_one_sentence(name):
    option = OPTIONS[name]
    for value in (option.low - 1, option.high + 1):
        with pytest.raises(InputError, match=f"^{option.title} must be from .*, not {re.escape(f'{value:.10g}')}\\.$"):
            ComposeOptions(**{name: option.kind(value)})
    assert option.usual is None or option.lowest_offered <= option.usual <= option.high


@pytest.mark.parametrize("name", [name for name, one in OPTIONS.items() if one.choices])
def test_every_choice_is_told_in_one_sentence(name):
    option = OPTIONS[name]
    assert [getattr(ComposeOptions(**{name: choice}), name) for choice in option.choices] == list(option.choices)
    listed = ", ".join(map(str, option.choices))
    for wrong in (99, "H" * 50):
        with pytest.raises(InputError) as told:
            ComposeOptions(**{name: wrong})
        assert str(told.value).startswith(f"{option.title} must be one of {listed}, not ")
        assert len(str(told.value)) < len(listed) + 80


def test_what_is_locked_is_what_composers_count_with():
    locked = ComposeOptions(key="F#", mode="minor", meter="6/8")
    assert (locked.tonic, locked.minor, locked.bar_meter) == (6, True, (6, 8))
    free = ComposeOptions()
    assert (free.tonic, free.minor, free.bar_meter) == (None, None, None)


def test_a_story_has_limits_of_its_own():
    with pytest.raises(InputError, match="Length in seconds must be from 20 to 120, not 12"):
        STORY_SECONDS.check(12.0)


def test_options_survive_the_way_through_plain_values():
    options = ComposeOptions(3, 20.0, VA(2.5, 1 / 3 + 1), 5, False, 1.3, -0.25, 4, "Eb", "minor", 97.5, "3/4", 8)
    assert read_options(option_values(options)) == options
    assert read_options({}) == ComposeOptions(takes=OPTIONS["takes"].usual), "what is missing is as usual"


def test_flags_and_addresses_are_each_their_own():
    flags = [flag for one in OPTIONS.values() for flag in one.flag.split()]
    addresses = [name for one in OPTIONS.values() for name in one.address.split()]
    assert len(set(flags)) == len(flags)
    assert len({*addresses, "pairing"}) == len(addresses) + 1


def test_the_command_line_reads_every_option():
    from eimg_core.cli.common import options_of
    from eimg_core.cli.main import command_parser

    words = "compose x.jpg --seed 4 --seconds 9 --takes 3 --as-written --tempo 0.8 --density -0.5 --keep 2 "
    words += "--key Eb --mode minor --bpm 97.5 --meter 3/4 --loop 8"
    args: argparse.Namespace = command_parser().parse_args(words.split())
    assert options_of(args) == ComposeOptions(4, 9.0, None, 3, False, 0.8, -0.5, 1, "Eb", "minor", 97.5, "3/4", 8)


def test_tempo_plays_the_same_piece_and_the_same_takes_faster_or_slower(monkeypatch, tmp_path):
    """Whatever the music autoencoder would make of another tempo, it is asked for its own."""

    class Composing:
        def compose(self, photo, photo_va, options, progress=None, own_target=None):
            target, asked = options.target, (options.tempo, options.seed)
            takes = tuple(Take(sketch(target, hash((asked, n)) % 1000, 12.0), target, float(n)) for n in range(4))
            return Composition(takes[0].piece, "a+b", options, None, target, takes=takes)

    studio = Studio(tmp_path)
    monkeypatch.setattr(studio, "pipeline", lambda pairing: Composing())
    usual, fast = (
        studio.compose(None, "a+b", ComposeOptions(seed=4, takes=4, target=VA(6.0, 6.0), tempo=tempo))
        for tempo in (1.0, 1.25)
    )
    assert fast.piece == usual.piece.faster(1.25) != usual.piece
    assert [take.piece for take in fast.takes] == [take.piece.faster(1.25) for take in usual.takes]
    assert (fast.options.tempo, fast.made_by.options.tempo) == (1.25, 1.25)
