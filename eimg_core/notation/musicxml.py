"""A score as MusicXML 4.0: one part, two staves, chord symbols, for MuseScore, Finale, Sibelius, Dorico and the like.

The same score and texts always give the same bytes. Nothing in a file says when it was made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from eimg_core.notation.grid import TICKS
from eimg_core.notation.harmony import Chord
from eimg_core.notation.score import Bar, Score, Staff, Symbol
from eimg_core.notation.spelling import Key

__all__ = ["to_musicxml"]

_HEADER = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE score-partwise PUBLIC '
    b'"-//Recordare//DTD MusicXML 4.0 Partwise//EN" "http://www.musicxml.org/dtds/partwise.dtd">\n'
)
_SIGNS = {-1: "flat", 0: "natural", 1: "sharp", 2: "double-sharp"}
_CLEF_LINES = {"G": "2", "F": "4"}
_RIGHT, _LEFT = 1, 2  # staves
_FIRST_VOICE = {_RIGHT: 1, _LEFT: 5}


def to_musicxml(
    score: Score,
    *,
    title: str = "",
    composer: str = "",
    software: str = "EIMG Studio",
    fields: Mapping[str, str] | None = None,
) -> bytes:
    """The bytes of a ``.musicxml`` file.

    Args:
        score: what to write.
        title, composer: as printed above the music.
        software: what made the file.
        fields: further facts, kept as miscellaneous fields of the identification.
    """
    root = Element("score-partwise", version="4.0")
    if title:
        _add(SubElement(root, "work"), "work-title", title)
    identification = SubElement(root, "identification")
    if composer:
        _add(identification, "creator", composer, type="composer")
    encoding = SubElement(identification, "encoding")
    _add(encoding, "software", software)
    for element in ("accidental", "beam"):
        SubElement(encoding, "supports", element=element, type="yes")
    if fields:
        miscellaneous = SubElement(identification, "miscellaneous")
        for name, value in fields.items():
            _add(miscellaneous, "miscellaneous-field", value, name=name)
    part_list = SubElement(SubElement(root, "part-list"), "score-part", id="P1")
    _add(part_list, "part-name", "Piano", **{"print-object": "no"})
    part = SubElement(root, "part", id="P1")
    around = zip((None, *score.bars), score.bars, (*score.bars[1:], None), strict=False)
    for number, (before, bar, after) in enumerate(around, start=1):
        _measure(part, bar, before, after, number, score)
    indent(root)
    return _HEADER + tostring(root, encoding="utf-8") + b"\n"


def _add(parent: Element, tag: str, content: object, /, **attributes: str) -> Element:
    element = SubElement(parent, tag, attributes)
    element.text = _printable(str(content))
    return element


def _printable(text: str) -> str:
    """Without the control characters that XML does not allow."""
    return "".join(c for c in text if c in "\t\n" or (0x20 <= ord(c) < 0xFFFE and not 0xD800 <= ord(c) < 0xE000))


def _measure(part: Element, bar: Bar, before: Bar | None, after: Bar | None, number: int, score: Score) -> None:
    measure = SubElement(part, "measure", number=str(number))
    if before is None and score.loops:
        _barline(measure, "left", "heavy-light", "forward")
    _attributes(measure, bar, before, score)
    if before is None:
        _tempo(measure, score.grid.tempo_bpm, bar.measure.compound)
    for mark in bar.marks:
        _dynamic(measure, mark.dynamic, mark.tick - bar.start)
    _harmonies(measure, bar, score.key)
    staves = zip((_RIGHT, _LEFT), (bar.right, bar.left), _octaves(before), _octaves(after), strict=True)
    for number_of_staff, staff, octave_before, octave_after in staves:
        accidentals: dict[tuple[str, int], int] = {}  # what holds in this bar; both voices read it
        order = sorted((symbol.value.start, n) for n, voice in enumerate(staff.voices) for symbol in voice)
        signs = _signs(staff, accidentals, score.key, order)
        for n, voice in enumerate(staff.voices):
            if number_of_staff == _LEFT or n > 0:
                _add(SubElement(measure, "backup"), "duration", bar.measure.ticks)
            if n == 0 and staff.octave not in (0, octave_before):
                _octave(measure, "down" if staff.octave > 0 else "up", number_of_staff)
            for symbol in voice:
                _symbol(measure, symbol, number_of_staff, n, len(staff.voices), signs, bar.measure.ticks)
        if staff.octave not in (0, octave_after):
            _octave(measure, "stop", number_of_staff)
    if after is None:
        _barline(measure, "right", "light-heavy", "backward" if score.loops else "")


def _barline(measure: Element, location: str, style: str, repeat: str) -> None:
    barline = SubElement(measure, "barline", location=location)
    _add(barline, "bar-style", style)
    if repeat:
        SubElement(barline, "repeat", direction=repeat)


def _attributes(measure: Element, bar: Bar, before: Bar | None, score: Score) -> None:
    clefs = [
        (number, now.clef)
        for number, now, then in (
            (_RIGHT, bar.right, before.right if before else None),
            (_LEFT, bar.left, before.left if before else None),
        )
        if then is None or now.clef != then.clef
    ]
    other_meter = before is None or before.measure.meter != bar.measure.meter
    if not clefs and not other_meter:
        return
    attributes = SubElement(measure, "attributes")
    if before is None:
        _add(attributes, "divisions", TICKS)
        key = SubElement(attributes, "key")
        _add(key, "fifths", score.key.fifths)
        _add(key, "mode", "minor" if score.key.minor else "major")
    if other_meter:
        time = SubElement(attributes, "time")
        _add(time, "beats", bar.measure.meter[0])
        _add(time, "beat-type", bar.measure.meter[1])
    if before is None:
        _add(attributes, "staves", 2)
    for number, sign in clefs:
        clef = SubElement(attributes, "clef", number=str(number))
        _add(clef, "sign", sign)
        _add(clef, "line", _CLEF_LINES[sign])


def _tempo(measure: Element, tempo_bpm: float, compound: bool) -> None:
    direction = SubElement(measure, "direction", placement="above")
    metronome = SubElement(SubElement(direction, "direction-type"), "metronome", parentheses="no")
    _add(metronome, "beat-unit", "quarter")
    if compound:
        SubElement(metronome, "beat-unit-dot")
    _add(metronome, "per-minute", round(tempo_bpm / (1.5 if compound else 1)))
    _add(direction, "staff", _RIGHT)
    SubElement(direction, "sound", tempo=f"{tempo_bpm:.2f}")


def _dynamic(measure: Element, mark: str, tick: int) -> None:
    direction = SubElement(measure, "direction", placement="below")
    SubElement(SubElement(SubElement(direction, "direction-type"), "dynamics"), mark)
    if tick:
        _add(direction, "offset", tick)
    _add(direction, "staff", _RIGHT)


def _octaves(bar: Bar | None) -> tuple[int, int]:
    """By how many octaves right and left hand are moved."""
    return (bar.right.octave, bar.left.octave) if bar else (0, 0)


def _octave(measure: Element, kind: str, staff: int) -> None:
    """The beginning of 8va ("down": its notes are drawn lower) or of 8vb ("up"), or the end of either. Both stand next
    to the notes of their own staff, since readers such as Verovio give a sign to the notes that they have just seen."""
    direction = SubElement(measure, "direction", placement="above" if staff == _RIGHT else "below")
    SubElement(SubElement(direction, "direction-type"), "octave-shift", type=kind, size="8", number=str(staff))
    _add(direction, "staff", staff)


def _harmonies(measure: Element, bar: Bar, key: Key) -> None:
    """Chord symbols, each at its own place: the pointer walks there, and back."""
    at = bar.start
    for chord in bar.chords:
        if chord.start > at:
            _add(SubElement(measure, "forward"), "duration", chord.start - at)
            at = chord.start
        _harmony(measure, chord, key)
    if at > bar.start:
        _add(SubElement(measure, "backup"), "duration", at - bar.start)


def _harmony(measure: Element, chord: Chord, key: Key) -> None:
    harmony = SubElement(measure, "harmony", placement="above")
    if chord.kind is None:
        root = SubElement(harmony, "root")
        _add(root, "root-step", "C", text="")
        _add(harmony, "kind", "none", text="N.C.")
    else:
        _named(harmony, "root", chord.root, key)
        _add(harmony, "kind", chord.kind.xml, text=chord.kind.suffix)
        if chord.bass != chord.root:
            _named(harmony, "bass", chord.bass, key)
    _add(harmony, "staff", _RIGHT)


def _named(harmony: Element, name: str, pitch_class: int, key: Key) -> None:
    step, alter = key.step_and_alter(pitch_class)
    element = SubElement(harmony, name)
    _add(element, f"{name}-step", step)
    if alter:
        _add(element, f"{name}-alter", alter)


def _signs(
    staff: Staff, holds: dict[tuple[str, int], int], key: Key, order: Iterable[tuple[int, int]]
) -> dict[tuple[int, int, int], str]:
    """The accidentals that must be printed, by (start, voice, MIDI pitch), read as a player does: in order of time."""
    symbols = {(symbol.value.start, n): symbol for n, voice in enumerate(staff.voices) for symbol in voice}
    printed: dict[tuple[int, int, int], str] = {}
    for at in order:
        for head in symbols[at].heads:
            pitch = head.pitch
            place = (pitch.step, pitch.octave)
            if head.tied_from:
                continue
            if holds.get(place, key.altered(pitch.step)) != pitch.alter:
                printed[(*at, pitch.midi)] = _SIGNS[pitch.alter]
                holds[place] = pitch.alter
    return printed


def _symbol(
    measure: Element,
    symbol: Symbol,
    staff: int,
    voice: int,
    voices: int,
    signs: Mapping[tuple[int, int, int], str],
    bar_ticks: int,
) -> None:
    value = symbol.value
    number = _FIRST_VOICE[staff] + voice
    if symbol.hidden:
        forward = SubElement(measure, "forward")
        _add(forward, "duration", value.ticks)
        _add(forward, "voice", number)
        _add(forward, "staff", staff)
        return
    for n, head in enumerate(symbol.heads or (None,)):
        note = SubElement(measure, "note")
        if n:
            SubElement(note, "chord")
        if head is None:
            rest = SubElement(note, "rest")
            if value.ticks == bar_ticks:
                rest.set("measure", "yes")
        else:
            pitch = SubElement(note, "pitch")
            _add(pitch, "step", head.pitch.step)
            if head.pitch.alter:
                _add(pitch, "alter", head.pitch.alter)
            _add(pitch, "octave", head.pitch.octave)
        _add(note, "duration", value.ticks)
        ties = [kind for kind, tied in (("stop", head and head.tied_from), ("start", head and head.tied_to)) if tied]
        for kind in ties:
            SubElement(note, "tie", type=kind)
        _add(note, "voice", number)
        if head is not None or value.ticks != bar_ticks:
            _add(note, "type", value.name)
            for _ in range(value.dots):
                SubElement(note, "dot")
        if head is not None and (sign := signs.get((value.start, voice, head.pitch.midi))):
            _add(note, "accidental", sign)
        if symbol.tuplet:
            modification = SubElement(note, "time-modification")
            _add(modification, "actual-notes", symbol.tuplet)
            _add(modification, "normal-notes", symbol.tuplet * 2 // 3)
        if head is not None and voices > 1:
            _add(note, "stem", "down" if voice else "up")
        _add(note, "staff", staff)
        if n == 0:
            for level, beam in enumerate(symbol.beams, start=1):
                _add(note, "beam", beam, number=str(level))
        _notations(note, symbol, ties, first=n == 0)


def _notations(note: Element, symbol: Symbol, ties: Iterable[str], *, first: bool) -> None:
    """Ties, and on the first note of a chord what belongs to all of it."""
    notations = Element("notations")
    for kind in ties:
        SubElement(notations, "tied", type=kind)
    if first and symbol.edge:
        tuplet = SubElement(notations, "tuplet", type=symbol.edge, number="1")
        if symbol.edge == "start":
            tuplet.set("bracket", "no" if symbol.beams else "yes")
    if first and symbol.staccato:
        SubElement(SubElement(notations, "articulations"), "staccato")
    if first and symbol.fermata:
        SubElement(notations, "fermata", type="upright")
    if len(notations):
        note.append(notations)
