"""Sentences for people, in any language: the English template with named holes, and the values that stand in them.

As in gettext, the English template is the key of a message, so that the source stays readable and whatever a catalogue
lacks is still a sentence. A ``Message`` *is* its English sentence; programs read it as the string that it is, and the
page, which gets key and values as well, says it in the visitor's language.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

__all__ = ["LIST_SEPARATOR", "Message", "message", "messages_in", "translated", "with_messages"]

LIST_SEPARATOR = ", "  # between the items of a list; a key of its own, since not every language has this comma


class Message(str):
    """A sentence or a word in English, with what it takes to say it in another language.

    Attributes:
        key: the English template, such as ``The length must be {shortest} to {longest} seconds, not {seconds}.``
        values: name of a hole → a number or a text that is the same in every language, another message, or a sequence
            of these, which is said as a list.
    """

    key: str
    values: Mapping[str, Any]

    def __new__(cls, key: str, /, **values: Any) -> Message:
        filled = key.format(**{name: _plain(value) for name, value in values.items()}) if values else key
        made = super().__new__(cls, filled)
        made.key, made.values = str(key), values
        return made

    def wire(self) -> dict[str, Any]:
        """Key and values as plain JSON values; messages among the values have the same form."""
        return {"key": self.key, "values": {name: _wired(value) for name, value in self.values.items()}}


def message(key: str, /, **values: Any) -> Message:
    """The message of an English template.

    Args:
        key: the template; without ``values`` it is taken as it stands.
        values: one for each ``{name}`` in it, formatted by the caller where a number needs a format.
    Raises:
        KeyError: the template has a hole without a value.
    """
    return Message(key, **values)


def translated(text: str, catalogue: Mapping[str, str]) -> str:
    """A message in the language of a catalogue (English template → template); in English where that lacks it.

    A plain string is the key of a message without values.
    """
    told = text if isinstance(text, Message) else Message(text)
    template = catalogue.get(told.key, told.key)
    if not told.values:
        return template
    return template.format(**{name: _spoken(value, catalogue) for name, value in told.values.items()})


def messages_in(value: Any) -> dict[str, dict[str, Any]]:
    """The messages with values that are anywhere inside a JSON value: English sentence → its ``wire`` form."""
    return {str(found): found.wire() for found in _messages(value) if found.values}


def with_messages(value: Any) -> Any:
    """A dict that goes to the page, and as ``messages`` the key and the values of each English sentence in it."""
    found = messages_in(value) if isinstance(value, dict) else {}
    return {**value, "messages": found} if found else value


def _messages(value: Any) -> Iterator[Message]:
    if isinstance(value, Message):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _messages(one)
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from _messages(one)


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _plain(value: Any) -> str:
    return LIST_SEPARATOR.join(map(str, value)) if _is_list(value) else str(value)


def _spoken(value: Any, catalogue: Mapping[str, str]) -> str:
    if _is_list(value):
        return catalogue.get(LIST_SEPARATOR, LIST_SEPARATOR).join(_spoken(one, catalogue) for one in value)
    return translated(value, catalogue) if isinstance(value, Message) else str(value)


def _wired(value: Any) -> Any:
    if _is_list(value):
        return [_wired(one) for one in value]
    return value.wire() if isinstance(value, Message) else value
