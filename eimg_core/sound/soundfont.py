"""Read a SoundFont 2 file: sample memory, and the presets and instruments that play it.

A preset (bank, program) points through its zones to instruments, and an instrument through its zones to
samples. A zone is a list of generators, ``(operator, amount)`` pairs such as *pan = -500*; the numbers of the
operators are in ``Gen``. Amounts are kept as the signed 16-bit integers of the file.

Reference: SoundFont Technical Specification 2.04, sections 5-8.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eimg_core.errors import RenderError
from eimg_core.messages import message

__all__ = ["RECORDS", "Gen", "Instrument", "Preset", "SampleHeader", "SoundFont", "Zone", "read_soundfont"]

# The nine tables of the "pdta" list: layout of one record. The last record of each is a terminator.
RECORDS = {
    "phdr": "<20sHHHIII",  # name, program, bank, first bag, library, genre, morphology
    "pbag": "<HH",  # first generator, first modulator
    "pmod": "<HHhHH",
    "pgen": "<Hh",  # operator, amount
    "inst": "<20sH",  # name, first bag
    "ibag": "<HH",
    "imod": "<HHhHH",
    "igen": "<Hh",
    "shdr": "<20sIIIIIBbHH",  # name, start, end, loop start, loop end, rate, key, correction, link, type
}


class Gen(IntEnum):
    """The generator operators that we read (section 8.1.2); the unit is in the comment."""

    START_OFFSET = 0  # samples
    END_OFFSET = 1
    LOOP_START_OFFSET = 2
    LOOP_END_OFFSET = 3
    START_COARSE_OFFSET = 4  # 32768 samples
    FILTER_CUTOFF = 8  # absolute cents
    FILTER_Q = 9  # centibels
    MOD_ENV_TO_CUTOFF = 11  # cents
    END_COARSE_OFFSET = 12
    PAN = 17  # 0.1 %, -500 left, 500 right
    MOD_ENV_SUSTAIN = 29  # 0.1 % below full
    VOL_DELAY = 33  # timecents
    VOL_ATTACK = 34
    VOL_HOLD = 35
    VOL_DECAY = 36
    VOL_SUSTAIN = 37  # centibels below full
    VOL_RELEASE = 38
    KEY_TO_HOLD = 39  # timecents per key
    KEY_TO_DECAY = 40
    INSTRUMENT = 41  # index
    KEY_RANGE = 43  # low byte, high byte
    VELOCITY_RANGE = 44
    LOOP_START_COARSE_OFFSET = 45
    FIXED_KEY = 46  # MIDI number
    FIXED_VELOCITY = 47
    ATTENUATION = 48  # centibels
    LOOP_END_COARSE_OFFSET = 50
    COARSE_TUNE = 51  # semitones
    FINE_TUNE = 52  # cents
    SAMPLE = 53  # index
    SAMPLE_MODE = 54  # 1: loop for ever, 3: loop until the key goes up
    SCALE_TUNE = 56  # cents per key
    ROOT_KEY = 58  # MIDI number


@dataclass(frozen=True, slots=True)
class Zone:
    """Generators as ``(operator, amount)`` and modulators as raw records, both in the order of the file."""

    generators: tuple[tuple[int, int], ...] = ()
    modulators: tuple[tuple[int, ...], ...] = ()

    def get(self, operator: Gen) -> int | None:
        """The amount of one generator; ``None`` where the zone does not set it."""
        return dict(self.generators).get(operator)

    def covers(self, key: int, velocity: int) -> bool:
        """Whether this zone sounds for a MIDI key and velocity."""
        ranges = ((Gen.KEY_RANGE, key), (Gen.VELOCITY_RANGE, velocity))
        return all(a is None or a & 255 <= v <= (a >> 8) & 255 for a, v in ((self.get(g), v) for g, v in ranges))


@dataclass(frozen=True, slots=True)
class Preset:
    """What a MIDI program number chooses; ``library`` holds three reserved numbers of the file."""

    name: str
    bank: int
    program: int
    zones: tuple[Zone, ...]
    library: tuple[int, int, int] = (0, 0, 0)


@dataclass(frozen=True, slots=True)
class Instrument:
    """Zones that point to samples."""

    name: str
    zones: tuple[Zone, ...]


@dataclass(frozen=True, slots=True)
class SampleHeader:
    """Where one recording lies: ``[start, end)`` and its loop are indexes into ``SoundFont.samples``."""

    name: str
    start: int
    end: int
    loop_start: int
    loop_end: int
    rate_hz: int
    root_key: int
    correction_cents: int
    link: int = 0
    kind: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class SoundFont:
    """A whole font: ``info`` holds the raw texts of the INFO list, ``samples`` is ``(n,)`` int16, mono."""

    info: tuple[tuple[str, bytes], ...]
    samples: NDArray[np.int16]
    headers: tuple[SampleHeader, ...]
    presets: tuple[Preset, ...]
    instruments: tuple[Instrument, ...]

    @property
    def name(self) -> str:
        return _text(dict(self.info).get("INAM", b"")) or "unnamed SoundFont"

    @property
    def usual(self) -> Preset:
        """The preset that plays where none is named: bank 0, program 0, or the first one.

        Raises:
            RenderError: the font has none.
        """
        if not self.presets:
            raise RenderError(message("{name} has no instrument; choose another .sf2 file.", name=self.name))
        return min(self.presets, key=lambda preset: (preset.bank, preset.program))

    def preset(self, bank: int, program: int) -> Preset:
        """The preset of a bank and program; ``RenderError`` when the font has none."""
        for preset in self.presets:
            if (preset.bank, preset.program) == (bank, program):
                return preset
        raise RenderError(
            message(
                "{name} has no instrument at bank {bank}, program {program}; choose another .sf2 file.",
                name=self.name,
                bank=bank,
                program=program,
            )
        )


_LARGEST_BYTES = 512 * 2**20
_LONGEST_TABLE = 4 * 2**20  # bytes; in a font with all General MIDI instruments the longest has a thirtieth of it


class _DamagedError(ValueError):
    """A rule of the file format is broken; never leaves this module."""


def read_soundfont(path: Path) -> SoundFont:
    """Read an SF2 file (16-bit, uncompressed).

    Raises:
        RenderError: the file is missing or over 512 MB, or not a complete SoundFont 2 file.
    """
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise RenderError(
                message(
                    "{name} is too large; soundfonts up to {most} MB can be read.",
                    name=path.name,
                    most=_LARGEST_BYTES // 2**20,
                )
            )
        data = path.read_bytes()
    except OSError as error:
        reason = error.strerror or "no such file"
        raise RenderError(
            message("Cannot read the soundfont {name}: {reason}. Choose an .sf2 file.", name=path.name, reason=reason)
        ) from error
    try:
        return _parse(data)
    except (_DamagedError, struct.error) as error:
        raise RenderError(
            message(
                "{name} is not a complete SoundFont 2 file ({fault}); copy it again or choose another file.",
                name=path.name,
                fault=str(error),
            )
        ) from error


def _text(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode("latin-1").strip()


def _chunks(data: bytes, start: int, end: int) -> Iterator[tuple[str, int, int]]:
    """RIFF chunks in ``data[start:end]`` as (name, first byte, last byte + 1)."""
    while start + 8 <= end:
        name, size = struct.unpack_from("<4sI", data, start)
        first = start + 8
        if first + size > end:
            raise _DamagedError("the file ends too early")
        yield name.decode("latin-1"), first, first + size
        start = first + size + size % 2  # chunks lie on even bytes


def _parse(data: bytes) -> SoundFont:
    if data[:4] != b"RIFF" or data[8:12] != b"sfbk":
        raise _DamagedError("it does not start like one")
    info: list[tuple[str, bytes]] = []
    tables: dict[str, list[tuple]] = {}
    samples: NDArray[np.int16] | None = None
    riff_end = 8 + struct.unpack_from("<I", data, 4)[0]
    if riff_end > len(data):
        raise _DamagedError("the file ends too early")
    for _, list_start, list_end in _chunks(data, 12, riff_end):
        kind = data[list_start : list_start + 4]
        for name, start, end in _chunks(data, list_start + 4, list_end):
            if kind == b"INFO":
                info.append((name, data[start:end]))
            elif name == "smpl":
                samples = np.frombuffer(data, "<i2", count=(end - start) // 2, offset=start)
            elif name in RECORDS and end - start > _LONGEST_TABLE:
                raise _DamagedError(f"its part {name} is too long")
            elif name in RECORDS:
                tables[name] = list(struct.iter_unpack(RECORDS[name], data[start:end]))
    missing = [name for name in RECORDS if not tables.get(name)]
    if samples is None or missing:
        raise _DamagedError(f"its part {'smpl' if samples is None else missing[0]} is missing")
    headers = tuple(_header(record, len(samples)) for record in tables["shdr"][:-1])
    instruments = tuple(
        Instrument(_text(first[0]), _zones(tables, "i", first[1], last[1], Gen.SAMPLE, len(headers)))
        for first, last in pairwise(tables["inst"])
    )
    presets = tuple(
        Preset(
            name=_text(first[0]),
            bank=first[2],
            program=first[1],
            zones=_zones(tables, "p", first[3], last[3], Gen.INSTRUMENT, len(instruments)),
            library=(first[4], first[5], first[6]),
        )
        for first, last in pairwise(tables["phdr"])
    )
    return SoundFont(tuple(info), samples, headers, presets, instruments)


def _header(record: tuple, sample_count: int) -> SampleHeader:
    name, start, end, loop_start, loop_end, rate, key, correction, link, kind = record
    is_rom = bool(kind & 0x8000)  # lives in the chip of a sound card; no data in the file
    if not is_rom and not start <= end <= sample_count:
        raise _DamagedError(f"the sample {_text(name)} lies outside the sample memory")
    if not is_rom and not 400 <= rate <= 192000:
        raise _DamagedError(f"the sample {_text(name)} has {rate} values per second")
    if kind & 0x10:
        raise _DamagedError("its samples are compressed, as in an .sf3 file")
    return SampleHeader(_text(name), start, end, loop_start, loop_end, rate, key, correction, link, kind)


def _zones(
    tables: dict[str, list[tuple]], level: str, first: int, last: int, target: Gen, target_count: int
) -> tuple[Zone, ...]:
    """The bags ``[first, last)`` of presets (level "p") or instruments ("i"), their references checked."""
    bags, generators, modulators = (tables[level + name] for name in ("bag", "gen", "mod"))
    if not first <= last < len(bags):
        raise _DamagedError("its zone table is inconsistent")
    zones = []
    for (gen_start, mod_start), (gen_end, mod_end) in pairwise(bags[first : last + 1]):
        if not (gen_start <= gen_end < len(generators) + 1 and mod_start <= mod_end < len(modulators) + 1):
            raise _DamagedError("its generator table is inconsistent")
        zone = Zone(tuple(generators[gen_start:gen_end]), tuple(modulators[mod_start:mod_end]))
        index = zone.get(target)
        if index is not None and not 0 <= index < target_count:
            raise _DamagedError("a zone points to nothing")
        zones.append(zone)
    return tuple(zones)
