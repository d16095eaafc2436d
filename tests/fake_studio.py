"""A studio without weights: it has the shape of the real one and really makes notes, sound and files, at once.

It reads a photo by its colours (bright is pleasant, colourful is exciting), so that tests can tell two photos apart.
"""

from __future__ import annotations

import io
import threading
import wave
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from eimg_core.composer import Composition, Take
from eimg_core.emotion import VA, distance, photo_target
from eimg_core.errors import InputError
from eimg_core.exports.files import write
from eimg_core.exports.formats import usual_formats
from eimg_core.exports.work import Work
from eimg_core.messages import Message, message
from eimg_core.metrics.registry import measure
from eimg_core.midi.notes import Note, Pedal, Piece
from eimg_core.options import ComposeOptions
from eimg_core.progress import Progress
from eimg_core.recipe import Recipe, Stop, given_id_of, photo_id
from eimg_core.sound.soundfont import read_soundfont

RATE_HZ = 22_050


@dataclass(frozen=True)
class FakePairing:
    key: str
    title: str
    default: bool = False
    variants: tuple[str, ...] = ("eimg2",)
    composes: bool = True


@dataclass(frozen=True)
class FakeReading:
    va: VA
    sd_valence: float = 1.0
    sd_arousal: float = 0.8
    remark: Message | None = None


@dataclass(frozen=True)
class FakeClass:
    name: str
    probability: float
    valence: float
    arousal: float


@dataclass(frozen=True)
class FakeExplanation:
    """Bright parts are pleasant, colourful ones exciting."""

    valence: tuple[tuple[float, ...], ...]
    arousal: tuple[tuple[float, ...], ...]
    words: dict[str, Message]
    classes: tuple[FakeClass, ...]


@dataclass(frozen=True)
class FakeWaveform:
    samples: np.ndarray
    sample_rate_hz: int = RATE_HZ
    engine: str = "test engine"
    soundfont: str = "plain tones"

    def wav_bytes(self) -> bytes:
        buffer = io.BytesIO()
        with wave.open(buffer, "wb") as file:
            file.setnchannels(2)
            file.setsampwidth(2)
            file.setframerate(self.sample_rate_hz)
            file.writeframes((np.clip(self.samples, -1, 1) * 32767).astype("<i2").tobytes())
        return buffer.getvalue()


PAIRINGS = (
    FakePairing("vqvae+fnt", "VQ-VAE + FNT", default=True),
    FakePairing("alae+fnt", "ALAE + FNT"),
    FakePairing("alae+lsr", "ALAE + LSR", composes=False),
    FakePairing("beta_vae+fnt", "β-VAE + FNT"),
    FakePairing("beta_vae+lsr", "β-VAE + LSR"),
    FakePairing("vqvae+lsr", "VQ-VAE + LSR", variants=("eimg2", "paper")),
    FakePairing("effnet+tvae", "EffNet + TVAE"),
)
METRICS = {  # of every piece, so that tests can look for them; all others are measured
    "polyphony_rate": 0.53,
    "pitch_entropy": 3.61,
    "groove_consistency": 0.98,
    "bar_groove": 0.81,
}
MISSES = {  # how far each one lands from its target; two land in nearly the same place
    "vqvae+fnt": (0.6, 0.3),
    "alae+fnt": (-1.1, 0.8),
    "alae+lsr": (-1.0, 0.9),
    "beta_vae+fnt": (0.4, -1.6),
    "beta_vae+lsr": (1.9, 1.2),
    "vqvae+lsr": (-2.2, -0.7),
    "effnet+tvae": (0.2, 0.2),
}


