"""What two hands can play and a reader can count: the rules of decoders that write one note after the other.

Each rule says what may come next, given what is struck and held: a set of keys, or of places in the beat. The masks say
what is *forbidden*, so that they add up.

Conventions: B pieces are played at once; time is counted in codec steps (1/24 beat), keys are the codec's pitches, in
the home key. ``together`` (B,) says where the next note joins those that are struck already.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from eimg_core.midi.codec import FIELD_SIZES, PITCH, STEPS_PER_BEAT
from eimg_core.midi.notes import LOWEST_PITCH
from eimg_core.midi.sheet import Ints

__all__ = [
    "DEEP",
    "FOLLOWS",
    "HIGHEST",
    "MOST_PER_S",
    "WIDEST_GAP_S",
    "Hands",
    "LastChord",
    "cut_clashes",
    "last_bar_line",
]

MOST_PER_S = 20  # notes; one of 100 real clips has more on average
WIDEST_GAP_S = 2.5  # the longest silence between two onsets that still sounds like one piece
DEEP = 52 - LOWEST_PITCH  # below the E under middle C whole tones are mud
HIGHEST = 93 - LOWEST_PITCH  # A6; one of 200 notes of real clips is higher

_FINGERS = 5
_FOURTH, _OCTAVE, _TENTH, _TWELFTH = 5, 12, 16, 19  # semitones; a tenth is the widest that a hand stretches
_LEAN = 2.0  # added to the logits of the dominant's notes before the last chord
_RING_S = (1.3, 2.6)  # how long the last chord rings, at least and at most
_LAST_CHORD = (3, 6)  # notes, at least and at most
_LOWEST_BASS, _HIGHEST_BASS = 6, DEEP  # of the last chord; lower than that is off the piano in some keys
_HIGHEST_LAST = 84 - LOWEST_PITCH  # of the last chord's other notes
_NOTHING = -1
_keys = torch.arange(FIELD_SIZES[PITCH])


def _follows(place: int, step: int) -> bool:
    """Whether an onset at ``place`` in its beat may follow one at ``step``, so that people can read and count it.

    Halves, quarters and eighths of a beat mix, and so do thirds and sixths; to change from one to the other a piece
    passes the beat or its half, and from an eighth it goes on to the next quarter, where the beat is felt again.
    """
    if step % 12 and step % 4 == 0:
        return place % 4 == 0
    if step % 6 and step % 3 == 0:
        return place % 6 == 0
    return place % 3 == 0 or (place % 4 == 0 and (step % 6 != 0 or step % 12 == 0))


FOLLOWS = torch.tensor([[_follows(place, step) for place in range(STEPS_PER_BEAT)] for step in range(STEPS_PER_BEAT)])
"""Which places of a beat (columns) may follow which (rows): (24, 24) bool."""


def last_bar_line(seconds: float, tempo_bpm: float, bar: int) -> tuple[int, float]:
    """The bar on which the last chord falls, and the tempo trimmed so that it rings from there to the end.

    Args:
        seconds: of the piece.
        tempo_bpm, bar: as the model wants them; bar in beats.
    Returns:
        Number of bars before the last chord, at least 1, and the tempo in bpm.
    """
    bar_s = 60.0 / tempo_bpm * bar
    choices = []
    for bars in range(1, math.ceil(seconds / bar_s) + 2):
        ring = min(max(seconds - bars * bar_s, _RING_S[0]), _RING_S[1])
        stretch = (seconds - ring) / (bars * bar_s)
        if stretch > 0:
            choices.append((abs(math.log(stretch)), bars, tempo_bpm / stretch))
    _, bars, tempo = min(choices)
    return bars, tempo


def cut_clashes(onsets: Ints, lengths: Ints, pitches: Ints, deep: int = DEEP) -> Ints:
    """Lengths (N,) of notes, each cut where a note is struck that clashes with it.

    What clashes is a semitone or its octaves apart, or, of two notes below ``deep``, a whole tone.

    Args:
        onsets, lengths, pitches: of the notes, (N,) each, in any order.
        deep: a pitch, counted as ``pitches`` are.
    """
    apart = np.abs(pitches[:, None] - pitches)
    clash = np.isin(apart % 12, (1, 11)) | ((apart == 2) & (np.maximum(pitches[:, None], pitches) < deep))
    until = onsets - onsets[:, None]  # from a row's onset to a column's
    return np.minimum(lengths, np.where(clash & (until > 0), until, lengths[:, None]).min(axis=1, initial=1 << 30))


class Hands:
    """Two hands at one moment of B pieces. Chords are struck from low to high; the left hand takes what it can reach.

    Args:
        rows: B.
        shift: semitones from the key that sounds to the home key, (B,); rules of register are about what sounds.

    Attributes:
        struck: notes struck at this moment, (B,).
        top: the highest of them, (B,).
    """

    def __init__(self, rows: int, shift: Tensor | int = 0) -> None:
        self.shift = torch.as_tensor(shift).expand(rows)
        self.struck, self._left, self._right = (torch.zeros(rows, dtype=torch.int64) for _ in range(3))
        # The lowest note of each hand, and the highest of both.
        self._low, self._high, self.top = (torch.full((rows,), _NOTHING) for _ in range(3))
        self._classes = torch.zeros(rows, 12, dtype=torch.bool)

    @property
    def full(self) -> Tensor:
        """Where no finger is left, (B,)."""
        return (self._right >= _FINGERS) | (self.struck >= 2 * _FINGERS)

    @property
    def base(self) -> Tensor:
        """The lowest note of the hand that strikes the next, (B,)."""
        return torch.where(self._high >= 0, self._high, self._low)

    @property
    def ceiling(self) -> Tensor:
        """The highest key within reach of the hand that strikes the next, (B,)."""
        return torch.where(self._high >= 0, self._high + _TENTH, FIELD_SIZES[PITCH])

    def beyond(self, together: Tensor) -> Tensor:
        """Keys that no hand can add, or that would make a cluster, (B, keys): above A6, not above what is struck, a
        semitone from it, in the depth a tone, or out of reach."""
        deep = (self.top + 2 < DEEP + self.shift).long()
        beyond = _keys > (HIGHEST + self.shift)[:, None]
        beyond |= together[:, None] & (_keys <= (self.top + 1 + deep)[:, None])
        beyond |= together[:, None] & (_keys > self.ceiling[:, None])
        return beyond

    def clashing(self, together: Tensor) -> Tensor:
        """Keys that are a semitone or its octaves from one that is struck, (B, keys)."""
        near = self._classes.roll(1, dims=1) | self._classes.roll(-1, dims=1)
        return together[:, None] & near[:, _keys % 12]

    def strike(self, pitch: Tensor, together: Tensor) -> None:
        """Take one more note in each piece, (B,)."""
        fits = together & (self._high < 0) & (pitch <= self._low + _TENTH) & (self._left < _FINGERS)
        opens = together & (self._high < 0) & ~fits
        self.struck = torch.where(together, self.struck + 1, 1)
        self._low = torch.where(together, self._low, pitch)
        self._left = torch.where(together, self._left + fits.long(), 1)
        self._high = torch.where(together, torch.where(opens, pitch, self._high), _NOTHING)
        self._right = torch.where(together, self._right + (~fits).long(), 0)
        self.top = pitch
        self._classes &= together[:, None]
        self._classes[torch.arange(len(pitch)), pitch % 12] = True


class LastChord:
    """The tonic chord that ends each of B pieces, its root in the bass, and what leads to it.

    Args:
        minor: 1 in minor, (B,).
        final: when it is struck, (B,).
        lead: so many steps before it lean to the dominant.
    """

    def __init__(self, minor: Tensor, final: Tensor, lead: int) -> None:
        self.final, self.lead = final, lead
        # The classes of notes that end a piece and that lead to its end, by mode: tonic triad and dominant seventh.
        classes = (_keys + LOWEST_PITCH) % 12
        self._tonic, self._root, self._dominant = (
            torch.stack([torch.isin(classes, torch.tensor(wanted)) for wanted in both])[minor]
            for both in (([0, 4, 7], [9, 0, 4]), ([0], [9]), ([7, 11, 2, 5], [4, 8, 11, 2]))
        )

    def struck(self, now: Tensor, hands: Hands) -> Tensor:
        """Where it is being struck, (B,)."""
        return (now >= self.final) & (hands.struck > 0)

    def lean(self, onset: Tensor) -> Tensor:
        """To be added to logits of keys, (B, keys): shortly before the end the dominant's notes are likelier."""
        near = (onset >= self.final - self.lead) & (onset < self.final)
        return _LEAN * (near[:, None] & self._dominant)

    def limit_shifts(self, forbidden: Tensor, now: Tensor, hands: Hands) -> None:
        """At the end only "one more note" (0) or "enough" (1): changes ``forbidden`` (B, shifts)."""
        at_end = self.struck(now, hands)
        forbidden[at_end, 2:] = True
        forbidden[at_end, 1] = False
        forbidden[at_end & (hands.struck < _LAST_CHORD[0]), 1] = True
        forbidden[at_end & (hands.struck >= _LAST_CHORD[1]), 0] = True

    def complete(self, hands: Hands) -> Tensor:
        """Whether no note of the chord can be added on top, (B,)."""
        reach = hands.ceiling.clamp(max=_HIGHEST_LAST)[:, None]
        return ~(self._tonic & (_keys > hands.base[:, None]) & (_keys <= reach)).any(dim=1)

    def beyond(self, onset: Tensor, together: Tensor, hands: Hands) -> Tensor:
        """Keys that do not belong to the chord where it is struck, (B, keys)."""
        at_end = onset >= self.final
        beyond = at_end[:, None] & ~self._tonic
        # Two notes of a triad are at most a fourth apart: leave room above for those the chord still lacks.
        lacking = (_LAST_CHORD[0] - 1 - torch.where(together, hands.struck, 0)).clamp(min=0)
        beyond |= at_end[:, None] & (_keys > (_HIGHEST_LAST - _FOURTH * lacking)[:, None])
        widest = hands.top + torch.where(hands.struck > 1, _OCTAVE, _TWELFTH)  # no holes, least of all in its middle
        beyond |= (at_end & together)[:, None] & (_keys > widest[:, None])
        bass = (at_end & ~together)[:, None]
        return beyond | (bass & (~self._root | (_keys < _LOWEST_BASS) | (_keys > _HIGHEST_BASS)))
