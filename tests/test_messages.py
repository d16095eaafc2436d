"""Messages: English for programs, key and values for the page, and a sentence in any language that has a catalogue."""

from __future__ import annotations

import copy
import json
import pickle

import pytest

from eimg_core.errors import InputError
from eimg_core.messages import Message, message, messages_in, translated
from eimg_core.ui.server.faults import GENERAL, sentence

FAR = message("{name} is {kind}.", name='"a.svg"', kind=message("a drawing"))
GERMAN = {"{name} is {kind}.": "{kind}: {name}", "a drawing": "eine Zeichnung", ", ": " und ", "calm": "ruhig"}


def test_a_message_is_its_english_sentence() -> None:
    assert FAR == '"a.svg" is a drawing.'
    assert f"{FAR}" == str(FAR) == "".join(FAR)
    assert type(str(FAR)) is str
    assert json.loads(json.dumps({"said": FAR})) == {"said": '"a.svg" is a drawing.'}
    assert str(InputError(FAR)) == '"a.svg" is a drawing.'
    assert message("as it {stands}") == "as it {stands}"


def test_it_is_said_in_another_language_with_what_stands_in_it() -> None:
    assert translated(FAR, GERMAN) == 'eine Zeichnung: "a.svg"'
    assert translated(message("It is {word}.", word=message("calm")), GERMAN) == "It is ruhig."
    assert translated("calm", GERMAN) == "ruhig"
    assert translated(FAR, {}) == FAR


def test_a_list_is_joined_as_the_language_joins_it() -> None:
    listed = message("Choose from: {names}.", names=[message("calm"), "tvae", 3])
    assert listed == "Choose from: calm, tvae, 3."
    assert translated(listed, {**GERMAN, "Choose from: {names}.": "{names}?"}) == "ruhig und tvae und 3?"
    assert listed.wire() == {
        "key": "Choose from: {names}.",
        "values": {"names": [{"key": "calm", "values": {}}, "tvae", 3]},
    }


def test_a_hole_without_a_value_is_a_mistake() -> None:
    with pytest.raises(KeyError):
        message("{name} is {kind}.", name="x")


def test_the_page_is_told_of_every_message_with_values() -> None:
    value = {"state": "failed", "message": FAR, "cards": [{"remarks": (message("calm"), FAR, "plain")}], "n": 3}
    assert messages_in(value) == {'"a.svg" is a drawing.': FAR.wire()}


def test_copies_and_other_processes_keep_key_and_values() -> None:
    for same in (pickle.loads(pickle.dumps(FAR)), copy.deepcopy(FAR)):
        assert isinstance(same, Message)
        assert (same, same.key, same.values) == (FAR, FAR.key, FAR.values)


def test_a_fault_keeps_its_message_and_a_surprise_gets_general_words() -> None:
    assert sentence(InputError(FAR)).wire() == FAR.wire()
    assert sentence(InputError("Plain.")) == "Plain."
    assert sentence(ZeroDivisionError("secret")) is GENERAL