@dataclass
class FakeStudio:
    """Remembers what it was asked; ``before_composing`` lets a test slow it down or make it fail, ``before`` one
    pairing alone."""

    before_composing: Callable[[], None] | None = None
    before: dict[str, Callable[[], None]] = field(default_factory=dict)
    asked: list[ComposeOptions] = field(default_factory=list)
    levels: list[float | None] = field(default_factory=list)
    instruments: list[str] = field(default_factory=list)
    before_explaining: Callable[[], None] | None = None
    kept: list[int] = field(default_factory=list)
    retold: list[tuple[Piece, VA]] = field(default_factory=list)
    extended: list[tuple[Piece, float]] = field(default_factory=list)
    lived: list[tuple[VA, float | None]] = field(default_factory=list)
    filled: list[tuple[Piece, tuple[int, int]]] = field(default_factory=list)
    restored: list[Composition] = field(default_factory=list)
    note: Message | None = None
    remark: Message | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def pairings(self) -> list[FakePairing]:
        return list(PAIRINGS)

    def warm_up(self) -> None:
        pass

    def read_photo(self, photo: Image.Image) -> FakeReading:
        colours = np.asarray(photo.resize((16, 16)), dtype=np.float32) / 255.0
        vivid = float((colours.max(axis=-1) - colours.min(axis=-1)).mean())
        return FakeReading(VA(1.5 + 7.0 * float(colours.mean()), 2.0 + 6.0 * vivid), remark=self.remark)

    def reader_note(self) -> Message | None:
        return self.note

    def target_for(self, reading: VA) -> VA:
        return photo_target(reading)

    def compose(
        self,
        photo: Image.Image | None,
        pairing: str,
        options: ComposeOptions,
        progress: Progress | None = None,
        photo_va: VA | None = None,
    ) -> Composition:
        tell = progress or (lambda stage, done: None)
        self.asked.append(options)
        tell("reading the photo", 0.1)
        photo_va = photo_va or (self.read_photo(photo).va if photo is not None else None)
        target = options.target or (self.target_for(photo_va) if photo_va else None)
        if target is None:
            raise InputError("There is nothing to compose for yet. Add a photo, or choose an emotion in the plane.")
        tell("composing", 0.4)
        if self.before_composing:
            self.before_composing()
        if pairing in self.before:
            self.before[pairing]()
        tell("composing", 1.0)
        remarks = ("ALAE + LSR cannot follow a density.",) if options.density and pairing == "alae+lsr" else ()
        return self._heard(
            Composition(
                Piece(()),
                pairing,
                options,
                photo_va,
                target,
                remarks=remarks,
                recipe=Recipe(pairing, options, photo_id(photo)),
            ),
            options.seed,
        )

    def _heard(self, composition: Composition, seed: int) -> Composition:
        """With its takes, the guide's choice among them, and where it is heard."""
        options, target, pairing = composition.options, composition.target_va, composition.pairing
        seconds, takes, miss = options.seconds, [], MISSES[pairing.partition("@")[0]]
        for number in range(options.takes if options.takes > 1 else 0):
            piece = sketch(target, 1000 * number + seed + _voice(pairing), seconds).faster(options.tempo)
            heard = VA(target.valence + 0.7 - 0.4 * number, target.arousal - 0.9 + 0.5 * number).clamped()
            takes.append(Take(piece, heard, distance(heard, target)))
        choice = min(range(len(takes)), key=lambda n: takes[n].distance, default=0)
        kept = choice if options.keep is None else options.keep
        alone = sketch(target, seed + _voice(pairing), seconds).faster(options.tempo)
        piece = takes[kept].piece if takes else alone
        return replace(
            composition,
            piece=piece,
            piece_va=VA(target.valence + miss[0], target.arousal + miss[1]).clamped(),
            metrics={**measure(piece), **METRICS},
            timings_s={"compose": 0.01},
            takes=tuple(takes),
            choice=choice,
            kept=kept,
            variant=pairing.partition("@")[2] or "eimg2",
        )

    def restore(self, composition: Composition) -> Composition:
        self.restored.append(composition)
        return self._measured(composition)

    def _measured(self, composition: Composition) -> Composition:
        target, miss = composition.target_va, MISSES[composition.pairing.partition("@")[0]]
        estimate = target if composition.made_by.stops else VA(target.valence + miss[0], target.arousal + miss[1])
        return replace(composition, piece_va=estimate.clamped(), metrics={**measure(composition.piece), **METRICS})

    def explain_photo(self, photo: Image.Image) -> FakeExplanation:
        if self.before_explaining:
            self.before_explaining()
        colours = np.asarray(photo.resize((24, 24)), dtype=np.float64) / 255.0
        bright, vivid = colours.mean(axis=-1), colours.max(axis=-1) - colours.min(axis=-1)
        maps = [((one - one.mean()) / 2).round(3).tolist() for one in (bright, vivid)]
        words = {
            "valence": message(
                "The {part} makes it {effect}.",
                part=message("{area} {place}", area=message("bright area"), place=message("at the top")),
                effect=message("more pleasant"),
            ),
            "arousal": message("The {part} makes it {effect}.", part=message("blue"), effect=message("calmer")),
        }
        return FakeExplanation(maps[0], maps[1], words, (FakeClass("seashore", 0.7, 0.4, -0.2),))

    def keep(self, composition: Composition, take: int) -> Composition:
        self.kept.append(take)
        return self._heard(composition.keeping(take), composition.options.seed)

    def retell(self, piece: Piece, pairing: str, target: VA, options: ComposeOptions) -> Composition:
        self.retold.append((piece, target))
        recipe = Recipe.of_step("retell", piece, pairing, target, options)
        return self._heard(
            Composition(piece, pairing, options, None, target, recipe=recipe), options.seed + len(piece.notes)
        )

    def extend(self, piece: Piece, pairing: str, target: VA, options: ComposeOptions) -> Composition:
        self.extended.append((piece, options.seconds))
        recipe = Recipe.of_step("extend", piece, pairing, target, options)
        return self._heard(
            Composition(piece, pairing, options, None, target, recipe=recipe), options.seed + len(piece.notes)
        )

    def fill(
        self, piece: Piece, bars: tuple[int, int], pairing: str, target: VA, options: ComposeOptions
    ) -> Composition:
        self.filled.append((piece, bars))
        recipe = Recipe.of_step("fill", piece, pairing, target, options, bars)
        return self._heard(
            Composition(piece, pairing, options, None, target, recipe=recipe), options.seed + len(piece.notes)
        )

    def go_on(
        self,
        piece: Piece | None,
        pairing: str,
        target: VA,
        options: ComposeOptions,
        *,
        from_s: float | None,
        least_s: float,
    ) -> Piece:
        """Bars of two seconds with four beats."""
        self.lived.append((target, from_s))
        start = 0.0 if piece is None else piece.length_s if from_s is None else 2.0 * int(from_s / 2.0 + 1e-6)
        added = sketch(target, options.seed, 2.0).cropped(2.0).later(start)
        if piece is None:
            return replace(added, tempo_bpm=120.0, meter=(4, 4), sections=(), loop_s=2.0)
        entering = added if from_s is None else added.sounding_from(from_s)
        before = piece if from_s is None else piece.cropped(from_s)
        return replace(before, notes=(*before.notes, *entering.notes), sections=(), loop_s=start + 2.0)

    def given(self, piece: Piece, pairing: str, repairs: Sequence[str] = ()) -> Composition:
        recipe, target = Recipe(pairing, ComposeOptions(), given_id=given_id_of("file", piece)), self.listen(piece)
        made = Composition(piece, pairing, recipe.options, None, target, remarks=tuple(repairs), recipe=recipe)
        return self._measured(made)

    def story(
        self,
        photos: Sequence[Image.Image],
        pairing: str,
        options: ComposeOptions,
        progress: Progress | None = None,
        points: Sequence[VA] | None = None,
    ) -> Composition:
        tell = progress or (lambda stage, done: None)
        self.asked.append(options)
        if not 2 <= len(photos) <= 8:
            raise InputError(f"A story needs 2 to 8 photos, not {len(photos)}.")
        points = points or [self.target_for(self.read_photo(photo).va) for photo in photos]
        tell("composing", 0.4)
        if self.before_composing:
            self.before_composing()
        middle = VA(*(sum(axis) / len(points) for axis in zip(*((p.valence, p.arousal) for p in points), strict=True)))
        part_s, notes = options.seconds / len(points), []
        for n, point in enumerate(points):
            part = sketch(point, options.seed + n, part_s)
            notes += [replace(x, start_s=x.start_s + n * part_s, end_s=x.end_s + n * part_s) for x in part.notes]
        piece = Piece(tuple(notes))
        stops = tuple(Stop(point, photo_id(photo)) for point, photo in zip(points, photos, strict=True))
        metrics = {**measure(piece), **METRICS}
        made = Composition(piece, pairing, options, None, middle, middle, metrics, {"compose": 0.01})
        return replace(made, recipe=Recipe(pairing, options, stops=stops))

    def listen(self, piece: Piece) -> VA:
        if not piece.notes:
            raise InputError("The piece has no notes.")
        return VA(1 + 8 * float(np.mean([note.pitch for note in piece.notes])) / 127, 5.0)

    def render(
        self, piece: Piece, lufs: float | None = None, instrument: str = "piano", soundfont: Path | None = None
    ) -> FakeWaveform:
        self.levels.append(lufs)
        self.instruments.append(instrument if soundfont is None else read_soundfont(soundfont).name)
        samples = np.zeros((int((piece.duration_s + 0.5) * RATE_HZ), 2), dtype=np.float32)
        for note in piece.notes:
            t = np.arange(int(note.duration_s * RATE_HZ)) / RATE_HZ
            tone = np.sin(2 * np.pi * 440 * 2 ** ((note.pitch - 69) / 12) * t) * np.exp(-3 * t)
            start = int(note.start_s * RATE_HZ)
            samples[start : start + len(t)] += (0.1 * note.velocity / 127 * tone)[:, None]
        return FakeWaveform(samples)

    def save(
        self,
        composition: Composition,
        waveform: FakeWaveform | None,
        folder: Path,
        stem: str,
        photo: Image.Image | None = None,
        figure: bool = True,
    ) -> dict[str, Path]:
        sound = None if waveform is None else {"engine": waveform.engine, "soundfont": waveform.soundfont}
        wav = None if waveform is None else waveform.wav_bytes()
        work = Work(composition, photo, wav, sound)
        return write(work, folder, stem, usual_formats(figure))

    def save_comparison(
        self,
        entries: Sequence[tuple[Composition, Mapping[str, Path]]],
        folder: Path,
        stem: str,
        photo: Image.Image | None = None,
    ) -> dict[str, Path]:
        paths = {suffix: folder / f"{stem}.{suffix}" for suffix in ("png", "csv", "zip")}
        Image.new("RGB", (64, 32), "white").save(paths["png"])
        paths["csv"].write_text("pairing\n" + "".join(f"{composition.pairing}\n" for composition, _ in entries))
        with zipfile.ZipFile(paths["zip"], "w") as archive:
            for path in (paths["png"], paths["csv"], *(path for _, files in entries for path in files.values())):
                archive.write(path, path.name)
        return paths


