"""The options of composing: what a person can choose about a piece, said once.

Each field of ``ComposeOptions`` carries its ``Option``: limits, title, help, and how the command line and an address
spell it. Whatever offers options reads ``OPTIONS``: the JSON record and the recipe, the command line, the endpoints,
the tools for language models, the controls of the page and the table of docs/options.md. A new option is a new field
here, and a composer that obeys it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from eimg_core.emotion import VA
from eimg_core.errors import InputError
from eimg_core.messages import message

__all__ = [
    "CREATE_OPTIONS",
    "EXTEND_SECONDS",
    "LARGEST_SEED",
    "OPTIONS",
    "SHARED_OPTIONS",
    "STORY_OPTIONS",
    "STORY_SECONDS",
    "USUAL_TAKES",
    "ComposeOptions",
    "Option",
    "option_values",
    "options_for_scripts",
    "options_table",
    "read_options",
]

LARGEST_SEED = 2**31 - 1
TONICS = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
MODES = (message("major"), message("minor"))
USUAL_TAKES, MOST_TAKES = 8, 16
_INSTRUMENTS = (message("piano"), message("electric piano"), message("harp"), message("music box"))
_METERS = {"2/4": (2, 4), "3/4": (3, 4), "4/4": (4, 4), "6/8": (6, 8)}
_LONGEST_SAID = 20  # of a value that somebody made up


@dataclass(frozen=True, slots=True)
class Option:
    """What is known about one field of ``ComposeOptions``.

    Args:
        title: its name for people, as the page shows it and faults begin with it.
        help: what it does, in one line; for the command line, the tools and the documents.
        kind: of its value: a whole number, a number, yes or no, one of some words, or a point of the plane.
        low, high: its limits; ``None`` where it has none of its own.
        choices: the only values that it may have, but for a usual "" or 0, which leaves the choice to the composer.
        unchosen: what its control calls a usual value that is none of the choices.
        usual: what it is where nobody says otherwise; ``default`` alone is what Python callers get.
        offered_from: the lowest value that the page and the tools offer, where that is above ``low``.
        step: of its slider on the page; without one, a number is typed.
        info: the line below its title on the page.
        flag: its argument on the command line; of yes or no, the one that means the contrary of ``usual``. Two for a
            point. "" for ``--name``.
        counts_from_one: people count it from 1, Python and JSON from 0.
        address: its parameter in a link to the page; of yes or no, 1 means the contrary of ``usual``. Two for a point.
            "" where a link has none.
        shown: where the page has a control for it and the tools an argument: for every composer (``all``), for a single
            one (``create``), or nowhere.
        needs_composing: composers whose music autoencoder does not compose leave it out.
        name, default: of the field; filled in from it.
    """

    title: str
    help: str
    kind: type = float
    low: float | None = None
    high: float | None = None
    choices: tuple[Any, ...] = ()
    unchosen: str = message("Composer’s own")
    usual: Any = None
    offered_from: float | None = None
    step: float | None = None
    info: str = ""
    flag: str = ""
    counts_from_one: bool = False
    address: str = ""
    shown: Literal["all", "create", ""] = ""
    needs_composing: bool = False
    name: str = ""
    default: Any = None

    def named(self, name: str, default: Any) -> Option:
        """The same as the option of a field."""
        usual = default if self.usual is None else self.usual
        return replace(self, name=name, default=default, usual=usual, flag=self.flag or f"--{name.replace('_', '-')}")

    @property
    def lowest_offered(self) -> float | None:
        """Where the page and the tools begin."""
        return self.low if self.offered_from is None else self.offered_from

    def check(self, value: Any) -> None:
        """Say so where a value is outside the limits, or none of the choices.

        Raises:
            InputError: it is.
        """
        if self.choices and value not in (self.default, *self.choices):
            raise InputError(
                message(
                    "{option} must be one of {choices}, not {value}.",
                    option=message(self.title),
                    choices=[str(choice) for choice in self.choices],
                    value=repr(value)[:_LONGEST_SAID],
                )
            )
        if value is None:
            return
        if self.low is None or self.high is None or self.low <= value <= self.high:
            return
        raise InputError(
            message(
                "{option} must be from {low} to {high}, not {value}.",
                option=message(self.title),
                low=_number(self.low),
                high=_number(self.high),
                value=_number(value),
            )
        )

    def read(self, value: Any) -> Any:
        """The value of a field from a plain value, as JSON and forms hold it.

        Raises:
            KeyError, TypeError, ValueError, OverflowError: it has another kind.
        """
        if value is None:
            return self.default if self.choices else None
        if self.kind is VA and not value:
            return None
        if self.kind is VA:
            return value if isinstance(value, VA) else VA(float(value["valence"]), float(value["arousal"]))
        if self.kind is str and not isinstance(value, str):
            raise TypeError(f"expected a word, got {type(value).__name__}")
        return self.kind(value)

    def plain(self, value: Any) -> Any:
        """The inverse of ``read``."""
        return {"valence": value.valence, "arousal": value.arousal} if isinstance(value, VA) else value


def _number(value: float) -> str:
    return f"{value:.10g}"


def _option(default: Any, title: str, help: str, **more: Any) -> Any:
    """A field of ``ComposeOptions``: its default, and what ``Option`` says of it."""
    return field(default=default, metadata={"option": Option(title, help, **more)})


@dataclass(frozen=True, slots=True)
class ComposeOptions:
    """What a person can choose about a piece; docs/options.md has them as a table.

    Raises:
        InputError: a value is out of range.
    """

    seed: int = _option(
        0,
        "Seed",
        "another seed makes another piece; the same seed, photo and pairing make the same piece, byte for byte",
        kind=int,
        low=0,
        high=LARGEST_SEED,
        info="The same seed makes the same piece again.",
        address="seed",
        shown="all",
    )
    seconds: float = _option(
        15.0,
        "Length in seconds",
        "length of the piece in seconds",
        low=4.0,
        high=120.0,
        offered_from=8.0,
        step=1.0,
        address="length",
        shown="all",
    )
    target: VA | None = _option(  # noqa: RUF009 -- a field, made by a function
        None,
        "Target",
        "the point that the piece aims at: valence 1 unpleasant to 9 pleasant, arousal 1 calm to 9 excited; without "
        "one, the photo's own",
        kind=VA,
        flag="--valence --arousal",
        address="v a",
    )
    takes: int = _option(
        1,
        "Number of takes",
        "compose so many and keep the one that the guide estimates nearest to the target; 1 leaves the guide out",
        kind=int,
        low=1,
        high=MOST_TAKES,
        usual=USUAL_TAKES,
    )
    expressive: bool = _option(
        True,
        "Play with expression",
        "with the dynamics, timing and pedal of a pianist",
        kind=bool,
        info="Dynamics, timing and pedal of a pianist; otherwise exactly as written.",
        flag="--as-written",
        address="plain",
        shown="all",
    )
    tempo: float = _option(
        1.0,
        "Tempo",
        "factor of the tempo that the composer would take: the same piece, played faster and shorter, or slower",
        low=0.7,
        high=1.4,
        step=0.05,
        info="The same piece, faster or slower; 1 is the composer’s own.",
        address="tempo",
        shown="create",
    )
    density: float = _option(
        0.0,
        "Density",
        "-1 for half as many notes a second as the composer would write, 1 for twice as many; TVAE alone follows",
        low=-1.0,
        high=1.0,
        step=0.25,
        info="0 is the composer’s own. Another density is another piece. TVAE alone follows.",
        address="density",
        shown="create",
        needs_composing=True,
    )
    keep: int | None = _option(
        None,
        "Take to keep",
        "keep this take instead of the guide's choice",
        kind=int,
        counts_from_one=True,
    )
    key: str = _option(
        "",
        "Key",
        "tonic that the piece is in; without one, the composer's own",
        kind=str,
        choices=TONICS,
        address="key",
        shown="create",
    )
    mode: str = _option(
        "",
        "Mode",
        "major or minor; without one, as the emotion asks for. TVAE alone follows",
        kind=str,
        choices=MODES,
        address="mode",
        shown="create",
        needs_composing=True,
    )
    bpm: float | None = _option(
        None,
        "Quarter notes a minute",
        "tempo to be kept exactly, instead of the composer's own and of the option tempo; the length is then that of "
        "whole bars",
        low=40.0,
        high=220.0,
        info="Empty for the composer’s own tempo.",
        address="bpm",
        shown="create",
    )
    meter: str = _option(
        "",
        "Meter",
        "meter of all bars; without one, the composer's own. TVAE alone follows",
        kind=str,
        choices=tuple(_METERS),
        address="meter",
        shown="create",
        needs_composing=True,
    )
    loop: int = _option(
        0,
        "Loop",
        "so many bars whose end meets their beginning, instead of a piece that ends; TVAE alone follows",
        kind=int,
        choices=(4, 8),
        unchosen=message("No loop"),
        address="loop",
        shown="create",
        needs_composing=True,
    )
    instrument: str = _option(
        str(_INSTRUMENTS[0]),
        "Instrument",
        "what plays the piece; the notes stay the same",
        kind=str,
        choices=_INSTRUMENTS,
        address="instrument",
        shown="create",
    )

    def __post_init__(self) -> None:
        for name, option in OPTIONS.items():
            option.check(getattr(self, name))
        if self.keep is not None and not 0 <= self.keep < self.takes:
            raise InputError(
                message(
                    "There is no take {take}; this piece has {count} to choose from.",
                    take=self.keep + 1,
                    count=self.takes,
                )
            )
        if self.target is not None and self.target != self.target.clamped():
            raise InputError(
                message(
                    "Valence and arousal must be from 1 to 9, not {valence} and {arousal}.",
                    valence=f"{self.target.valence:g}",
                    arousal=f"{self.target.arousal:g}",
                )
            )

    @property
    def tonic(self) -> int | None:
        """The key as a pitch class, 0-11; ``None`` where the composer decides."""
        return TONICS.index(self.key) if self.key else None

    @property
    def minor(self) -> bool | None:
        """Whether the mode is minor; ``None`` where the composer decides."""
        return self.mode == "minor" if self.mode else None

    @property
    def bar_meter(self) -> tuple[int, int] | None:
        """Numerator and denominator; ``None`` where the composer decides."""
        return _METERS[self.meter] if self.meter else None


OPTIONS: Mapping[str, Option] = {
    each.name: each.metadata["option"].named(each.name, each.default) for each in fields(ComposeOptions)
}
"""Every option by its name, in the order of the fields."""

STORY_SECONDS = replace(OPTIONS["seconds"], low=20.0, offered_from=None, usual=40.0)
EXTEND_SECONDS = replace(OPTIONS["seconds"], usual=40.0)

CREATE_OPTIONS = tuple(each for each in OPTIONS.values() if each.shown)
"""What can be chosen where a single composer writes a piece."""
SHARED_OPTIONS = tuple(each for each in CREATE_OPTIONS if each.shown == "all")
"""What can be chosen whoever composes."""
STORY_OPTIONS = tuple(STORY_SECONDS if each.name == "seconds" else each for each in SHARED_OPTIONS)


def option_values(options: ComposeOptions) -> dict[str, Any]:
    """Options as plain values for JSON, nothing left out and nothing rounded."""
    return {name: option.plain(getattr(options, name)) for name, option in OPTIONS.items()}


def read_options(values: Mapping[str, Any], **fixed: Any) -> ComposeOptions:
    """Options from plain values.

    Args:
        values: by name; what is missing is as usual, so that what an earlier version wrote can be read.
        fixed: values of fields that are known already.
    Raises:
        InputError: a value is out of range.
        KeyError, TypeError, ValueError, OverflowError: a value has another kind.
    """
    read = {name: option.read(values.get(name, option.usual)) for name, option in OPTIONS.items() if name not in fixed}
    return ComposeOptions(**read, **fixed)


def options_for_scripts(options: Iterable[Option]) -> list[dict[str, Any]]:
    """What the scripts of the page need to know to keep options in recipes and links."""
    return [
        {
            "name": one.name,
            "kind": one.kind.__name__,
            "low": one.lowest_offered,
            "high": one.high,
            "choices": list(one.choices),
            "usual": one.usual,
            "address": one.address,
        }
        for one in options
    ]


def options_table() -> str:
    """All options as the table of docs/options.md."""
    rows = ["| option | values | usual | command line | link | what it does |", "|---|---|---|---|---|---|"]
    rows += [
        f"| `{name}` | {_values(one)} | {_usual(one)} | {_ticked(one.flag)} | {_ticked(one.address)} | {one.help} |"
        for name, one in OPTIONS.items()
    ]
    return "\n".join(rows)


def _values(option: Option) -> str:
    if option.kind is bool:
        return "true or false"
    if option.kind is VA:
        return "two numbers, 1 to 9"
    if option.choices:
        return ", ".join(map(str, option.choices))
    whole = "whole number" if option.kind is int else "number"
    return (
        whole
        if option.low is None or option.high is None
        else f"{whole}, {_number(option.low)} to {_number(option.high)}"
    )


def _usual(option: Option) -> str:
    if option.usual is None or (option.choices and not option.usual):
        return "–"
    if isinstance(option.usual, bool):
        return str(option.usual).lower()
    if isinstance(option.usual, str):
        return str(option.usual)
    return _number(option.usual)


def _ticked(words: str) -> str:
    return ", ".join(f"`{word}`" for word in words.split()) or "–"
