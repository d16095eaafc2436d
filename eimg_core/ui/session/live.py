"""Live music: bar after bar, each for the place where the target is by then.

The browser keeps the music so far, packed, and sends it along; nothing of it stays here. What it sends is anybody's,
and is checked like any packed piece.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from eimg_core.composer import Composition
from eimg_core.emotion import VA
from eimg_core.errors import InputError
from eimg_core.messages import message, with_messages
from eimg_core.midi.notes import Piece
from eimg_core.options import ComposeOptions
from eimg_core.performance import perform
from eimg_core.recipe import Recipe, given_id_of
from eimg_core.ui.protocol import Studio
from eimg_core.ui.server.faults import sentence
from eimg_core.ui.session.packed import packed, unpacked

__all__ = ["LONGEST_S", "live"]

LONGEST_S = 240.0
_ONE_AT_A_TIME = threading.Lock()
_WAIT_S = 8.0  # for the bars of other visitors; later, the music has stopped


def live(studio: Studio) -> Callable[[Any], dict[str, Any]]:
    """What answers a browser that plays live."""

    def next_bars(asked: Any) -> dict[str, Any]:
        """The bars that come next.

        Args:
            asked: ``packed``, the music so far or ``None``; ``target`` as a point; ``pairing``; and ``seed``.
        Returns:
            ``packed``, the music with them; ``notes`` of them, [start, end, pitch] in seconds of the music; ``start_s``
            and ``end_s``; ``sound``, a WAV file in base64 that begins with them and rings on after their end. Or
            ``fault``, a sentence.
        """
        if not _ONE_AT_A_TIME.acquire(timeout=_WAIT_S):
            return with_messages({"fault": message("Too many people play live just now; try again in a while.")})
        try:
            return _continued(studio, asked)
        except Exception as error:  # whatever it was, the visitor gets a sentence and the log the rest
            return with_messages({"fault": sentence(error)})
        finally:
            _ONE_AT_A_TIME.release()

    return next_bars


def _continued(studio: Studio, asked: Any) -> dict[str, Any]:
    infos = studio.pairings()
    if not isinstance(asked, dict):
        raise InputError(message("These settings cannot be read; compose the piece again instead."))
    pairing = next((info.key for info in infos if info.composes and info.key == str(asked.get("pairing"))), None)
    pairing = pairing or next((info.key for info in infos if info.composes), "")
    before = None if asked.get("packed") is None else unpacked(asked["packed"], infos).piece
    target, seed = _target(asked.get("target")), asked.get("seed")
    start_s = before.length_s if before else 0.0
    if start_s > LONGEST_S:
        raise InputError(message("Live music lasts {minutes} minutes at most.", minutes=f"{LONGEST_S / 60:.0f}"))
    options = ComposeOptions(seed=seed if isinstance(seed, int) and 0 <= seed < 2**31 else 0, takes=1, target=target)
    piece = studio.go_on(before, pairing, target, options)
    recipe = Recipe(pairing, options, given_id=given_id_of("live", piece))
    added = _from(piece, start_s)
    played = replace(perform(added, target, options.seed), loop_s=None)
    return {
        "packed": packed(Composition(piece, pairing, options, None, target, recipe=recipe)),
        "notes": [[round(n.start_s + start_s, 3), round(n.end_s + start_s, 3), n.pitch] for n in played.notes],
        "start_s": start_s,
        "end_s": piece.length_s,
        "region": target.region,
        "sound": base64.b64encode(studio.render(played).wav_bytes()).decode(),
    }


def _from(piece: Piece, start_s: float) -> Piece:
    """What begins at a moment or later, from 0; it goes on at its end, as a loop does, which is how it is played."""
    notes = [note for note in piece.notes if note.start_s >= start_s - 1e-6]
    early = replace(piece, notes=(), sections=(), pedals=(), loop_s=piece.length_s - start_s)
    return early.with_notes(
        replace(note, start_s=max(0.0, note.start_s - start_s), end_s=note.end_s - start_s) for note in notes
    )


def _target(point: Any) -> VA:
    try:
        return VA(float(point["valence"]), float(point["arousal"])).clamped()
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(message("Choose an emotion in the plane, or give a photo, before you play live.")) from error