def _voice(pairing: str) -> int:
    """What sets the pieces of one composer, and of one variant, apart from another's."""
    key, _, variant = pairing.partition("@")
    return list(MISSES).index(key) + len(variant)


def sketch(target: VA, seed: int, seconds: float) -> Piece:
    """Broken chords and a melody: major where valence is high, fast and loud where arousal is high."""
    rng = np.random.default_rng(seed)
    tempo = 60 + 10 * target.arousal
    beat = 60 / tempo
    chords = ((0, 4, 7), (9, 12, 16), (5, 9, 12), (7, 11, 14)) if target.valence >= 5 else ((0, 3, 7), (8, 12, 15))
    loud = int(38 + 8 * target.arousal)
    notes: list[Note] = []
    pedals: list[Pedal] = []
    step = beat / (2 if target.arousal >= 4 else 1)
    for bar in range(int(seconds / (4 * beat)) + 1):
        chord = chords[bar % len(chords)]
        start = 4 * beat * bar
        pedals.append(Pedal(start, start + 3.8 * beat))
        for n in range(round(4 * beat / step)):
            at = start + n * step
            pitch = 48 + chord[n % 3] - (12 if n == 0 else 0)
            notes.append(Note(at, pitch, at + step * 1.6, int(loud * 0.7 + rng.integers(0, 10))))
        at = start
        while at < start + 4 * beat - 1e-6:
            length = beat * float(rng.choice([0.5, 1.0, 1.0, 2.0]))
            pitch = 60 + int(rng.choice(chord)) + 12 * int(rng.integers(0, 2))
            notes.append(Note(at, pitch, at + length * 0.95, min(127, int(loud + rng.integers(0, 28)))))
            at += length
    return Piece(tuple(notes), tempo_bpm=tempo, pedals=tuple(pedals)).cropped(seconds)


