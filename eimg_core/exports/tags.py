"""The facts that every file of a piece carries inside, so that it can still be told what it is when it was renamed.

They hold no date and no file name: the same photo, pairing and seed give the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

from eimg_core.composer import Composition
from eimg_core.emotion import VA
from eimg_core.version import __version__

__all__ = ["SOFTWARE", "Tags", "tags_of"]

SOFTWARE = f"EIMG Studio {__version__}"


@dataclass(frozen=True)
class Tags:
    """``title`` and ``artist`` as players show them, and ``facts`` by name: photo, target, heard, seed, pairing,
    version. All of it is ASCII."""

    title: str
    artist: str
    facts: dict[str, str]

    @property
    def comment(self) -> str:
        """All facts in one line."""
        return "; ".join(f"{name}: {value}" for name, value in self.facts.items())


def tags_of(composition: Composition) -> Tags:
    """The tags of a composition, which was measured, so that its estimate is known."""
    photo = composition.made_by.photo_id
    region = composition.target_va.region
    article = "An" if region[0] in "aeiou" else "A"
    seed = str(composition.options.seed)
    pairing = composition.pairing.split("@")[0] + (f"@{composition.variant}" if composition.variant else "")
    facts = {
        "photo": f"sha256:{photo}" if photo else "none",
        "target": _place(composition.target_va),
        "heard": _place(composition.piece_va),
        "seed": seed,
        "pairing": pairing,
        "version": __version__,
    }
    return Tags(f"{article} {region} piece", f"EIMG Studio ({pairing}, seed {seed})", facts)


def _place(va: VA | None) -> str:
    return "unknown" if va is None else f"valence {va.valence:.2f}, arousal {va.arousal:.2f}"
