"""A SoundFont 2 player in NumPy: the piano that sounds when FluidSynth is not installed.

Conventions: times are seconds, levels of the volume envelope run from 1 (full) to 0 (96 dB below), gains are
amplitudes, tables of the font are in its own units (timecents, centibels, absolute cents) until ``_resolve``.

Follows the SoundFont 2.04 specification, section 9, and FluidSynth where that leaves a choice. Left out,
because the project's piano does not use them: pitch and volume LFOs, the pitch part of the modulation
envelope, the modulators of a font (velocity acts as in the default modulator), and a cutoff that moves
during a note (it stays at the sustain level of the modulation envelope). A font that leans on these sounds
different from FluidSynth.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from eimg_core.errors import RenderError
from eimg_core.sound.soundfont import Gen, SampleHeader, SoundFont, Zone

__all__ = ["Sampler", "Strike"]

_Array = NDArray[np.float32]

_ENVELOPE_RANGE_DB = 96.0
_ATTENUATION_SCALE = 0.4  # of the E-mu chips; fonts are tuned by ear to it, and FluidSynth does the same
_SHORTEST_NOTE_S = 0.010  # FluidSynth's synth.min-note-length
_OPEN_CUTOFF_CENTS = 13500  # the default of the specification, about 20 kHz: no filter
_WIDEST_CENTS = 7200  # six octaves up or down; more is a mistake in a font, and would need much memory
_MOST_VOICES = 32  # of a strike
_MOST_READ = 2**27  # values of a recording for one strike: 12 minutes an octave up
_INSTANT = -12000  # timecents; 1 ms, the default of all envelope times

# Generators that a zone leaves out have these values; everything else is 0.
_DEFAULTS: dict[int, int] = {
    Gen.FILTER_CUTOFF: _OPEN_CUTOFF_CENTS,
    Gen.VOL_DELAY: _INSTANT,
    Gen.VOL_ATTACK: _INSTANT,
    Gen.VOL_HOLD: _INSTANT,
    Gen.VOL_DECAY: _INSTANT,
    Gen.VOL_RELEASE: _INSTANT,
    Gen.FIXED_KEY: -1,
    Gen.FIXED_VELOCITY: -1,
    Gen.SCALE_TUNE: 100,
    Gen.ROOT_KEY: -1,
}


@dataclass(frozen=True, slots=True, order=True)
class Strike:
    """One hammer blow: MIDI ``key`` and ``velocity``; the damper falls at ``release_s``, pedal included."""

    start_s: float
    key: int
    velocity: int
    release_s: float


@dataclass(frozen=True, slots=True)
class _Envelope:
    """Delay, linear attack, hold, decay to ``sustain``, release; the last two are linear in decibels."""

    delay_s: float
    attack_s: float
    hold_s: float
    decay_s: float  # from full level to 96 dB below
    sustain: float  # level 0-1
    release_s: float  # from full level to 96 dB below

    def shape(self, held_s: float, rate_hz: int) -> _Array:
        """Gain of each sample ``(n,)``, from the strike until the sound has died away."""
        held = round(max(held_s, _SHORTEST_NOTE_S) * rate_hz)
        delay = min(held, round(self.delay_s * rate_hz))
        attack = min(held, round((self.delay_s + self.attack_s) * rate_hz))
        decay = min(held, round((self.delay_s + self.attack_s + self.hold_s) * rate_hz))

        rise = np.arange(1, attack - delay + 1, dtype=np.float32) / max(1.0, self.attack_s * rate_hz)
        fall = 1 - np.arange(held - decay, dtype=np.float32) / max(1.0, self.decay_s * rate_hz)
        fall_gain = _gain(np.maximum(fall, self.sustain))
        until_release = np.concatenate(
            [np.zeros(delay, np.float32), np.minimum(rise, 1), np.ones(decay - attack, np.float32), fall_gain]
        )
        last = max(float(until_release[-1]), 1e-9)
        level = 1 + 20 * math.log10(last) / _ENVELOPE_RANGE_DB
        release = max(1.0, self.release_s * rate_hz)
        damped = _gain(level - np.arange(1, max(0, int(level * release)) + 1, dtype=np.float32) / np.float32(release))
        return np.concatenate([until_release, damped])


@dataclass(frozen=True, slots=True)
class _Region:
    """A stretch of sample memory that is read ``step`` samples at a time; ``loop_end`` is 0 for no loop."""

    start: int
    end: int
    loop_start: int
    loop_end: int
    step: float


@dataclass(frozen=True, slots=True)
class _LowPass:
    """Second-order low-pass filter: ``cutoff_hz`` and resonance ``q_db`` in decibels."""

    cutoff_hz: float
    q_db: float

    def impulse_response(self, rate_hz: int) -> _Array:
        """The ``(n,)`` samples that matter (down to -100 dB); a short filter, since cutoffs are kilohertz."""
        q = 10 ** ((self.q_db - 3.01) / 20)  # 0 dB is the Butterworth response, without a bump
        omega = 2 * math.pi * min(self.cutoff_hz, 0.45 * rate_hz) / rate_hz
        alpha = math.sin(omega) / (2 * q)
        a1, a2 = -2 * math.cos(omega) / (1 + alpha), (1 - alpha) / (1 + alpha)
        b1 = (1 - math.cos(omega)) / (1 + alpha) / math.sqrt(q)  # what resonance adds, the rest loses
        x, y = [b1 / 2, b1, b1 / 2], [0.0, 0.0]
        length = min(8192, max(16, math.ceil(-11.5 / math.log(math.sqrt(a2))))) if a2 > 0 else 16
        for n in range(length):
            y.append((x[n] if n < 3 else 0.0) - a1 * y[-1] - a2 * y[-2])
        return np.array(y[2:], np.float32)


@dataclass(frozen=True, slots=True)
class _Voice:
    """One zone of the font, made ready for one key and velocity."""

    region: _Region
    envelope: _Envelope
    low_pass: _LowPass | None
    left: float
    right: float


@dataclass(slots=True)
class Sampler:
    """Plays one preset of a font.

    Args:
        font: where the samples are.
        rate_hz: of the sound that comes out.
        bank, program: which preset; 0, 0 is the grand piano in every General MIDI font.
    Raises:
        RenderError: the font has no such preset.
    """

    font: SoundFont
    rate_hz: int = 44100
    bank: int = 0
    program: int = 0
    _voices: dict[tuple[int, int], tuple[_Voice, ...]] = field(default_factory=dict)

    def render(self, strikes: Iterable[Strike], length: int) -> _Array:
        """Sound of all strikes together.

        Args:
            strikes: in any order.
            length: samples per channel; what rings longer is cut.
        Returns:
            ``(length, 2)``, left and right, not normalised.
        """
        # Voices with the same filter are mixed before it: filtering their sum is filtering each, but cheaper.
        groups: dict[_LowPass | None, dict[int, list[Strike]]] = defaultdict(lambda: defaultdict(list))
        for strike in sorted(strikes):
            for low_pass in dict.fromkeys(v.low_pass for v in self.voices(strike.key, strike.velocity)):
                groups[low_pass][strike.key].append(strike)
        sound = np.zeros((2, length), np.float32)
        for low_pass, keys in groups.items():
            mix = np.zeros((2, length), np.float32)
            for same_key in keys.values():
                self._add(mix, same_key, low_pass)
            if low_pass is not None:
                response = low_pass.impulse_response(self.rate_hz)
                mix = np.stack([np.convolve(channel, response)[:length] for channel in mix])
            sound += mix
        return np.ascontiguousarray(sound.T)

    def voices(self, key: int, velocity: int) -> tuple[_Voice, ...]:
        """What sounds for a key and velocity: usually two voices, the left and the right microphone; 32 at most."""
        if (key, velocity) not in self._voices:
            self._voices[key, velocity] = tuple(islice(self._find_voices(key, velocity), _MOST_VOICES))
        return self._voices[key, velocity]

    def _find_voices(self, key: int, velocity: int) -> Iterable[_Voice]:
        preset = self.font.preset(self.bank, self.program)
        for outer, index in _sounding(preset.zones, Gen.INSTRUMENT, key, velocity):
            for inner, sample in _sounding(self.font.instruments[index].zones, Gen.SAMPLE, key, velocity):
                # Instrument zones set values; preset zones add to them (section 9.4).
                values = defaultdict(int, {**_DEFAULTS, **inner})
                for operator, amount in outer.items():
                    values[operator] += amount
                yield _resolve(values, self.font.headers[sample], key, velocity, self.rate_hz)

    def _add(self, mix: _Array, strikes: Sequence[Strike], low_pass: _LowPass | None) -> None:
        """Add the strikes of one key; each recording is resampled once, at the longest length needed."""
        length = mix.shape[1]
        parts: dict[_Region, list[tuple[int, _Array, _Voice]]] = defaultdict(list)
        for strike in strikes:
            start = round(strike.start_s * self.rate_hz)
            shapes: dict[_Envelope, _Array] = {}
            for voice in self.voices(strike.key, strike.velocity):
                if voice.low_pass != low_pass or start >= length:
                    continue
                if voice.envelope not in shapes:
                    held_s = strike.release_s - strike.start_s
                    shapes[voice.envelope] = voice.envelope.shape(held_s, self.rate_hz)[: length - start]
                parts[voice.region].append((start, shapes[voice.envelope], voice))
        for region, members in parts.items():
            tone = _resample(self.font.samples, region, max(len(shape) for _, shape, _ in members))
            for start, shape, voice in members:
                sound = tone[: len(shape)] * shape[: len(tone)]
                for channel, gain in zip(mix, (voice.left, voice.right), strict=True):
                    if gain > 0:
                        channel[start : start + len(sound)] += np.float32(gain) * sound


def _sounding(zones: Sequence[Zone], target: Gen, key: int, velocity: int) -> Iterable[tuple[dict[int, int], int]]:
    """The zones that cover a key and velocity, as (generators, index of the target).

    The first zone, when it points to nothing, holds defaults for the others.
    """
    shared = dict(zones[0].generators) if zones and zones[0].get(target) is None else {}
    ranges_and_target = (Gen.KEY_RANGE, Gen.VELOCITY_RANGE, target)
    for zone in zones:
        index = zone.get(target)
        if index is not None and zone.covers(key, velocity):
            values = {**shared, **dict(zone.generators)}
            yield {k: v for k, v in values.items() if k not in ranges_and_target}, index


def _resolve(values: dict[int, int], header: SampleHeader, key: int, velocity: int, rate_hz: int) -> _Voice:
    """Turn generators in the units of the font into a voice."""
    key = values[Gen.FIXED_KEY] if 0 <= values[Gen.FIXED_KEY] <= 127 else key
    velocity = values[Gen.FIXED_VELOCITY] if 1 <= values[Gen.FIXED_VELOCITY] <= 127 else velocity
    # The default modulator, velocity to attenuation, concave over 960 cB, is the square law (v / 127)^2.
    attenuation_cb = _ATTENUATION_SCALE * min(1440, max(0, values[Gen.ATTENUATION]))
    gain = 10 ** (-attenuation_cb / 200) * (velocity / 127) ** 2
    angle = (min(500, max(-500, values[Gen.PAN])) + 500) / 1000 * math.pi / 2
    return _Voice(
        region=_region(values, header, key, rate_hz),
        envelope=_envelope(values, key),
        low_pass=_low_pass(values),
        left=gain * math.cos(angle) if values[Gen.PAN] < 500 else 0.0,
        right=gain * math.sin(angle),
    )


def _region(values: dict[int, int], header: SampleHeader, key: int, rate_hz: int) -> _Region:
    def moved(position: int, fine: Gen, coarse: Gen) -> int:
        return min(header.end, max(header.start, position + values[fine] + 32768 * values[coarse]))

    start = moved(header.start, Gen.START_OFFSET, Gen.START_COARSE_OFFSET)
    end = moved(header.end, Gen.END_OFFSET, Gen.END_COARSE_OFFSET)
    loop_start = moved(header.loop_start, Gen.LOOP_START_OFFSET, Gen.LOOP_START_COARSE_OFFSET)
    loop_end = moved(header.loop_end, Gen.LOOP_END_OFFSET, Gen.LOOP_END_COARSE_OFFSET)
    has_loop = values[Gen.SAMPLE_MODE] in (1, 3) and loop_end - loop_start >= 8 and loop_start >= start

    root = values[Gen.ROOT_KEY] if 0 <= values[Gen.ROOT_KEY] <= 127 else header.root_key
    root = root if root <= 127 else 60  # 255 marks a sound without pitch
    cents = values[Gen.SCALE_TUNE] * (key - root) + 100 * values[Gen.COARSE_TUNE] + values[Gen.FINE_TUNE]
    cents = min(_WIDEST_CENTS, max(-_WIDEST_CENTS, cents + header.correction_cents))
    step = 2 ** (cents / 1200) * header.rate_hz / rate_hz
    return _Region(start, end, loop_start, loop_end if has_loop else 0, step)


def _envelope(values: dict[int, int], key: int) -> _Envelope:
    def seconds(timecents: int, longest: int = 8000) -> float:
        return 0.0 if timecents <= _INSTANT else 2 ** (min(timecents, longest) / 1200)

    return _Envelope(
        delay_s=seconds(values[Gen.VOL_DELAY], 5000),
        attack_s=seconds(values[Gen.VOL_ATTACK]),
        hold_s=seconds(values[Gen.VOL_HOLD] + values[Gen.KEY_TO_HOLD] * (60 - key), 5000),
        decay_s=seconds(values[Gen.VOL_DECAY] + values[Gen.KEY_TO_DECAY] * (60 - key)),
        sustain=1 - min(1000, max(0, values[Gen.VOL_SUSTAIN])) / 1000,
        release_s=seconds(max(-7200, values[Gen.VOL_RELEASE])),  # never under 16 ms, which would click
    )


def _low_pass(values: dict[int, int]) -> _LowPass | None:
    sustain = 1 - min(1000, max(0, values[Gen.MOD_ENV_SUSTAIN])) / 1000
    cents = values[Gen.FILTER_CUTOFF] + sustain * values[Gen.MOD_ENV_TO_CUTOFF]
    q_db = min(96.0, max(0.0, values[Gen.FILTER_Q] / 10))
    if cents >= _OPEN_CUTOFF_CENTS and q_db == 0:
        return None
    return _LowPass(cutoff_hz=8.176 * 2 ** (max(1500.0, cents) / 1200), q_db=q_db)


def _gain(level: _Array) -> _Array:
    """Envelope level to amplitude: 1 is 0 dB, 0 is -96 dB."""
    nepers = (level - 1) * np.float32(_ENVELOPE_RANGE_DB / 20 * math.log(10))
    gain: _Array = np.exp(nepers)
    return gain


def _resample(memory: NDArray[np.int16], region: _Region, length: int) -> _Array:
    """Read a recording at another speed with four-point cubic (Catmull-Rom) interpolation.

    Returns:
        At most ``(length,)`` samples in [-1, 1]; fewer where a recording without a loop ends.
    """
    needed = math.ceil(length * region.step) + 2
    if needed > _MOST_READ:
        raise RenderError("The soundfont transposes its recordings too far; choose another .sf2 file.")
    if region.loop_end:
        once = memory[region.start : region.loop_end]
        loop = memory[region.loop_start : region.loop_end]
        source = np.concatenate([once, np.resize(loop, max(0, needed - len(once)))])  # resize repeats the loop
    else:
        source = memory[region.start : region.end]
        length = min(length, max(0, int((len(source) - 2) / region.step)))
    # One sample before and two after each position are read as well.
    x = np.concatenate([source[:1], source[:needed], np.zeros(3, np.int16)]).astype(np.float32)
    position = np.arange(length) * region.step
    whole = position.astype(np.intp)
    t = (position - whole).astype(np.float32)
    a, b, c, d = (x[offset:][whole] for offset in range(4))
    slope = 0.5 * (c - a)
    curve = b + t * (slope + t * (a - 2.5 * b + 2 * c - 0.5 * d + t * (1.5 * (b - c) + 0.5 * (d - a))))
    return (curve / 32768).astype(np.float32, copy=False)
