"""What people and programs have written beside POP909: beats, chords, and phrases by hand.

The archive ``music/pop909_labels.zip`` holds a folder for each song:

- ``beat_midi.txt``: seconds, and two flags, the second of which marks the first beat of a bar of four;
- ``chord_midi.txt``: start, end, and ``root:quality/bass`` or ``N``;
- ``human_label1.txt``: letters with their numbers of bars, as ``i4A4B8``, from the bar of the first chord on.

References: Wang et al. 2020 for beats and chords; Dai, Zhang and Dannenberg 2020 for the phrases.
"""

from __future__ import annotations

import io
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

import mido
import numpy as np
from numpy.typing import NDArray

from eimg_core.data.tables import FETCH
from eimg_core.errors import DataError
from eimg_core.midi.sheet import TICKS, Sheet, nearest_place, one_strike_each

__all__ = ["SongLabels", "read_song_labels", "sheet_of_song"]

_PHRASE = re.compile(r"([A-Za-z])(\d+)")
_MELODY = "MELODY"
_METERS = {2: (2, 4), 3: (3, 4), 4: (4, 4)}


@dataclass(frozen=True)
class SongLabels:
    """The labels of a song.

    Attributes:
        beats: seconds, (K,).
        downbeats: which beats begin a bar, (K,) bool.
        chords: (start in seconds, name), ``N`` for none.
        phrases: (letter, bars) in order, from the bar of the first chord on.
    """

    beats: NDArray[np.float64]
    downbeats: NDArray[np.bool_]
    chords: tuple[tuple[float, str], ...]
    phrases: tuple[tuple[str, int], ...]

    @property
    def beats_in_bar(self) -> int:
        """The commonest number."""
        gaps = np.diff(np.flatnonzero(self.downbeats))
        return int(np.bincount(gaps).argmax()) if len(gaps) else 0


def read_song_labels(data: Path) -> dict[str, SongLabels]:
    """The labels of all songs, by the number in the name of their file: ``001``.

    Args:
        data: the folder that holds ``music/pop909_labels.zip``.
    Raises:
        DataError: the archive is missing or damaged.
    """
    songs: dict[str, SongLabels] = {}
    try:
        with zipfile.ZipFile(data / "music" / "pop909_labels.zip") as archive:
            for number in sorted({name.split("/")[0] for name in archive.namelist()}):

                def text(file: str, number: str = number) -> str:
                    return archive.read(f"{number}/{file}").decode("utf-8")

                beats = np.loadtxt(io.StringIO(text("beat_midi.txt")), ndmin=2)
                chords = (line.split() for line in text("chord_midi.txt").splitlines() if line.strip())
                songs[number] = SongLabels(
                    beats[:, 0],
                    beats[:, 2] > 0,
                    tuple((float(start), name) for start, _, name in chords),
                    tuple((letter, int(bars)) for letter, bars in _PHRASE.findall(text("human_label1.txt"))),
                )
    except (OSError, KeyError, ValueError, IndexError, zipfile.BadZipFile) as error:
        raise DataError(f"pop909_labels.zip is missing or damaged; {FETCH}.") from error
    return songs


def sheet_of_song(path: Path, labels: SongLabels) -> tuple[Sheet, NDArray[np.bool_], list[int]] | None:
    """A song on its labelled bars.

    Returns:
        The sheet with unknown hands; which of its notes the melody track has, (N,); and the bars on which phrases
        begin by hand. ``None`` where its bars have neither two, three nor four beats, or nothing sounds.
    Raises:
        DataError: the file cannot be read.
    """
    meter = _METERS.get(labels.beats_in_bar)
    notes = _notes_of(path)
    if meter is None or not len(notes):
        return None
    # Bars that the label cuts short are counted through: the beat goes on, so few notes change their bar.
    first = int(np.flatnonzero(labels.downbeats)[0])
    step = float(np.median(np.diff(labels.beats)))
    beats = np.concatenate([labels.beats, labels.beats[-1] + step * np.arange(1, 64)])
    places = np.interp(notes[:, :2], beats, np.arange(len(beats)), left=-1.0) - first
    onsets = nearest_place(places[:, 0] * TICKS)
    lengths = np.maximum(np.round(places[:, 1] * TICKS).astype(np.int64) - onsets, 1)
    rows = np.column_stack([onsets, lengths, notes[:, 2:4].astype(np.int64), np.full(len(notes), -1), notes[:, 4] > 0])
    rows = one_strike_each(rows[onsets >= 0])
    sheet = Sheet(rows[:, :5], meter, 60.0 / step)
    chord = next((start for start, name in labels.chords if name != "N"), labels.beats[first])
    bar = max(0, round((int(np.abs(labels.beats - chord).argmin()) - first) // meter[0]))
    edges = bar + np.cumsum([0, *(bars for _, bars in labels.phrases)])
    return sheet, rows[:, 5] > 0, sorted({0, *(int(edge) for edge in edges if edge < sheet.bars)})


def _notes_of(path: Path) -> NDArray[np.float64]:
    """Start, end, pitch, velocity and whether the melody track has it, of every note: (N, 5)."""
    try:
        midi = mido.MidiFile(file=io.BytesIO(path.read_bytes()), clip=True)
    except Exception as error:  # mido raises many kinds for a damaged file
        raise DataError(f"{path.name} is not a readable MIDI file; {FETCH}.") from error
    marks = sorted(
        (at, message.tempo) for track in midi.tracks for at, message in _timed(track) if message.type == "set_tempo"
    )
    ticks, tempi = np.array([0, *(at for at, _ in marks)]), np.array([500_000, *(tempo for _, tempo in marks)])
    seconds = np.concatenate([[0.0], np.cumsum(np.diff(ticks) * tempi[:-1])]) / midi.ticks_per_beat / 1e6

    def time(tick: int) -> float:
        mark = int(np.searchsorted(ticks, tick, side="right")) - 1
        return float(seconds[mark] + (tick - ticks[mark]) * tempi[mark] / midi.ticks_per_beat / 1e6)

    rows = []
    for track in midi.tracks:
        sounding: dict[int, tuple[int, int]] = {}
        for at, message in _timed(track):
            if message.type not in ("note_on", "note_off"):
                continue
            if message.note in sounding:
                start, velocity = sounding.pop(message.note)
                if at > start:
                    rows.append((time(start), time(at), message.note, velocity, track.name == _MELODY))
            if message.type == "note_on" and message.velocity > 0:
                sounding[message.note] = (at, message.velocity)
    return np.array(rows, dtype=np.float64).reshape(-1, 5)


def _timed(track: mido.MidiTrack) -> list[tuple[int, mido.Message]]:
    now, found = 0, []
    for message in track:
        now += message.time
        found.append((now, message))
    return found
