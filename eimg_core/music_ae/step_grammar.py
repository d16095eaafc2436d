"""The grammar of decoders that write compound note steps without bars: what may come next, where it ends.

- **hands**: at most ten notes are struck together, five in a hand, each hand within a tenth; none a semitone, or its
  octaves, from another, no seconds below E3, nothing above A6;
- **pace**: no silence longer than 2.5 s, no more than 20 notes within a second;
- **paper**: onsets on places that can be read and counted, lengths that are note values;
- **ending**: the tempo is trimmed by a few percent so that a half bar, or a beat of slow music, begins shortly before
  the end; what leads to it leans to the dominant, and there a tonic chord with its root in the bass is struck, and
  rings;
- **clashes**: what is held ends where a note is struck that clashes with it.

Conventions: those of ``eimg_core.music_ae.playability``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from eimg_core.midi import codec
from eimg_core.midi.attributes import home_shift
from eimg_core.midi.bar_codec import LENGTHS, nearest_length
from eimg_core.midi.codec import DURATION, FIELD_SIZES, PITCH, REST_PITCH, SHIFT, STEPS_PER_BEAT, Score
from eimg_core.music_ae.keys import KEYS
from eimg_core.music_ae.playability import (
    FOLLOWS,
    MOST_PER_S,
    WIDEST_GAP_S,
    Hands,
    LastChord,
    cut_clashes,
    last_bar_line,
)

__all__ = ["StepGrammar"]

_HALF_BAR = 2  # beats; where it is short, the last chord stands on one, and on any beat in slow music
_SLOW_BPM = 80.0  # a half bar lasts 1.5 s
_VALUE = torch.from_numpy(LENGTHS[nearest_length(np.arange(1, FIELD_SIZES[DURATION] + 1))] - 1)
_shifts = torch.arange(FIELD_SIZES[SHIFT])
_keys = torch.arange(FIELD_SIZES[PITCH])


class StepGrammar:
    """How far each of B pieces is, and what may come next in it.

    For every step, in this order: ``shifts_left_out``, ``move``, ``keys_left_out``, ``strike``.

    Args:
        tempi: as they were drawn, in quarters a minute, B.
        keys: 0-23, that the pieces will sound in, (B,).
        seconds: of each piece.

    Attributes:
        now: the onset of the last step, (B,).
        done: pieces whose last chord is struck, (B,).
    """

    def __init__(self, tempi: Sequence[float], keys: Tensor, seconds: float) -> None:
        B = len(tempi)
        units = [1 if tempo < _SLOW_BPM else _HALF_BAR for tempo in tempi]
        ends = [last_bar_line(seconds, tempo, unit) for tempo, unit in zip(tempi, units, strict=True)]
        final = [count * unit * STEPS_PER_BEAT for (count, _), unit in zip(ends, units, strict=True)]
        self._tempi = [trimmed for _, trimmed in ends]
        per_second = torch.tensor(self._tempi) / 60.0 * STEPS_PER_BEAT
        self._second, self._end = per_second.round().long(), (seconds * per_second).round().long()
        self._longest = (WIDEST_GAP_S * per_second).long().clamp(1, codec.LONGEST_SHIFT)
        self._hands = Hands(B, torch.tensor([home_shift(key) for key in keys.tolist()]))
        self._ending = LastChord((keys >= KEYS // 2).long(), torch.tensor(final), _HALF_BAR * STEPS_PER_BEAT)
        self._together = torch.zeros(B, dtype=torch.bool)
        self._onsets: list[Tensor] = []
        self._notes = torch.zeros(B, dtype=torch.int64)
        self.now = torch.zeros(B, dtype=torch.int64)
        self.done = torch.zeros(B, dtype=torch.bool)

    def share(self) -> float:
        """How far the piece that is behind the others is, 0 to 1."""
        return float((self.now / self._end).clamp_max(1).masked_fill(self.done, 1).min())

    def shifts_left_out(self) -> Tensor:
        """Which times to the next note are not to be drawn: (B, shifts) bool."""
        arrival, final = self.now[:, None] + _shifts, self._ending.final[:, None]
        out = (arrival > final) | (_shifts > self._longest[:, None])
        out |= ~FOLLOWS[self.now[:, None] % STEPS_PER_BEAT, arrival % STEPS_PER_BEAT] & (_shifts > 0)
        if not self._onsets:
            return out | (_shifts >= STEPS_PER_BEAT)  # a piece begins in its first beat
        if len(self._onsets) >= MOST_PER_S:
            out |= (arrival < (self._onsets[-MOST_PER_S] + self._second)[:, None]) & (arrival != final)
        out[:, 0] |= self._hands.full | self._keys_left_out(torch.ones_like(self.done)).all(dim=1)
        self._ending.limit_shifts(out, self.now, self._hands)
        out[out.all(dim=1), 1] = False  # of the last chord no more is within reach
        return out & ~self.done[:, None]

    def move(self, shift: Tensor) -> None:
        """Go on by ``shift`` (B,); after the last chord a piece is done."""
        self.done = self.done | (self._ending.struck(self.now, self._hands) & (shift > 0))
        self._together = (shift == 0) & (self._hands.struck > 0)
        self.now = torch.where(self.done, self.now, self.now + shift)

    def keys_left_out(self) -> Tensor:
        """Which keys are not to be struck now: (B, keys) bool."""
        return self._keys_left_out(self._together) & ~self.done[:, None]

    def lean(self) -> Tensor:
        """To be added to the logits of the keys, (B, keys)."""
        return self._ending.lean(self.now)

    def strike(self, pitch: Tensor) -> None:
        """Take the note (B,) that was drawn."""
        self._hands.strike(pitch, self._together)
        self._onsets.append(self.now)
        self._notes += ~self.done

    @staticmethod
    def value(duration: Tensor) -> Tensor:
        """The note value nearest to a length; both as classes of the codec."""
        return _VALUE[duration]

    def scores(self, steps: Tensor) -> list[Score]:
        """The pieces of all steps that were drawn, (B, T, 4)."""
        rows = zip(steps.numpy(), self._notes.tolist(), strict=True)
        return [self._score(index, row[:notes].copy()) for index, (row, notes) in enumerate(rows)]

    def _score(self, index: int, steps: np.ndarray) -> Score:
        final, end, shift = (int(x[index]) for x in (self._ending.final, self._end, self._hands.shift))
        onsets = steps[:, SHIFT].cumsum()
        lengths = cut_clashes(onsets, steps[:, DURATION] + 1, steps[:, PITCH] - shift)
        lengths = np.where(onsets >= final, end - onsets, np.minimum(lengths, final - onsets))
        steps[:, DURATION] = np.minimum(lengths, FIELD_SIZES[DURATION]) - 1
        return Score(steps, self._tempi[index])

    def _keys_left_out(self, together: Tensor) -> Tensor:
        sounding = _keys - self._hands.shift[:, None]
        out = (sounding < 0) | (sounding >= REST_PITCH) | (_keys == REST_PITCH)
        out |= self._hands.beyond(together) | self._hands.clashing(together)
        return out | self._ending.beyond(self.now, together, self._hands)
