"""Which composers there are to choose from: any pairing in any variant of its bridge."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from eimg_core.errors import InputError
from eimg_core.messages import message
from eimg_core.results import PAPER_TABLE_V
from eimg_core.ui.protocol import PairingInfo

__all__ = ["PairingVariant", "chosen", "pairing_variants", "papers_six", "usual_choice"]

_COMPARED = 6


@dataclass(frozen=True)
class PairingVariant:
    """A pairing in one variant; ``key`` names the variant only where it is not the pairing's usual one."""

    key: str
    title: str
    pairing: str
    variant: str


def pairing_variants(pairings: Sequence[PairingInfo]) -> list[PairingVariant]:
    """Every pairing in every shipped variant, the usual variant first."""
    return [
        PairingVariant(
            f"{info.key}@{variant}" if n else info.key,
            f"{info.title} ({variant})" if len(info.variants) > 1 else info.title,
            info.key,
            variant,
        )
        for info in pairings
        for n, variant in enumerate(info.variants or ("",))
    ]


def chosen(pairings: Sequence[PairingInfo], keys: Iterable[str]) -> list[PairingVariant]:
    """The pairing_variants that are named, each once, in the order of the menu.

    Raises:
        InputError: a key names no shipped pairing or variant.
    """
    known = pairing_variants(pairings)
    by_name = {name: each for each in known for name in (each.key, f"{each.pairing}@{each.variant}")}
    wanted = list(keys)
    if unknown := [key for key in wanted if key not in by_name]:
        raise InputError(
            message(
                "There is no composer {composer}; choose from: {known}.",
                composer=repr(str(unknown[0])[:60]),
                known=[each.key for each in known],
            )
        )
    found = {by_name[key] for key in wanted}
    return [each for each in known if each in found]


def papers_six(pairings: Sequence[PairingInfo]) -> list[str]:
    """The paper's six pairings, in the order of the menu."""
    return [info.key for info in pairings if info.key in PAPER_TABLE_V]


def usual_choice(pairings: Sequence[PairingInfo]) -> list[str]:
    """Those that a comparison begins with, in the order of the menu: the default, and five of the paper's six beside
    it, or others where these are not shipped."""
    six, keys = set(papers_six(pairings)), [info.key for info in pairings]
    default = {info.key for info in pairings if info.default}
    first = sorted(keys, key=lambda key: (key not in default, key not in six))[:_COMPARED]
    return [key for key in keys if key in first]