def scene(kind: str = "beach", size: tuple[int, int] = (960, 640)) -> Image.Image:
    """A painted picture to upload: a bright "beach", a dark "night", a grey "fog" or a burning "dusk"."""
    palette = {
        "beach": ((132, 190, 226), (226, 240, 240), (68, 140, 168), (232, 208, 160), (255, 244, 200)),
        "night": ((14, 18, 40), (40, 44, 78), (18, 24, 44), (10, 12, 22), (216, 220, 230)),
        "fog": ((168, 172, 174), (206, 208, 206), (150, 156, 158), (120, 124, 122), (226, 226, 222)),
        "dusk": ((94, 36, 88), (250, 140, 60), (120, 40, 70), (50, 22, 44), (255, 214, 120)),
    }
    top, low, water, ground, sun = palette[kind]
    width, height = size
    picture = Image.new("RGB", size)
    draw = ImageDraw.Draw(picture)
    horizon = int(height * 0.55)
    for row in range(horizon):
        share = row / horizon
        draw.line([(0, row), (width, row)], fill=tuple(int(a + (b - a) * share) for a, b in zip(top, low, strict=True)))
    draw.ellipse([width * 0.62, height * 0.2, width * 0.62 + height * 0.16, height * 0.36], fill=sun)
    for row in range(horizon, height):
        share = (row - horizon) / (height - horizon)
        fill = tuple(int(a + (b - a) * max(0.0, share * 1.6 - 0.6)) for a, b in zip(water, ground, strict=True))
        draw.line([(0, row), (width, row)], fill=fill)
    for n in range(14):
        x, y = (n * 397) % width, horizon + 10 + (n * 61) % (height // 5)
        draw.line([(x, y), (x + 70 + 9 * n, y)], fill=tuple(min(255, c + 26) for c in water), width=2)
    return picture
