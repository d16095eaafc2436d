"""Live music: bar after bar, each for the place where the target is by then; or others from a beat of a bar on.

The browser keeps the music so far, packed, and sends it along; nothing of it stays here. What it sends is anybody's,
and is checked like any packed piece.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from eimg_core.composer import Composition
from eimg_core.emotion import VA
from eimg_core.errors import InputError
from eimg_core.messages import message, with_messages
from eimg_core.midi.notes import Piece, is_compound
from eimg_core.options import ComposeOptions
from eimg_core.performance import perform
from eimg_core.progress import StoppedError, steps_told
from eimg_core.recipe import Recipe, given_id_of
from eimg_core.ui.protocol import Studio
from eimg_core.ui.server.faults import sentence
from eimg_core.ui.session.packed import packed, unpacked

__all__ = ["LONGEST_S", "live"]

LONGEST_S = 240.0
_LONGEST_RUN = 64  # letters
_LEAST_S = (0.75, 2.5)  # seconds that bars last at least, as a browser may choose
_WAIT_S = 8.0  # for the bars of other visitors; later, the music has stopped


class Turns:
    """Bars are composed for one visitor at a time; who asks again, for another target, waits for them no longer."""

    def __init__(self) -> None:
        self.busy = threading.Lock()
        self._composing = ("", threading.Event())  # for whom, and what ends it: read and written as one

    @contextmanager
    def taken(self, run: str, wait_s: float) -> Iterator[bool]:
        """Whether it is our turn, within so many seconds; inside, composing ends when the same ``run`` asks again."""
        whose, given_up = self._composing
        if run and run == whose:
            given_up.set()
        if not self.busy.acquire(timeout=wait_s):
            yield False
            return
        mine = threading.Event()
        self._composing = (run, mine)

        def look(stage: str, share: float) -> None:
            if mine.is_set():
                raise StoppedError

        try:
            with steps_told(look, "composing", every_s=0.0):
                yield True
        finally:
            self._composing = ("", mine)
            self.busy.release()


_TURNS = Turns()


def live(studio: Studio) -> Callable[[Any], dict[str, Any]]:
    """What answers a browser that plays live."""

    def next_bars(asked: Any) -> dict[str, Any]:
        """The bars that come next.

        Args:
            asked: ``packed``, the music so far or ``None``; ``from_s``, a beat of it from which on it gives way, or
                ``None`` where it plays to its end; ``least_s``, how long the bars should last at least; ``target`` as a
                point; ``pairing``; ``seed``; and ``run``, a text of the browser's own: bars that are being composed for
                the same run are given up.
        Returns:
            ``packed``, the music with them; ``notes`` of them, [start, end, pitch] in seconds of the music; ``start_s``
            and ``end_s``; ``bar_s`` and ``beat_s``, the lengths of a bar and a beat; ``sound``, a WAV file in base64
            that begins with them and rings on after their end, empty where nothing sounds. Or ``fault``, a sentence.
            Or nothing, where they were given up.
        """
        run = str(asked.get("run") or "")[:_LONGEST_RUN] if isinstance(asked, dict) else ""
        with _TURNS.taken(run, _WAIT_S) as ours:
            if not ours:
                return with_messages({"fault": message("Too many people play live just now; try again in a while.")})
            try:
                return _continued(studio, asked)
            except StoppedError:
                return {}
            except Exception as error:  # whatever it was, the visitor gets a sentence and the log the rest
                return with_messages({"fault": sentence(error)})

    return next_bars


def _continued(studio: Studio, asked: Any) -> dict[str, Any]:
    infos = studio.pairings()
    if not isinstance(asked, dict):
        raise InputError(message("These settings cannot be read; compose the piece again instead."))
    pairing = next((info.key for info in infos if info.composes and info.key == str(asked.get("pairing"))), None)
    pairing = pairing or next((info.key for info in infos if info.composes), "")
    before = None if asked.get("packed") is None else unpacked(asked["packed"], infos).piece
    target, seed = _target(asked.get("target")), asked.get("seed")
    from_s = _moment(asked.get("from_s"), before)
    start_s = (before.length_s if before else 0.0) if from_s is None else from_s
    if start_s > LONGEST_S:
        raise InputError(message("Live music lasts {minutes} minutes at most.", minutes=f"{LONGEST_S / 60:.0f}"))
    options = ComposeOptions(seed=seed if isinstance(seed, int) and 0 <= seed < 2**31 else 0, takes=1, target=target)
    piece = studio.go_on(before, pairing, target, options, from_s=from_s, least_s=_least_s(asked))
    recipe = Recipe(pairing, options, given_id=given_id_of("live", piece))
    added = _from(piece, start_s)
    played = replace(perform(added, target, options.seed), loop_s=None)
    return {
        "packed": packed(Composition(piece, pairing, options, None, target, recipe=recipe)),
        "notes": [[round(n.start_s + start_s, 3), round(n.end_s + start_s, 3), n.pitch] for n in played.notes],
        "start_s": start_s,
        "end_s": piece.length_s,
        "bar_s": piece.seconds_per_bar,
        "beat_s": _beat_s(piece),
        "region": target.region,
        "sound": base64.b64encode(studio.render(played).wav_bytes()).decode() if played.notes else "",
    }


def _from(piece: Piece, start_s: float) -> Piece:
    """What begins at a moment or later, from 0; it goes on at its end, as a loop does, which is how it is played."""
    notes = [note for note in piece.notes if note.start_s >= start_s - 1e-6]
    early = replace(piece, notes=(), sections=(), pedals=(), loop_s=piece.length_s - start_s)
    return early.with_notes(
        replace(note, start_s=max(0.0, note.start_s - start_s), end_s=note.end_s - start_s) for note in notes
    )


def _moment(from_s: Any, before: Piece | None) -> float | None:
    """A moment of the music so far."""
    if from_s is None:
        return None
    if before is None or not isinstance(from_s, (int, float)) or not 0 <= from_s < before.length_s:
        raise InputError(message("These settings cannot be read; compose the piece again instead."))
    return float(from_s)


def _least_s(asked: dict[str, Any]) -> float:
    """How long the bars should last: the slower the computer, the longer."""
    least = asked.get("least_s")
    return min(max(_LEAST_S[0], float(least)), _LEAST_S[1]) if isinstance(least, (int, float)) else _LEAST_S[1]


def _beat_s(piece: Piece) -> float:
    """Seconds of a beat."""
    above = piece.meter[0]
    return piece.seconds_per_bar / (above // 3 if is_compound(piece.meter) else above)


def _target(point: Any) -> VA:
    try:
        return VA(float(point["valence"]), float(point["arousal"])).clamped()
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(message("Choose an emotion in the plane, or give a photo, before you play live.")) from error
