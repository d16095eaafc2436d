"""How notes are called: keys, and the spelling of pitches in them.

Names stand on the *line of fifths*: F -1, C 0, G 1, … seven steps further a sharp more (F# 6, C# 7), seven back a flat
more (Bb -2, Eb -3). A key takes a window of twelve neighbours on it, so each of the twelve pitch classes has one name:
in F major the black key below B is Bb, in E major it is A#. The windows lie as listeners expect them (Temperley 2001,
*The Cognition of Basic Musical Structures*, chapter 5): in major from the flat sixth to the raised tonic, in minor from
the flat second to the leading note.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eimg_core.messages import Message, message
from eimg_core.midi.attributes import key_correlations
from eimg_core.midi.notes import Piece

__all__ = ["Key", "Spelt", "key_signature"]

_LETTERS = "FCGDAEB"  # from -1 to 5 on the line of fifths
_MAJOR_FIFTHS = (0, -5, 2, -3, 4, -1, 6, 1, -4, 3, -2, 5)  # of the tonics C, Db, D, … B
_MINOR_FIFTHS = (-3, 4, -1, -6, 1, -4, 3, -2, 5, 0, -5, 2)  # of the tonics C, C#, D, … B
_LOWEST_MAJOR, _LOWEST_MINOR = -4, -3  # of the window, from the key signature
_FLATTEST = -8  # Fb: a double flat is called by its plain name instead

_COMES_HOME = 0.12  # correlation that the last bass note is worth


@dataclass(frozen=True, slots=True)
class Spelt:
    """A pitch as it is written: ``step`` A-G, ``alter`` semitones, ``octave`` 4 from middle C up."""

    step: str
    alter: int
    octave: int

    @property
    def midi(self) -> int:
        """The MIDI number that it sounds as."""
        return (
            12 * (self.octave + 1) + {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}[self.step] + self.alter
        )


@dataclass(frozen=True, slots=True)
class Key:
    """A key signature: ``fifths`` is its number of sharps, or of flats below zero."""

    fifths: int
    minor: bool = False

    @property
    def name(self) -> Message:
        """For people: ``Bb major``, ``F# minor``."""
        return message("{tonic} minor", tonic=self.tonic) if self.minor else message("{tonic} major", tonic=self.tonic)

    @property
    def tonic(self) -> str:
        """``Bb``, ``F#``."""
        step, alter = _name(self.fifths + (3 if self.minor else 0))
        return f"{step}{_accidental(alter)}"

    @property
    def short_name(self) -> str:
        """``Bb`` in major, ``F#m`` in minor, as in MIDI files."""
        return self.tonic + "m" * self.minor

    def step_and_alter(self, pitch_class: int) -> tuple[str, int]:
        """The letter of a pitch class, 0-11, and how many semitones it is raised."""
        lowest = self.fifths + (_LOWEST_MINOR if self.minor else _LOWEST_MAJOR)
        place = lowest + (7 * pitch_class - lowest) % 12  # a fifth is seven semitones, and 7 · 7 = 1 modulo 12
        return _name(place + 12 if place < _FLATTEST else place)

    def spell(self, pitch: int) -> Spelt:
        """A MIDI pitch as it is written in this key."""
        step, alter = self.step_and_alter(pitch % 12)
        return Spelt(step, alter, (pitch - alter) // 12 - 1)

    def name_of(self, pitch_class: int) -> str:
        """The name of a pitch class: ``Bb`` in F major, ``A#`` in B major."""
        step, alter = self.step_and_alter(pitch_class)
        return step + _accidental(alter)

    def altered(self, step: str) -> int:
        """What the signature does to the notes of a letter: 1 sharp, -1 flat, 0 nothing."""
        place = _LETTERS.index(step)
        return int(place < self.fifths) - int(6 - place < -self.fifths)


def key_signature(piece: Piece) -> Key:
    """The signature of the key of a piece: the one its composer says, or the one it is heard in; C major for an empty
    one.

    Where the notes leave it open, the last bass note decides, since pieces like to come home.
    """
    if piece.key is not None:
        return _key(piece.key)
    if not piece.notes:
        return Key(0)
    fits = key_correlations(piece)
    last = piece.notes[-1].start_s
    home = min(note.pitch for note in piece.notes if note.start_s > last - 0.05) % 12
    fits[[home, home + 12]] += _COMES_HOME
    return _key(int(np.argmax(fits)))


def _key(number: int) -> Key:
    """The signature of a key 0-23."""
    return Key(_MINOR_FIFTHS[number - 12], True) if number >= 12 else Key(_MAJOR_FIFTHS[number])


def _name(place: int) -> tuple[str, int]:
    """Letter and alteration of a place on the line of fifths."""
    return _LETTERS[(place + 1) % 7], (place + 1) // 7


def _accidental(alter: int) -> str:
    return "#" * alter + "b" * -alter
