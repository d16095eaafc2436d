"""Looks for an option called ``swing`` wherever options are offered; see ``tests.test_options``.

Runs in a process of its own, in which ``eimg_core.options`` has that field. Prints the name of every place.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from importlib.util import find_spec
from pathlib import Path

from eimg_core.batch import _COLUMNS
from eimg_core.cli.common import options_of
from eimg_core.cli.main import command_parser
from eimg_core.errors import InputError
from eimg_core.exports.record import describe, recipe_of
from eimg_core.options import USUAL_TAKES, ComposeOptions, options_table, read_options
from eimg_core.recipe import Recipe
from tests.fake_studio import FakeStudio

NAME, VALUE = "swing", 0.5


def find() -> None:
    chosen = read_options({NAME: VALUE})
    assert getattr(chosen, NAME) == VALUE
    args = command_parser().parse_args(["compose", "x.jpg", "--swing", str(VALUE)])
    _say("command-line", options_of(args) == ComposeOptions(takes=USUAL_TAKES, **{NAME: VALUE}))
    _say("recipe", Recipe.parse(Recipe("a+b", chosen).value()).options == chosen)
    _say("index", NAME in _COLUMNS)
    _say("table", "| `swing` | number, 0 to 0.5 | 0.25 | `--swing` | `sw` |" in options_table())
    made = FakeStudio().compose(None, "vqvae+fnt", read_options({NAME: VALUE, "target": {"valence": 5, "arousal": 5}}))
    _say("record", getattr(recipe_of(describe(made, {})).options, NAME) == VALUE)
    try:
        ComposeOptions(**{NAME: 0.75})
    except InputError as error:
        _say("limits", str(error) == "Swing must be from 0 to 0.5, not 0.75.")
    _find_on_the_page()
    if find_spec("mcp"):
        _find_in_tools()


def _find_on_the_page() -> None:
    from eimg_core.ui import app
    from eimg_core.ui.languages import english

    demo = app.build_ui(FakeStudio(), examples=Path("none"), pieces=Path(tempfile.gettempdir()))
    config = demo.get_config_file()
    shown = [each["props"] for each in config["components"] if each["props"].get("elem_id") == NAME]
    found = [(english(one["label"]), one["minimum"], one["maximum"], one["value"]) for one in shown]
    _say("page", found == [("Swing", 0, 0.5, 0.25)])
    arguments = demo.get_api_info()["named_endpoints"]["/compose"]["parameters"]
    _say("endpoint", [one["parameter_default"] for one in arguments if one["parameter_name"] == NAME] == [0.25])
    scripts = [str(each.get("js")) for each in config["dependencies"]]
    _say("scripts", sum(json.dumps(NAME) in script for script in scripts) >= 2)
    _say("link", any('"address": "sw"' in script for script in scripts))


def _find_in_tools() -> None:
    from eimg_core.agents.server import agent_server

    tools = asyncio.run(agent_server(FakeStudio(), Path(tempfile.gettempdir())).list_tools())
    schema = next(tool.inputSchema for tool in tools if tool.name == "compose")["properties"][NAME]
    _say("tool", (schema["minimum"], schema["maximum"], schema["default"]) == (0, 0.5, 0.25))


def _say(place: str, found: bool) -> None:
    if found:
        print(place)
