"""The one object that the page and the command line talk to: reads photos, composes, plays, saves.

Everything is loaded when it is first needed and kept. Photos and pieces are values; nothing of a visitor stays here but
the latest readings, by digits that say nothing about a photo, so that one is not read again when a piece is composed
for it.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from PIL.Image import Image

from eimg_core.atomic import drafted
from eimg_core.autoencoder import ComposingAutoencoder
from eimg_core.checkpoints import load_model, read_card
from eimg_core.composer import Composition
from eimg_core.emotion import VA, photo_target
from eimg_core.errors import CheckpointError, InputError
from eimg_core.exports.archive import archive_of
from eimg_core.exports.comparison import table_row, write_table
from eimg_core.exports.files import PHOTO, write
from eimg_core.exports.formats import FORMATS, usual_formats
from eimg_core.exports.record import describe
from eimg_core.exports.work import Work
from eimg_core.figures import save_comparison_figure
from eimg_core.image_ae import IMAGE_AUTOENCODERS, image_key_of
from eimg_core.messages import Message, message
from eimg_core.metrics.registry import measure
from eimg_core.midi.notes import Piece
from eimg_core.music_ae import MUSIC_AUTOENCODERS
from eimg_core.options import OPTIONS, ComposeOptions
from eimg_core.performance import perform
from eimg_core.pipeline import DEFAULT_PAIRING, Pipeline, available, split_key, variants
from eimg_core.progress import Progress, steps_told
from eimg_core.recipe import Recipe, Stop, given_id_of, photo_id
from eimg_core.shipped import CHECKPOINTS
from eimg_core.sound.instruments import INSTRUMENTS
from eimg_core.sound.protocol import Sound
from eimg_core.sound.render import Waveform, render
from eimg_core.va.evaluator import Evaluator
from eimg_core.va.explain import Explanation, explain
from eimg_core.va.image_reader import ImageReader, ImageReading
from eimg_core.va.readers import photo_reader, reader_note
from eimg_core.va.vision_model import VisionReader

__all__ = ["PairingInfo", "Studio", "describe"]

_USUAL_OPTIONS = ComposeOptions()
_PHOTO_SIDE = 640  # px of the photo that is kept for pictures
_READINGS = 64  # of the latest photos
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PairingInfo:
    """A shipped pairing, as menus show it; ``variants`` are those of its bridge, the one that ``key`` means first.

    ``composes``: it can keep a tune, go on with a piece and follow a density that is asked for.
    """

    key: str
    title: str
    preset: str
    megabytes: float
    default: bool
    variants: tuple[str, ...]
    composes: bool = False


class Studio:
    """Reads photos, composes, plays and saves; loads lazily from ``root``, and is safe to share between threads.

    Args:
        root: folder of trained components; those that are shipped, unless another one is given.
    Attributes:
        usual: key of the pairing that is taken where none is named.
    """

    usual = DEFAULT_PAIRING

    def __init__(self, root: Path = CHECKPOINTS) -> None:
        self.root = root
        self._loaded: dict[str, Any] = {}
        self._readings: dict[str | None, ImageReading] = {}
        self._lock = threading.RLock()

    def _once(self, name: str, load: Callable[[], T]) -> T:
        with self._lock:
            if name not in self._loaded:
                self._loaded[name] = load()
            found: T = self._loaded[name]
            return found

    # --- what there is ------------------------------------------------------------------------------------------

    def pairings(self) -> list[PairingInfo]:
        """Every shipped pairing, the default first."""
        infos = []
        for key in available(self.root):
            image_key, music_key, _ = split_key(key)
            shipped = variants(key, self.root)
            image = f"image_ae/{image_key_of(image_key, shipped[0])}"
            folders = [self.root / p for p in (f"bridge/{key}@{shipped[0]}", image, f"music_ae/{music_key}")]
            size = sum(file.stat().st_size for folder in folders for file in folder.glob("weights.safetensors"))
            title = f"{IMAGE_AUTOENCODERS[image_key].title} + {MUSIC_AUTOENCODERS[music_key].title}"
            preset = str(read_card(folders[0]).get("preset", ""))
            composes = issubclass(MUSIC_AUTOENCODERS[music_key], ComposingAutoencoder)
            megabytes = round(size / 1e6, 1)
            info = PairingInfo(key, title, preset, megabytes, key == DEFAULT_PAIRING, tuple(shipped), composes)
            infos.append(info)
        return infos

    def pipeline(self, pairing: str) -> Pipeline:
        """The pairing, loaded; pairings with a common autoencoder share it."""

        def shared(folder: Path, kinds: Mapping[str, type[Any]]) -> tuple[Any, dict[str, Any]]:
            return self._once(str(folder), lambda: load_model(folder, kinds))

        return self._once(f"pairing {pairing}", lambda: Pipeline.load(pairing, self.root, shared))

    def _reader(self) -> ImageReader | VisionReader:
        return self._once("reader", lambda: photo_reader(self.root))

    def _evaluator(self) -> Evaluator | None:
        def load() -> Evaluator | None:
            try:
                return Evaluator.load(self.root)
            except CheckpointError:
                return None  # the piece's own point is then left open; everything else works

        return self._once("evaluator", load)

    def warm_up(self, pairing: str | None = None) -> None:
        """Load everything and run a pairing once, the usual one where none is named, so that no visitor waits."""
        point = VA(6.0, 5.0)
        composition = self.compose(None, pairing, ComposeOptions(seconds=4.0, target=point))
        self.render(composition.played)
        self._reader()
        for key in available(self.root):
            try:
                self.pipeline(key)
            except CheckpointError:
                continue  # whoever asks for this one will be told

    # --- what it does -------------------------------------------------------------------------------------------

    def read_photo(self, photo: Image) -> ImageReading:
        """The emotion of a photo, with one standard deviation on each axis."""
        reading = self._reader().read(photo)
        if reading.remark is None:  # else it was not read as it should have been: the next time may do better
            with self._lock:
                self._readings[photo_id(photo)] = reading
                if len(self._readings) > _READINGS:
                    del self._readings[next(iter(self._readings))]
        return reading

    def reader_note(self) -> Message | None:
        """What a visitor must know about who reads the photos; ``None`` for the built-in reader."""
        return reader_note()

    def target_for(self, reading: VA) -> VA:
        """What a piece aims at for a photo that was read so, where nobody chose a target."""
        return photo_target(reading)

    def explain_photo(self, photo: Image) -> Explanation:
        """Which parts of a photo make it pleasant or exciting; see ``eimg_core.va.explain``.

        Raises:
            InputError: a vision model reads the photos here.
        """
        reader = self._reader()
        if isinstance(reader, VisionReader):
            raise InputError(message("A vision model reads the photos here, and does not say which parts count."))
        return explain(reader, photo)

    def compose(
        self,
        photo: Image | None = None,
        pairing: str | None = None,
        options: ComposeOptions = _USUAL_OPTIONS,
        progress: Progress | None = None,
        photo_va: VA | None = None,
    ) -> Composition:
        """Compose a piece, measure it as written, and perform it.

        Args:
            photo: upright RGB picture, see ``eimg_core.images.open_photo``; ``None`` to compose for ``options.target``.
                Where the options name no target, it is ``target_for`` the reading of the photo.
            pairing: its key; ``Studio.pairings`` lists them. The usual one where ``None``.
            options: seed, length, target and so on; without ``expressive`` nothing is performed.
            progress: called with the name of each stage and the share that is done.
            photo_va: the reading of the photo where there is one already, so that it is not read again.
        Returns:
            The piece with its performance, its quality metrics and the evaluator's estimate.
        Raises:
            InputError: there is neither a photo nor a target, or no such pairing.
            CheckpointError: weights are missing or damaged.
        """
        pairing = pairing or self.usual
        started = time.perf_counter()
        pipeline = self.pipeline(pairing)
        loaded = time.perf_counter()
        if progress:
            progress("reading the photo", 0.05)
        reading, identity = None, photo_id(photo)
        if photo is not None and photo_va is None:
            reading = self._readings.get(identity) or self.read_photo(photo)
        photo_va = reading.va.clamped() if reading else photo_va
        timings = {"load": loaded - started, "read_photo": time.perf_counter() - loaded}
        own = self.target_for(photo_va) if photo_va else None
        composition = pipeline.compose(photo, photo_va, replace(options, tempo=1.0), progress, own)
        if reading and reading.remark:
            composition = replace(composition, remarks=(reading.remark, *composition.remarks))
        return self._finished(_at_tempo(composition, options), Recipe(pairing, options, identity), timings)

    def retell(self, piece: Piece, pairing: str, target: VA, options: ComposeOptions) -> Composition:
        """The same tune with another emotion; see ``Pipeline.retell``."""
        recipe = Recipe.of_step("retell", piece, pairing, target, options)
        retold = self.pipeline(pairing).retell(piece, target, replace(options, tempo=1.0))
        return self._finished(_at_tempo(retold, options), recipe)

    def extend(self, piece: Piece, pairing: str, target: VA, options: ComposeOptions) -> Composition:
        """The piece, going on until ``options.seconds``; see ``Pipeline.extend``."""
        recipe = Recipe.of_step("extend", piece, pairing, target, options)
        return self._finished(self.pipeline(pairing).extend(piece, target, options), recipe)

    def fill(
        self, piece: Piece, bars: tuple[int, int], pairing: str, target: VA, options: ComposeOptions
    ) -> Composition:
        """The piece with some of its bars composed anew; see ``Pipeline.fill``."""
        recipe = Recipe.of_step("fill", piece, pairing, target, options, bars)
        return self._finished(self.pipeline(pairing).fill(piece, bars, target, options), recipe)

    def go_on(self, piece: Piece | None, pairing: str, target: VA, options: ComposeOptions, **how: Any) -> Piece:
        """The piece and a bar or more towards a target, without an end; see ``Pipeline.go_on`` for ``how``."""
        return self.pipeline(pairing).go_on(piece, target, options, **how)

    def given(self, piece: Piece, pairing: str, repairs: Sequence[str] = ()) -> Composition:
        """A piece from elsewhere as if it had been composed, so that it can be retold, continued, filled and kept.

        It is played as it is, as far as a piece may last; its target is the evaluator's estimate of it.

        Args:
            pairing: is to compose what follows.
            repairs: what was repaired in its file.
        Raises:
            InputError: it has no notes.
        """
        longest, remarks = OPTIONS["seconds"].high or math.inf, list(repairs)
        if piece.duration_s > longest:
            piece = piece.cropped(longest)
            remarks.append(message("The file is longer; its first {seconds} s were taken.", seconds=f"{longest:.0f}"))
        target = self.listen(piece).clamped()
        recipe = Recipe(pairing, ComposeOptions(), given_id=given_id_of("file", piece))
        begun = Composition(piece, pairing, recipe.options, None, target, remarks=tuple(remarks))
        return self._finished(begun, recipe)

    def keep(self, composition: Composition, take: int) -> Composition:
        """The composition with another of its takes, measured and performed."""
        kept = composition.keeping(take)
        return self._finished(kept, kept.made_by)

    def restore(self, composition: Composition) -> Composition:
        """A composition of which only the notes as written, the points and the recipe were kept, whole again: measured
        and performed as when it was composed."""
        return self._finished(composition, composition.made_by)

    def story(
        self,
        photos: Sequence[Image | VA],
        pairing: str,
        options: ComposeOptions,
        progress: Progress | None = None,
        points: Sequence[VA] | None = None,
    ) -> Composition:
        """One piece that moves through photos, or points of the plane; see ``Pipeline.story``.

        ``points`` are the targets of the photos where they are known, one for each; otherwise photos are read.
        """
        tell = progress or (lambda stage, share: None)
        pipeline = self.pipeline(pairing)
        if points is None:
            tell("reading the photos", 0.05)
            points = [p if isinstance(p, VA) else self.target_for(self.read_photo(p).va.clamped()) for p in photos]
        stops = [(None if isinstance(photo, VA) else photo, point) for photo, point in zip(photos, points, strict=True)]
        tell("composing", 0.3)
        recipe = Recipe(pairing, options, stops=tuple(Stop(point, photo_id(photo)) for photo, point in stops))
        with steps_told(tell, "composing", since=0.3):
            composition = pipeline.story(stops, replace(options, tempo=1.0))
        return self._finished(_at_tempo(composition, options), recipe)

    def listen(self, piece: Piece) -> VA:
        """The evaluator's estimate of a piece.

        Raises:
            InputError: the piece has no notes.
            CheckpointError: the evaluator is missing or damaged.
        """
        return (self._evaluator() or Evaluator.load(self.root)).estimate(piece)

    def _finished(
        self, composition: Composition, recipe: Recipe, timings_s: Mapping[str, float] | None = None
    ) -> Composition:
        """Measured and performed, and with its recipe."""
        started = time.perf_counter()
        piece, options = composition.piece, composition.options
        metrics = measure(piece)
        evaluator = self._evaluator()
        estimate = evaluator.estimate(piece) if evaluator and piece.notes else None
        measured_at = time.perf_counter()
        expressive = options.expressive and piece.notes and not recipe.as_given
        played = perform(piece, composition.target_va, options.seed) if expressive else None
        timings = {
            **(timings_s or {}),
            **composition.timings_s,
            "measure": measured_at - started,
            "perform": time.perf_counter() - measured_at,
        }
        return replace(
            composition,
            piece_va=estimate,
            metrics=metrics,
            timings_s=timings,
            performance=played,
            recipe=recipe,
        )

    def render(
        self, piece: Piece, lufs: float | None = None, instrument: str = "piano", soundfont: Path | None = None
    ) -> Waveform:
        """The piece as stereo sound, with the gain of all pieces, so that loudness follows the emotion; or at a
        loudness ``lufs``, to be compared with others.

        Args:
            instrument: one of ``eimg_core.sound.instruments.INSTRUMENTS``.
            soundfont: an SF2 file that plays instead, from anybody: only our own reader and sampler touch it.
        Raises:
            RenderError: the soundfont is damaged or cannot be played.
        """
        if soundfont is not None:
            return render(piece, lufs=lufs, engine="numpy", soundfont=soundfont)
        played_by = INSTRUMENTS[instrument]
        return render(piece, lufs=lufs, soundfont=played_by.path, gain_db=played_by.gain_db)

    def save(
        self,
        composition: Composition,
        waveform: Sound | None,
        folder: Path | str,
        stem: str,
        photo: Image | None = None,
        figure: bool = True,
        formats: Sequence[str] | None = None,
    ) -> dict[str, Path]:
        """Write a piece to ``<stem>.mid``, ``.json`` and so on; returns suffix → path.

        Args:
            composition: the piece.
            waveform: its sound; without one the formats that need it are left out.
            folder: is made where it is missing.
            stem: of the files.
            photo: it was composed for.
            figure: whether to draw the picture now. Otherwise a small copy of the photo is kept in the folder, and the
                picture, like every other format, can be made later: ``eimg_core.exports.files.export``.
            formats: which files to write; ``None`` for the usual ones, see ``eimg_core.exports.formats``.
        Raises:
            InputError: an unknown format.
            RenderError: a format needs a package that is not installed.

        The files appear together and whole, the JSON last, even where the process is killed meanwhile.
        """
        folder = Path(folder)
        keys = usual_formats(figure) if formats is None else formats
        later = formats is None and any(one.photo and key not in keys for key, one in FORMATS.items())
        wav = None if waveform is None else waveform.wav_bytes()
        sound = None if waveform is None else {"engine": waveform.engine, "soundfont": waveform.soundfont}
        work = Work(composition, photo, wav, sound)
        with drafted(folder) as draft:
            if later and photo is not None:
                small = photo.convert("RGB")
                small.thumbnail((_PHOTO_SIDE, _PHOTO_SIDE))
                small.save(draft / PHOTO, quality=90)
            files = write(work, draft, stem, keys)
        return {suffix: folder / path.name for suffix, path in files.items()}

    def save_comparison(
        self,
        entries: Sequence[tuple[Composition, Mapping[str, Path]]],
        folder: Path,
        stem: str,
        photo: Image | None = None,
        figure: bool = True,
    ) -> dict[str, Path]:
        """Write several compositions side by side, each given with the files that ``save`` returned for it.

        ``<stem>.png`` shows them in one picture, ``<stem>.csv`` has one row for each, and ``<stem>.zip`` holds these
        two and all files of all entries. Returns suffix → path.

        Raises:
            InputError: there is nothing to compare.
        """
        if not entries:
            raise InputError("There is nothing to compare yet; compose with at least one pairing first.")
        with drafted(folder) as draft:
            files = self._write_comparison(entries, draft, stem, photo, figure)
        return {suffix: folder / path.name for suffix, path in files.items()}

    def _write_comparison(
        self,
        entries: Sequence[tuple[Composition, Mapping[str, Path]]],
        folder: Path,
        stem: str,
        photo: Image | None,
        figure: bool,
    ) -> dict[str, Path]:
        paths = {suffix: folder / f"{stem}.{suffix}" for suffix in (("png",) if figure else ()) + ("csv", "zip")}
        compositions = [composition for composition, _ in entries]
        if figure:
            save_comparison_figure(compositions, paths["png"], photo)
        write_table([table_row(n, each, describe(each, {})) for n, each in enumerate(compositions, 1)], paths["csv"])
        pieces = [path for _, files in entries for path in files.values()]
        own = [path for suffix, path in paths.items() if suffix != "zip"]
        paths["zip"].write_bytes(archive_of([*pieces, *own]))
        return paths


def _at_tempo(composition: Composition, options: ComposeOptions) -> Composition:
    """The same piece and takes, played as much faster as the options ask; what was composed at the composer's own tempo
    is not composed anew for another one. A number of beats a minute that is asked for overrules it."""
    factor = 1.0 if options.bpm else options.tempo
    takes = tuple(replace(take, piece=take.piece.faster(factor)) for take in composition.takes)
    return replace(composition, piece=composition.piece.faster(factor), takes=takes, options=options)
