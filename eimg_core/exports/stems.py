"""Stems: each hand as a sound file of its own, as long as the piece, in one ZIP."""

from __future__ import annotations

from eimg_core.exports.archive import packed
from eimg_core.exports.audio import wav_tagged
from eimg_core.exports.work import Work
from eimg_core.notation.following import follow
from eimg_core.sound.instruments import INSTRUMENTS
from eimg_core.sound.render import render_hands

__all__ = ["stems_file"]


def stems_file(work: Work) -> bytes:
    """Two WAV files that together are the sound of the piece."""
    played = work.composition.played
    stem = work.files["stems.zip"].name.removesuffix(".stems.zip")
    hands = follow(work.composition.piece, played).hands
    instrument = INSTRUMENTS[work.composition.options.instrument]
    right, left = render_hands(played, hands, soundfont=instrument.path, gain_db=instrument.gain_db)
    named = {f"{stem}-right-hand.wav": right, f"{stem}-left-hand.wav": left}
    return packed({name: wav_tagged(sound.wav_bytes(), work.tags) for name, sound in named.items()})
