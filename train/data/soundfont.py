"""Cut one instrument out of a large SoundFont.

What is left is one preset with its instruments and samples, every index rewritten, and the texts of the original
(authors, copyright, licence). The samples are copied bit by bit, so that a player renders exactly what it would render
with the large font.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from eimg_core.sound.soundfont import RECORDS, Gen, Instrument, Preset, SoundFont, Zone

__all__ = ["encode_soundfont", "subset"]

_SILENCE = 46  # zero samples that the specification (section 6.1) asks for after each recording


def subset(font: SoundFont, bank: int = 0, program: int = 0) -> SoundFont:
    """A font with one preset, the instruments that it names and the samples that those name.

    Raises:
        RenderError: the font has no such preset.
    """
    preset = font.preset(bank, program)
    instrument_ids = _targets(preset.zones, Gen.INSTRUMENT)
    instruments = [font.instruments[i] for i in instrument_ids]
    sample_ids = _targets((z for i in instruments for z in i.zones), Gen.SAMPLE)
    new_sample = {old: new for new, old in enumerate(sample_ids)}
    new_instrument = {old: new for new, old in enumerate(instrument_ids)}

    headers, pieces, position = [], [], 0
    for old in sample_ids:
        header = font.headers[old]
        shift = position - header.start
        headers.append(
            replace(
                header,
                start=position,
                end=header.end + shift,
                loop_start=header.loop_start + shift,
                loop_end=header.loop_end + shift,
                link=new_sample.get(header.link, 0),
            )
        )
        pieces += [font.samples[header.start : header.end], np.zeros(_SILENCE, np.int16)]
        position = headers[-1].end + _SILENCE
    return SoundFont(
        info=tuple((name, f"{font.name}: {preset.name}\0".encode("latin-1") if name == "INAM" else text)
                   for name, text in font.info),
        samples=_joined(pieces),
        headers=tuple(headers),
        presets=(replace(preset, zones=_redirected(preset.zones, Gen.INSTRUMENT, new_instrument)),),
        instruments=tuple(
            replace(i, zones=_redirected(i.zones, Gen.SAMPLE, new_sample)) for i in instruments
        ),
    )  # fmt: skip


def _joined(pieces: Sequence[NDArray[np.int16]]) -> NDArray[np.int16]:
    return np.concatenate(pieces) if pieces else np.zeros(0, np.int16)


def _targets(zones: Iterable[Zone], operator: Gen) -> list[int]:
    """The distinct indexes that zones point to, in ascending order."""
    return sorted({index for zone in zones if (index := zone.get(operator)) is not None})


def _redirected(zones: Iterable[Zone], operator: Gen, new_index: dict[int, int]) -> tuple[Zone, ...]:
    def moved(pair: tuple[int, int]) -> tuple[int, int]:
        return (pair[0], new_index[pair[1]]) if pair[0] == operator else pair

    return tuple(replace(zone, generators=tuple(map(moved, zone.generators))) for zone in zones)


def encode_soundfont(font: SoundFont) -> bytes:
    """The bytes of an SF2 file; the same font always gives the same bytes."""
    tables = _tables(font)
    info = b"".join(_chunk(name, text + b"\0" * (len(text) % 2)) for name, text in font.info)
    pdta = b"".join(_chunk(name, tables[name]) for name in RECORDS)
    sdta = _chunk("smpl", font.samples.astype("<i2").tobytes())
    body = b"".join(_chunk("LIST", kind + part) for kind, part in ((b"INFO", info), (b"sdta", sdta), (b"pdta", pdta)))
    return _chunk("RIFF", b"sfbk" + body)


def _chunk(name: str, body: bytes) -> bytes:
    return struct.pack("<4sI", name.encode("latin-1"), len(body)) + body + b"\0" * (len(body) % 2)


def _tables(font: SoundFont) -> dict[str, bytes]:
    """The nine tables of the "pdta" list, each closed by its terminator."""
    rows: dict[str, list[tuple]] = {name: [] for name in RECORDS}
    for preset in (*font.presets, Preset("EOP", 0, 0, ())):
        rows["phdr"].append((_name(preset.name), preset.program, preset.bank, len(rows["pbag"]), *preset.library))
        _add_zones(rows, "p", preset.zones)
    for instrument in (*font.instruments, Instrument("EOI", ())):
        rows["inst"].append((_name(instrument.name), len(rows["ibag"])))
        _add_zones(rows, "i", instrument.zones)
    for level in "pi":
        _add_zones(rows, level, (Zone(((0, 0),), ((0, 0, 0, 0, 0),)),))
    for h in font.headers:
        bounds = (h.start, h.end, h.loop_start, h.loop_end)
        rows["shdr"].append((_name(h.name), *bounds, h.rate_hz, h.root_key, h.correction_cents, h.link, h.kind))
    rows["shdr"].append((_name("EOS"), *[0] * 9))
    return {name: b"".join(struct.pack(RECORDS[name], *row) for row in rows[name]) for name in RECORDS}


def _add_zones(rows: dict[str, list[tuple]], level: str, zones: Iterable[Zone]) -> None:
    for zone in zones:
        rows[level + "bag"].append((len(rows[level + "gen"]), len(rows[level + "mod"])))
        rows[level + "gen"] += zone.generators
        rows[level + "mod"] += zone.modulators


def _name(text: str) -> bytes:
    return text.encode("latin-1")[:20]
