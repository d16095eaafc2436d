"""What two hands may play: the rules by which tvae writes notes, bar by bar, stream by stream.

The model proposes; the rules leave out what no pianist would find in a score:

- **order**: within a stream of a bar, places do not fall; the tune has one note at a time, the other two streams have
  chords, low to high;
- **hands**: five notes of the left hand, and five of the right hand with its tune, each within a tenth; nothing above
  A6; in the depth no seconds;
- **tune**: nothing is struck above it while it sounds;
- **clashes**: semitones are not struck together, ninths only between two notes of the chord, major sevenths not in the
  depth;
- **no waiting**: a piece begins with its first bar, and no bar is silent;
- **given notes**: those of an opening stand as they are, and a tune is kept note for note;
- **texture**: after the first bars of a phrase, a hand strikes no more keys together than in them;
- **ending**: the last bar is the tonic chord with its root in the bass, as full as the piece was at its fullest.

Notes are steps (place, pitch class of the codec, length class, velocity class) in the home key, see
``eimg_core.midi.bar_codec``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

import eimg_core.music_ae.plan as plan
from eimg_core.annotation.chords import CHORD_CLASSES, NO_CHORD
from eimg_core.midi.bar_codec import END, LEFT_HAND, REST, STEP_SIZES, STREAMS, TUNE
from eimg_core.midi.notes import HIGHEST_PITCH, LOWEST_PITCH
from eimg_core.midi.sheet import LENGTH, ONSET, PITCH, TICKS, Ints
from eimg_core.music_ae.plan_echoes import Echoes
from eimg_core.music_ae.plan_relations import (
    NONE,
    NoteClasses,
    lowest_at,
    next_of,
    places_per_bar,
    second_half_place,
    sounding_at,
)

__all__ = ["MOST_STEPS", "Given", "Step", "Writing", "ringing"]

Step = tuple[int, int, int, int]
Given = Mapping[tuple[int, int], Sequence[Step]]  # (bar, stream) → notes that stand there

_FINGERS = 5
_TENTH = 16  # semitones
_DEEP = 52  # MIDI pitch below which seconds are mud
_HIGHEST = 93  # A6
_MOST_NOTES = 24  # of a stream in a bar
MOST_STEPS = len(STREAMS) * (_MOST_NOTES + 1)  # of a bar
_LAST_CHORD = (1, 2, 2)  # notes of each stream, at most
_SETS_TEXTURE = 2  # bars of a phrase that decide how many keys its hands strike together
_LONGEST_REST = TICKS // 2  # of both hands, in ticks; longer ones are filled by what sounded last
_LAST_SPAN = ((60, 84), (36, 55), (52, 72))  # of each stream, MIDI pitches
_LAST_STEP = 7  # semitones from the last bass to that of the last chord, at most
_TRIADS = ((0, 4, 7), (9, 0, 4))  # of the tonic in the home key, root first: major, minor

_KEYS = STEP_SIZES[1]
_CLASS = (np.arange(_KEYS) + LOWEST_PITCH) % 12
_APART = np.abs(np.arange(_KEYS)[:, None] - np.arange(_KEYS))  # semitones between two keys
_HARSH = (_APART % 12 == 1) | (_APART == 0)  # a semitone, a ninth, or the same key twice
_SEVENTH = _APART == 11
_CHORD_NOTES = np.zeros((NO_CHORD + 1, _KEYS), dtype=bool)
_CHORD_NOTES[:NO_CHORD] = CHORD_CLASSES[:, _CLASS] > 0


class Writing:
    """One piece while its notes are written.

    Args:
        rows: its plan, a list of fields for each bar; the last bar is that of the last chord.
        meter: of its bars.
        given: notes that stand, in the home key.
        shift: semitones from its key to the home key.
        minor: 1 in minor.
    """

    def __init__(
        self, rows: Sequence[Sequence[int]], meter: tuple[int, int], given: Given, shift: int, minor: int
    ) -> None:
        self.rows, self.given, self.shift, self.minor = rows, given, shift, minor
        self.places, self.half = places_per_bar(meter), second_half_place(meter)
        self.bar, self.stream = 0, 0
        self.content: dict[tuple[int, int], list[Step]] = {}
        self.before = [NONE] * len(STREAMS)
        self.bass_before = NONE
        self.echoes = Echoes(meter)
        keys = np.arange(_KEYS)
        self._playable = (keys >= shift) & (keys <= min(_HIGHEST, HIGHEST_PITCH) - LOWEST_PITCH + shift)

    @property
    def done(self) -> bool:
        return self.bar >= len(self.rows)

    @property
    def last(self) -> bool:
        """Whether this is the bar of the last chord."""
        return self.bar == len(self.rows) - 1

    @property
    def written(self) -> list[Step]:
        """The notes of this stream and bar so far."""
        return self.content.setdefault((self.bar, self.stream), [])

    # --- what the model is told -------------------------------------------------------------------------------------

    def copied(self) -> NoteClasses:
        """What the bar taken up has next."""
        ref = self.rows[self.bar][plan.REF]
        if not ref:
            return NONE, NONE, NONE
        return next_of(_classes(self.content.get((self.bar - ref, self.stream), [])), _classes(self.written))

    def relations(self, place: int) -> tuple[int, int, int]:
        """The pitches of the note before in this stream, of the bass and of the tune at a place."""
        if place == END:
            return self.before[self.stream], NONE, NONE
        lefts = [] if self.stream == TUNE else self.content.get((self.bar, LEFT_HAND), [])
        bass = lowest_at(_classes(lefts), place)
        return self.before[self.stream], self.bass_before if bass == NONE else bass, self._sung(place)

    def chord(self, place: int) -> int:
        """The planned chord at a place."""
        row = self.rows[self.bar]
        return row[plan.CHORD2] if self.half <= place < END else row[plan.CHORD]

    # --- what it may choose -----------------------------------------------------------------------------------------

    def forced(self) -> Step | None:
        """The next given note, or the end of a stream that is given; ``None`` where the model chooses. A velocity of
        -1 is chosen by the model."""
        notes = self.given.get((self.bar, self.stream))
        if notes is None:
            return None
        at = len(self.written)
        return notes[at] if at < len(notes) else (END, 0, 0, 0)

    @property
    def given_now(self) -> bool:
        """Whether the next step is given, its velocity too."""
        step = None if self.done else self.forced()
        return step is not None and step[3] >= 0

    def places_allowed(self) -> NDArray[np.bool_]:
        """Places at which this stream may go on, its end among them: (END + 1,)."""
        allowed = np.zeros(END + 1, dtype=bool)
        written = self.written
        if self.last:
            allowed[0] = len(written) < self._last_chord() and bool(self.pitches_allowed(0).any())
            allowed[END] = not allowed[0] or (self.stream == REST and bool(written))
            return allowed
        silent = not any(self.content.get((self.bar, stream)) for stream in range(len(STREAMS)))
        begins = self.bar == 0 and self.stream == LEFT_HAND and not self._struck(TUNE, 0)  # a piece begins with its bar
        allowed[END] = bool(written) or not (begins or (silent and self.stream == REST))
        if len(written) >= _MOST_NOTES:
            return allowed
        if not written:
            allowed[: 1 if begins else self.places] = True
            return allowed
        now = written[-1][0]
        allowed[now + 1 : self.places] = True
        more = self.stream != TUNE and len(self._struck(self.stream, now)) < self._texture()
        allowed[now] = more and bool(self.pitches_allowed(now).any())
        return allowed

    def pitches_allowed(self, place: int) -> NDArray[np.bool_]:
        """Keys that may be struck in this stream at a place, in the home key: (88,)."""
        mine = [note[1] for note in self.written if note[0] == place]
        hand = [*mine, *self._struck(TUNE, place)] if self.stream == REST else mine
        others = [key for stream in range(self.stream) for key in self._struck(stream, place)]
        if len(hand) >= _FINGERS:
            return np.zeros(_KEYS, dtype=bool)
        keys = self._playable.copy()
        if mine:
            keys[: mine[-1] + (3 if mine[-1] + LOWEST_PITCH - self.shift < _DEEP else 1)] = False
        for key in hand:
            keys &= _APART[key] <= _TENTH
        in_chord = _CHORD_NOTES[self.chord(place)]
        for key in {*mine, *others}:
            keys &= ~(_HARSH[key] & ~(in_chord & in_chord[key] & (_APART[key] > 12)))
            keys &= ~_SEVENTH[key] | (np.maximum(key, np.arange(_KEYS)) + LOWEST_PITCH - self.shift >= _DEEP)
        if self.last:
            return self._of_last_chord(keys, root=self.stream == LEFT_HAND and not mine)
        sung = self._sung(place)
        below = keys & (np.arange(_KEYS) < sung - 1) if sung != NONE else keys
        # A place where nothing fits below a low tune is not left empty.
        return next((some for some in (below, *(() if mine else (keys, self._playable))) if some.any()), below)

    def steps(self) -> NDArray[np.bool_]:
        """Keys that are one or two semitones from the note before, in the tune; none in other streams: (88,)."""
        before = self.before[self.stream] if self.stream == TUNE else NONE
        return np.zeros(_KEYS, dtype=bool) if before == NONE else (_APART[before] > 0) & (_APART[before] <= 2)

    def write(self, step: Step) -> None:
        """Add a note, or go on to the next stream."""
        self.echoes.write(self.stream, step[:3])
        if step[0] != END:
            self.written.append(step)
            self.before[self.stream] = step[1]
            return
        if self.stream == LEFT_HAND:
            bass = lowest_at(_classes(self.written), END)
            self.bass_before = self.bass_before if bass == NONE else bass
        self.stream = (self.stream + 1) % len(STREAMS)
        self.bar += self.stream == 0

    def _texture(self) -> int:
        """How many keys this stream may strike together in this bar."""
        letter = self.rows[self.bar][plan.LETTER]
        first = [bar for bar in range(self.bar + 1) if self.rows[bar][plan.LETTER] == letter][:_SETS_TEXTURE]
        if self.bar in first:
            return _FINGERS
        return max(1, *(most_struck(self.content.get((bar, self.stream), [])) for bar in first))

    def _last_chord(self) -> int:
        """How many notes of the last chord this stream may have: two or more in all, if the piece was as full."""
        bars = (
            sum(most_struck(self.content.get((bar, stream), [])) for stream in range(len(STREAMS)))
            for bar in range(self.bar)
        )
        fullest = max(bars, default=sum(_LAST_CHORD))
        others = sum(len(self.content.get((self.bar, stream), [])) for stream in range(self.stream))
        return min(_LAST_CHORD[self.stream], max(fullest, 2) - others)

    def _struck(self, stream: int, place: int) -> list[int]:
        return [note[1] for note in self.content.get((self.bar, stream), []) if note[0] == place]

    def _sung(self, place: int) -> int:
        """The pitch of the tune that sounds at a place of this bar."""
        if self.stream == TUNE:
            return NONE
        return sounding_at(_classes(self.content.get((self.bar, TUNE), [])), place)

    def _of_last_chord(self, keys: NDArray[np.bool_], *, root: bool) -> NDArray[np.bool_]:
        triad = _TRIADS[self.minor]
        lowest, highest = _LAST_SPAN[self.stream]
        if self.stream == LEFT_HAND and self.bass_before != NONE:
            bass = self.bass_before + LOWEST_PITCH
            lowest, highest = (bass - _LAST_STEP, bass + _LAST_STEP) if root else (lowest, max(highest, bass + _TENTH))
            below = [key + LOWEST_PITCH - 1 for key in self._struck(TUNE, 0)] if root else []
            lowest, highest = min([lowest, *(key - 11 for key in below)]), min([highest, *below])
        if self.stream == REST:  # nothing below the root
            lowest = max([lowest, *(key + LOWEST_PITCH + 1 for key in self._struck(LEFT_HAND, 0)[:1])])
        within = keys & np.isin(_CLASS, triad[:1] if root else triad)
        within[: max(lowest - LOWEST_PITCH, 0)] = within[highest - LOWEST_PITCH + 1 :] = False
        return within


def ringing(notes: Ints) -> Ints:
    """How long notes ring: a note is released where a semitone from it is struck, in the depth a second too; what
    sounded last before a rest of both hands rings through it.

    Args:
        notes: of a sheet, in order of their onsets.
    Returns:
        Lengths in ticks, (N,).
    """
    onset, length, pitch = notes[:, ONSET], notes[:, LENGTH], notes[:, PITCH]
    apart = np.abs(pitch[:, None] - pitch)
    deep = (np.maximum(pitch[:, None], pitch) < _DEEP) & (apart == 2)
    clashes = ((apart == 1) | deep) & (onset > onset[:, None])
    next_clash = np.where(clashes, onset - onset[:, None], np.iinfo(np.int64).max).min(
        axis=1, initial=np.iinfo(np.int64).max
    )
    length = np.minimum(length, next_clash)
    moments = np.unique(onset)
    for now, later in pairwise(moments.tolist()):
        reached = (onset + length)[onset <= now]
        if later - reached.max() > _LONGEST_REST:
            length[(onset <= now) & (onset + length == reached.max())] += later - reached.max()
    return length


def most_struck(notes: Sequence[Step]) -> int:
    """The most keys that are struck together."""
    return max(Counter(note[0] for note in notes).values(), default=0)


def _classes(notes: Sequence[Step]) -> list[NoteClasses]:
    return [note[:3] for note in notes]
