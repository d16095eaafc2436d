"""Piano rolls bar by bar, as MidiNet sees music: 128 pitches × 16 sixteenths, in the piece's own tempo.

A roll has two channels: SOUNDING, where a key is down, and STRUCK, where it goes down. So notes keep their real
lengths, over bar lines too, and a key struck twice is two notes. Bars have four beats of the folded tempo and begin
with the piece, in its home key.

Shapes: N bars, (N, 2, 128, 16).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from eimg_core.midi.batch import MusicSample
from eimg_core.midi.codec import REST_PITCH, SHIFT, STEPS_PER_BEAT
from eimg_core.midi.notes import LOWEST_PITCH, Note

__all__ = ["BAR_STEPS", "PITCHES", "SOUNDING", "STRUCK", "bars_of", "notes_of"]

Roll = NDArray[np.bool_]

PITCHES, BAR_STEPS = 128, 16
SOUNDING, STRUCK = 0, 1
_PER_BEAT = BAR_STEPS // 4
_STEP = STEPS_PER_BEAT // _PER_BEAT  # time steps of the codec in a sixteenth
_VELOCITY = 80  # a roll knows no loudness; 80 is the commonest in the clips


def bars_of(sample: MusicSample) -> Roll:
    """The whole bars of a training example; its last, unfinished bar is left out."""
    onsets = np.cumsum(sample.steps[:, SHIFT])
    count = int(onsets[-1] // (_STEP * BAR_STEPS)) if len(onsets) else 0
    roll = np.zeros((2, PITCHES, count * BAR_STEPS), dtype=np.bool_)
    for onset, (_, pitch, duration, _) in zip(onsets.tolist(), sample.steps.tolist(), strict=True):
        first = round(onset / _STEP)
        if pitch == REST_PITCH or first >= roll.shape[2]:
            continue
        last = max(first + 1, round((onset + duration + 1) / _STEP))
        roll[SOUNDING, pitch + LOWEST_PITCH, first:last] = True
        roll[STRUCK, pitch + LOWEST_PITCH, first] = True
    return roll.reshape(2, PITCHES, count, BAR_STEPS).transpose(2, 0, 1, 3)


def notes_of(bars: Roll, tempo_bpm: float) -> list[Note]:
    """The notes of bars in a row: a key sounds until it is let go or struck again."""
    step_s = 60.0 / tempo_bpm / _PER_BEAT
    roll = np.concatenate(list(bars), axis=2) if len(bars) else np.zeros((2, PITCHES, 0), dtype=np.bool_)
    down = roll[SOUNDING] | roll[STRUCK]
    padded = np.pad(down, ((0, 0), (1, 1)))
    begins = roll[STRUCK] | (down & ~padded[:, :-2])
    notes: list[Note] = []
    for pitch in np.flatnonzero(down.any(axis=1)).tolist():
        starts = np.flatnonzero(begins[pitch])
        for start, following in zip(starts.tolist(), [*starts[1:].tolist(), down.shape[1]], strict=True):
            let_go = np.flatnonzero(~down[pitch, start:following])
            end = start + int(let_go[0]) if len(let_go) else following
            notes.append(Note(start * step_s, pitch, end * step_s, _VELOCITY))
    return sorted(notes)
