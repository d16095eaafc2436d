"""A pairing at work: photo → v_x → z_x → ṽ_y → notes. The paper's Fig. 2, at inference.

Beyond the paper, several takes can be made in one batch, of which the guide keeps the best; and a music autoencoder
that composes can tell a piece again with another emotion, go on with it, or move through several photos.
"""

from __future__ import annotations

import math
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import torch
from PIL.Image import Image
from torch import Tensor

from eimg_core.annotation.melody import melody_of
from eimg_core.autoencoder import ComposingAutoencoder, MusicAutoencoder
from eimg_core.bridge import BRIDGES
from eimg_core.checkpoints import load_model, read_card
from eimg_core.composer import Composer, Composition, Take
from eimg_core.critic import CRITIC_FOLDER, Critic
from eimg_core.emotion import VA, distance
from eimg_core.errors import CheckpointError, InputError
from eimg_core.image_ae import IMAGE_AUTOENCODERS, image_key_of, image_keys
from eimg_core.images import to_tensor
from eimg_core.layers import pack_linears
from eimg_core.messages import Message, message
from eimg_core.midi.attributes import key_of, tonic_shift
from eimg_core.midi.ending import ring_out
from eimg_core.midi.notes import Piece
from eimg_core.midi.request import Request, notes_in_beats
from eimg_core.midi.sheet import METERS
from eimg_core.music_ae import MUSIC_AUTOENCODERS
from eimg_core.options import OPTIONS, ComposeOptions
from eimg_core.progress import Progress, steps_told
from eimg_core.shipped import CHECKPOINTS
from eimg_core.takes import (
    REALNESS_WEIGHT,
    RETOLD_VALENCE_SHARE,
    RETOLD_WEIGHT,
    VALENCE_SHARE,
    best_take,
    weigh,
)
from eimg_core.threads import one_thread
from eimg_core.va.guide import GUIDE_FOLDER, Guide
from eimg_core.va.rules import Rules

__all__ = ["DEFAULT_PAIRING", "Crossing", "PhotoEncoder", "Pipeline", "available", "split_key", "variants"]

ModelLoader = Callable[[Path, Mapping[str, type[Any]]], tuple[Any, dict[str, Any]]]

DEFAULT_PAIRING = "effnet+tvae"
_FASTEST_FOLDED = math.sqrt(2.0)  # how much faster a piece may be played whose tempo is asked for
_LEAST_NOTES = 4  # of a piece that can be told again or continued
_LIVE_FIRST = 2  # bars of live music to begin with
_LIVE_HEARD_S = 5.0  # of what live music follows, besides as much as is added
_LET_GO_S = 0.002  # before a beat from which on a piece gives way: its keys must rise before they are struck
_SAME_PLACE = 0.05  # a target this near to the photo's own emotion does not move it


class PhotoEncoder(Protocol):
    """What a pipeline needs of an image autoencoder."""

    @property
    def title(self) -> str: ...
    @property
    def image_size(self) -> int: ...
    def encode(self, images: Tensor) -> Tensor: ...


class Crossing(Protocol):
    """What a pipeline needs of a bridge; see ``eimg_core.bridge.base.Bridge``."""

    @property
    def variant(self) -> str: ...
    def place_images(self, v_x: Tensor) -> Tensor: ...
    def place_of(self, va: VA) -> Tensor: ...
    def to_music(self, z: Tensor) -> Tensor: ...
    def vary(self, v_y: Tensor, generator: torch.Generator) -> Tensor: ...
    def decoder_target(self, va: VA) -> VA: ...


_PAPER = "paper"  # the variant that follows the paper


def _bridges(root: Path) -> dict[str, dict[str, float]]:
    """Pairing → variant → how far the estimates of its pieces for held-out photos lie from them (∞ if unknown)."""
    found: dict[str, dict[str, float]] = {}
    for path in sorted((root / "bridge").glob("*@*/card.json")):
        pairing, _, variant = path.parent.name.partition("@")
        far = read_card(path.parent).get("metrics", {}).get("val_estimates", {}).get("distance", math.inf)
        found.setdefault(pairing, {})[variant] = far
    return found


def available(root: Path = CHECKPOINTS) -> list[str]:
    """Keys of the pairings whose weights are shipped under ``root``: the default first, then as the registries list
    them, music autoencoder by music autoencoder. Reads no tensors."""
    images, music = image_keys(), list(MUSIC_AUTOENCODERS)

    def place(key: str) -> tuple[bool, int, int]:
        image_key, music_key, _ = split_key(key)
        return key != DEFAULT_PAIRING, music.index(music_key), images.index(image_key)

    return sorted((key for key in _bridges(root) if _known(key)), key=place)


def _known(key: str) -> bool:
    """Whether this version has the autoencoders of a pairing."""
    image_key, music_key, _ = split_key(key)
    return image_key in image_keys() and music_key in MUSIC_AUTOENCODERS


def variants(pairing: str, root: Path = CHECKPOINTS) -> list[str]:
    """The shipped variants of a pairing, ours first: of those, the one whose pieces for the photos of the validation
    split lie nearest to them, as the guide estimates. A plain key such as ``vqvae+fnt`` means the first; what the paper
    prints is asked for by its name, ``vqvae+fnt@paper``."""
    far = _bridges(root).get(pairing, {})
    return sorted(far, key=lambda variant: (variant == _PAPER, far[variant], variant))


def split_key(key: str) -> tuple[str, str, str]:
    """``vqvae+fnt@paper`` → its image autoencoder, music autoencoder and variant ("" where none is named)."""
    pairing, _, variant = key.partition("@")
    image, _, music = pairing.partition("+")
    return image, music, variant


def _critic_of(music_key: str, music_card: Mapping[str, Any], root: Path, load: ModelLoader) -> Critic | None:
    """The critic of a music autoencoder; ``None`` where it has none."""
    folder = root / CRITIC_FOLDER / music_key
    if not folder.exists():
        return None
    critic, card = load(folder, {"critic": Critic})
    if card["depends_on"].get("music") != music_card["sha256"]:
        raise CheckpointError(
            f"The critic of {music_key} was trained on another {music_key}; run "
            f"`python -m train.critic {music_key}` again."
        )
    return critic


class Pipeline(Composer):
    """An image autoencoder, a bridge and a music autoencoder that belong together.

    The steps ``embed``, ``project``, ``to_music_latent`` and ``generate`` are public, so that each can be looked at.
    """

    def __init__(
        self,
        key: str,
        image_ae: PhotoEncoder,
        bridge: Crossing,
        music_ae: MusicAutoencoder,
        guide: Guide | Rules | None = None,
        critic: Critic | None = None,
    ) -> None:
        self.key, self.variant = key, bridge.variant
        self.title = f"{image_ae.title} + {music_ae.title}"
        self.image_ae, self.bridge, self.music_ae = image_ae, bridge, music_ae
        self.guide, self.critic = guide, critic

    @classmethod
    def load(
        cls, key: str, root: Path = CHECKPOINTS, load: ModelLoader = load_model, *, critic: bool = True
    ) -> Pipeline:
        """Load a pairing such as ``vqvae+fnt``, in its best variant, or a named one such as ``vqvae+fnt@paper``.

        Args:
            key: the pairing.
            root: folder of trained components.
            load: gets a component from its folder; one that remembers lets pairings share their autoencoders.
            critic: whether the critic of the music autoencoder weighs the takes, where there is one.
        Raises:
            InputError: no such pairing or variant is shipped.
            CheckpointError: a component is damaged, or the bridge or the critic was trained on other autoencoders.
        """
        image_key, music_key, variant = split_key(key)
        pairing, known = f"{image_key}+{music_key}", available(root)
        if pairing not in known:
            raise InputError(
                message(
                    "There is no pairing {pairing}; choose one of: {known}.",
                    pairing=repr(key),
                    known=known or message("none is trained"),
                )
            )
        shipped = variants(pairing, root)
        if variant and variant not in shipped:
            raise InputError(
                message(
                    "{pairing} has no variant {variant}; choose one of: {shipped}.",
                    pairing=pairing,
                    variant=repr(variant),
                    shipped=shipped,
                )
            )
        variant = variant or shipped[0]
        image_ae, image_card = load(root / "image_ae" / image_key_of(image_key, variant), IMAGE_AUTOENCODERS)
        music_ae, music_card = load(root / "music_ae" / music_key, MUSIC_AUTOENCODERS)
        bridge, bridge_card = load(root / "bridge" / f"{pairing}@{variant}", BRIDGES)
        for name, found in (("image", image_card), ("music", music_card)):
            if bridge_card["depends_on"].get(name) != found["sha256"]:
                raise CheckpointError(
                    f"The bridge {pairing} was trained on another {name} autoencoder; run "
                    f"`python -m train.bridge {image_key} {music_key}` again."
                )
        if isinstance(music_ae, ComposingAutoencoder):  # writes step after step, a few rows each
            pack_linears(music_ae)
        guide, _ = load(root / GUIDE_FOLDER, {"guide": Guide}) if (root / GUIDE_FOLDER).exists() else (None, {})
        weighing = _critic_of(music_key, music_card, root, load) if critic else None
        return cls(key, image_ae, bridge, music_ae, guide, weighing)

    # --- the steps ----------------------------------------------------------------------------------------------

    @torch.inference_mode()
    def embed(self, photo: Image) -> Tensor:
        """v_x of a photo: (1, image_dim)."""
        return self.image_ae.encode(to_tensor(photo, self.image_ae.image_size)[None])

    @torch.inference_mode()
    def project(self, v_x: Tensor) -> Tensor:
        """z_x, placed among the music: (1, E)."""
        return self.bridge.place_images(v_x)

    @torch.inference_mode()
    def moved(self, z: Tensor | None, origin: VA | None, target: VA) -> Tensor:
        """The place in the shared space of a target: (1, E).

        Without a photo it is where music of that emotion lies. With one, the photo's own place moves by the difference
        between where music of the two emotions lies, so that what is special about the photo stays.
        """
        there = self.bridge.place_of(target)[None]
        if z is None or origin is None:
            return there
        return z + there - self.bridge.place_of(origin)[None]

    @torch.inference_mode()
    def to_music_latent(self, z: Tensor) -> Tensor:
        """ṽ_y: (1, E) → (1, music_dim)."""
        return self.bridge.to_music(z)

    def generate(self, v_y: Tensor, options: ComposeOptions, target: VA, photo: Image | None = None) -> Piece:
        """Notes of ṽ_y, brought to rest at its length: the best of so many takes."""
        return best_take(self.takes(v_y, options, target, photo)).piece

    def takes(self, v_y: Tensor, options: ComposeOptions, target: VA, photo: Image | None = None) -> list[Take]:
        """All takes of ṽ_y (1, music_dim), made in one batch and weighed by the guide; one alone is not weighed.

        The photo's pixels join the seed, so that two photos of one seed do not share their chances as well.
        """
        # PyTorch's CPU generator takes 32 bits of a seed and drops the others without a word.
        seed = options.seed if photo is None else zlib.crc32(photo.tobytes(), options.seed)
        many = v_y.expand(options.takes, -1)
        music_ae = self.music_ae
        if isinstance(music_ae, ComposingAutoencoder):
            request = self._request(options, [target])
            pieces = _played(lambda chance: music_ae.compose(self.bridge.vary(many, chance), request, chance), seed)
            if options.loop or options.bpm:  # as long as their bars
                return self._weighed(pieces, target)
        else:
            targets = [self.bridge.decoder_target(target)] * options.takes
            # Played faster, it is shorter.
            seconds = options.seconds * (_FASTEST_FOLDED if options.bpm else options.tempo)

            def generate(chance: torch.Generator) -> list[Piece]:
                return music_ae.generate(self.bridge.vary(many, chance), seconds=seconds, generator=chance, va=targets)

            pieces = [_locked(piece, options) for piece in _played(generate, seed)]
        return self._weighed([ring_out(piece, options.seconds) for piece in pieces], target)

    def _request(self, options: ComposeOptions, points: Sequence[VA], **more: Any) -> Request:
        """What is asked of a music autoencoder that composes, with ``more`` in the place of what the options say."""
        asked: dict[str, Any] = {
            "tonic": options.tonic,
            "minor": options.minor,
            "tempo_bpm": options.bpm,
            "exact_tempo": options.bpm is not None,
            "tempo_factor": options.tempo if options.bpm is None else 1.0,
            "meter": options.bar_meter,
            "density": options.density,
            "loop_bars": options.loop,
        }
        return Request(options.seconds, self._decoder_targets(points, options.takes), **{**asked, **more})

    def _weighed(self, pieces: Sequence[Piece], target: VA, valence_share: float = VALENCE_SHARE) -> list[Take]:
        if len(pieces) == 1 or self.guide is None:
            return [Take(piece, None, 0.0, 0.0) for piece in pieces]
        estimates = [self.guide.estimate(piece) if piece.notes else None for piece in pieces]
        realness = self.critic.realness(pieces) if self.critic else None
        return weigh(pieces, estimates, target, realness, valence_share)

    # --- the walk -----------------------------------------------------------------------------------------------

    def compose(
        self,
        photo: Image | None,
        photo_va: VA | None,
        options: ComposeOptions,
        progress: Progress | None = None,
        photo_target: VA | None = None,
    ) -> Composition:
        """See ``Composer.compose``.

        Args:
            photo_target: the target of the photo where the options name none; the reading itself if it is left out. A
                music autoencoder that is not told the emotion follows the photo's own place all the same.
        """
        target = options.target or photo_target or photo_va
        if target is None:
            raise InputError("There is nothing to compose for: give a photo, or both valence and arousal.")
        tell = progress or (lambda stage, share: None)
        remarks: list[str] = []
        started = time.perf_counter()
        tell("composing", 0.1)
        z = self.project(self.embed(photo)) if photo is not None else None
        follows = options.target is not None or self.music_ae.uses_va
        moves = follows and photo_va is not None and distance(target, photo_va) > _SAME_PLACE
        if z is None or moves:
            if not self.music_ae.uses_va and z is not None:
                remarks.append(message("The photo's place in the emotion space was moved towards the target."))
            z = self.moved(z, photo_va, target)
        v_y = self.to_music_latent(z)
        embedded = time.perf_counter()
        tell("composing", 0.3)
        with steps_told(tell, "composing", since=0.3):
            takes = self.takes(v_y, options, target, photo)
        tell("composing", 1.0)
        remarks += self._left_out(options)
        timings = {"embed": embedded - started, "generate": time.perf_counter() - embedded}
        composition = Composition(
            takes[0].piece,
            self.key,
            options,
            photo_va,
            target,
            timings_s=timings,
            remarks=tuple(remarks),
            variant=self.variant,
        )
        return _chosen(composition, takes)

    def _left_out(self, options: ComposeOptions) -> list[str]:
        """A remark for each option that the music autoencoder cannot follow."""
        if isinstance(self.music_ae, ComposingAutoencoder):
            return []
        return [
            message(
                "{composer} cannot follow the option {option}, so it was left out.",
                composer=self.music_ae.title,
                option=message(one.title),
            )
            for one in OPTIONS.values()
            if one.needs_composing and getattr(options, one.name) != one.default
        ]

    # --- beyond one piece for one photo --------------------------------------------------------------------------

    def retell(self, piece: Piece, target: VA, options: ComposeOptions) -> Composition:
        """The same tune at another point of the plane: contour and rhythm stay; mode, tempo and what is below change.

        Raises:
            InputError: the music autoencoder cannot keep a tune, or the piece has too few notes.
        """
        composer = self._composer(message("keep a tune"))
        self._needs_notes(piece)
        v_y = self.to_music_latent(self.place_of(None, target))
        melody = melody_of(piece).in_mode(composer.in_minor(v_y) if options.minor is None else options.minor)
        melody = melody if options.tonic is None else melody.over(options.tonic)
        request = self._request(
            options,
            [target],
            tonic=melody.key % 12,
            minor=melody.key >= 12,
            tempo_bpm=options.bpm or melody.tempo_bpm,
            meter=melody.meter,
            tune=melody.notes,
            loop_bars=options.loop if _bars(piece) <= options.loop else 0,
        )
        return self._ask(composer, v_y, request, options, target)

    def extend(self, piece: Piece, target: VA, options: ComposeOptions) -> Composition:
        """The piece, going on: its notes up to its last chord, then new ones until ``options.seconds``, in its tempo.

        Raises:
            InputError: the music autoencoder cannot go on from an opening, or the piece has too few notes, or it
                is as long already.
        """
        composer = self._composer(message("go on from a piece"))
        self._needs_notes(piece)
        if options.seconds < piece.duration_s + 2.0:
            raise InputError(
                message(
                    "The piece already lasts {seconds} s; ask for at least {least} s.",
                    seconds=f"{piece.duration_s:.0f}",
                    least=f"{piece.duration_s + 2:.0f}",
                )
            )
        last = piece.notes[-1].start_s
        opening = [note for note in piece.notes if note.start_s < last - 0.01]
        request = self._going_on(piece, options, target, opening=notes_in_beats(opening, piece.tempo_bpm))
        return self._ask(composer, self._feature(piece), request, options, target)

    def fill(self, piece: Piece, bars: tuple[int, int], target: VA, options: ComposeOptions) -> Composition:
        """The piece with some of its bars composed anew; what comes before and after them stays as it is.

        Args:
            bars: the first of them and the one after the last, from 0.
        Raises:
            InputError: the music autoencoder cannot fill bars, the piece has not got them, or not one meter that the
                composer knows, or too few notes.
        """
        composer = self._composer(message("fill bars"))
        self._needs_notes(piece)
        bar_s = piece.seconds_per_bar
        count = math.ceil((piece.notes[-1].start_s + 0.01) / bar_s)
        first, end = bars
        if not 0 <= first < end <= count:
            raise InputError(
                message("Give the first and the last bar to fill, between 1 and {count}.", count=f"{count:.0f}")
            )
        if end - first == count:
            raise InputError(message("All bars are to be filled; leave at least one as it is, or compose a new piece."))
        if piece.meter_changes or piece.meter not in METERS:
            raise InputError(message("Bars can be filled where a piece has one meter throughout, such as 3/4 or 4/4."))
        given = notes_in_beats(piece.notes, piece.tempo_bpm)
        request = self._going_on(piece, options, target, opening=given, anew=bars)
        return self._ask(
            composer,
            self._feature(piece),
            request,
            options,
            target,
            lambda made: piece.with_between(made, first * bar_s, end * bar_s),
        )

    def go_on(
        self,
        piece: Piece | None,
        target: VA,
        options: ComposeOptions,
        *,
        least_s: float,
        from_s: float | None = None,
    ) -> Piece:
        """The piece and a bar more, or several quick ones, towards a target, without an end; or its first bars.

        What comes next follows the last bars, in their tempo and meter and on their tonic; the mode is the target's. It
        goes on at its ``loop_s``, a bar line.

        Args:
            least_s: how long what is added lasts at least, in whole bars.
            from_s: a beat of the piece from which on it gives way, where it may not play to its end first. The bar of
                this beat is composed whole, and heard from the beat on.
        Raises:
            InputError: the music autoencoder does not compose.
        """
        composer = self._composer(message("play on and on"))
        v_y = self.to_music_latent(self.place_of(None, target))
        if piece is None:
            request = self._request(options, [target], goes_on=_LIVE_FIRST, loop_bars=0)
            return self._ask(composer, v_y, request, options, target).piece
        bar_s = piece.seconds_per_bar
        start_s = piece.length_s if from_s is None else from_s
        end = int(start_s / bar_s + 1e-3)
        more = math.ceil((start_s + least_s) / bar_s - 1e-6) - end
        since = max(0, end - more - math.ceil(_LIVE_HEARD_S / bar_s)) * bar_s
        heard = [note for note in piece.notes if since - 1e-6 <= note.start_s < end * bar_s - 1e-6]
        opening = [
            note._replace(onset=note.onset - since / piece.seconds_per_beat)
            for note in notes_in_beats(heard, piece.tempo_bpm)
        ]
        minor = composer.in_minor(v_y) if options.minor is None else options.minor
        request = self._going_on(piece, options, target, opening=opening, minor=minor, goes_on=more)

        def appended(made: Piece) -> Piece:
            bars = [note for note in made.later(since).notes if note.start_s >= end * bar_s - 1e-6]
            entering = Piece(tuple(bars), piece.tempo_bpm).sounding_from(start_s)
            before = piece if from_s is None else piece.cropped(from_s - _LET_GO_S)
            return replace(before, notes=(*before.notes, *entering.notes), loop_s=(end + more) * bar_s)

        return self._ask(composer, v_y, request, options, target, appended).piece

    def story(self, stops: Sequence[tuple[Image | None, VA]], options: ComposeOptions) -> Composition:
        """One piece whose emotion moves through several photos, or points of the plane, evenly over its length.

        Args:
            stops: 2 to 8 of them: a photo and its emotion, or ``None`` and a point.
            options: the target is not used.
        Raises:
            InputError: the music autoencoder cannot move, or there are too few or too many stops.
        """
        composer = self._composer(message("move from one emotion to another"))
        if not 2 <= len(stops) <= 8:
            raise InputError(
                message("A story needs {fewest} to {most} photos, not {count}.", fewest=2, most=8, count=len(stops))
            )
        places = [self.place_of(photo, va) for photo, va in stops]
        path = torch.stack([self.to_music_latent(z)[0] for z in places])  # (P, music_dim)
        seed = options.seed
        for photo, _ in stops:
            seed = seed if photo is None else zlib.crc32(photo.tobytes(), seed)
        points = [va for _, va in stops]
        request = self._request(options, points)
        middle = VA(*(sum(axis) / len(points) for axis in zip(*((p.valence, p.arousal) for p in points), strict=True)))
        made = self._ask(composer, path[None], request, replace(options, seed=seed & 0x7FFFFFFF), middle)
        return replace(made, options=options)  # the seed that was asked for makes the same story again

    def _going_on(self, piece: Piece, options: ComposeOptions, target: VA, **more: Any) -> Request:
        """What is asked where music follows a piece: its key, tempo and meter, with ``more`` besides or instead."""
        key = key_of(piece) if piece.key is None else piece.key
        own: dict[str, Any] = {
            "tonic": key % 12,
            "minor": key >= 12,
            "tempo_bpm": piece.tempo_bpm,
            "tempo_factor": 1.0,
            "meter": piece.meter,
            "loop_bars": 0,
        }
        return self._request(options, [target], **{**own, **more})

    @torch.inference_mode()
    def place_of(self, photo: Image | None, va: VA) -> Tensor:
        """A photo's place among the music, or that of a point in the plane: (1, E)."""
        return self.moved(None, None, va) if photo is None else self.project(self.embed(photo))

    def _ask(
        self,
        composer: ComposingAutoencoder,
        v_y: Tensor,
        request: Request,
        options: ComposeOptions,
        target: VA,
        whole: Callable[[Piece], Piece] = lambda made: made,
    ) -> Composition:
        """Takes of a request for one v_y (1, D) or path (1, P, D), each made ``whole``, and the best of them."""
        started = time.perf_counter()
        many = v_y.expand(options.takes, *v_y.shape[1:])
        pieces = _played(lambda generator: composer.compose(many, request, generator), options.seed)
        share = RETOLD_VALENCE_SHARE if request.tune else VALENCE_SHARE
        takes = self._weighed([whole(piece) for piece in pieces], target, share)
        timings = {"generate": time.perf_counter() - started}
        composition = Composition(
            takes[0].piece, self.key, options, None, target, timings_s=timings, variant=self.variant
        )
        return _chosen(composition, takes, RETOLD_WEIGHT if request.tune else REALNESS_WEIGHT)

    @torch.inference_mode()
    def _feature(self, piece: Piece) -> Tensor:
        """v_y of a piece: (1, D)."""
        return self.music_ae.encode(self.music_ae.collate([self.music_ae.sample(piece)]))

    def _decoder_targets(self, points: Sequence[VA], takes: int) -> Tensor:
        targets = [self.bridge.decoder_target(point) for point in points]
        path = torch.tensor([(target.valence, target.arousal) for target in targets])
        return path.expand(takes, -1, -1)

    def _composer(self, what: Message) -> ComposingAutoencoder:
        if isinstance(self.music_ae, ComposingAutoencoder):
            return self.music_ae
        able = [key for key, kind in MUSIC_AUTOENCODERS.items() if issubclass(kind, ComposingAutoencoder)]
        raise InputError(
            message(
                "{title} cannot {what}; choose a pairing that ends in one of: {able}.",
                title=self.title,
                what=what,
                able=able,
            )
        )

    @staticmethod
    def _needs_notes(piece: Piece) -> None:
        if len({note.start_s for note in piece.notes}) < _LEAST_NOTES:
            raise InputError(
                message(
                    "The piece has fewer than {least} notes one after another; give a longer one.", least=_LEAST_NOTES
                )
            )


def _bars(piece: Piece) -> int:
    """How many bars a piece fills."""
    above, below = piece.meter
    return math.ceil(piece.duration_s / piece.seconds_per_beat * below / (4 * above) - 0.01)


def _locked(piece: Piece, options: ComposeOptions) -> Piece:
    """A piece of a composer that does not know keys and tempi, brought to those that were asked for.

    It is transposed; and its tempo, which may be counted an octave faster or slower, is changed by at most √2.
    """
    if options.tonic is not None:
        key = key_of(piece)
        moved = piece.transposed(tonic_shift(key % 12, options.tonic))
        piece = replace(moved, key=key // 12 * 12 + options.tonic)
    if options.bpm is None:
        return piece.faster(options.tempo)
    octaves = round(math.log2(options.bpm / piece.tempo_bpm))
    counted = replace(piece, tempo_bpm=piece.tempo_bpm * 2.0**octaves)
    return replace(counted.faster(options.bpm / counted.tempo_bpm), tempo_bpm=options.bpm)


def _played(compose: Callable[[torch.Generator], list[Piece]], seed: int) -> list[Piece]:
    """What is composed with the chances of a seed."""
    with torch.inference_mode(), one_thread():
        return compose(torch.Generator().manual_seed(seed))


def _chosen(composition: Composition, takes: Sequence[Take], realness_weight: float = REALNESS_WEIGHT) -> Composition:
    """The composition with the take that is kept: the best one, unless another is asked for."""
    choice = takes.index(best_take(takes, realness_weight))
    kept = choice if composition.options.keep is None else composition.options.keep
    weighed = tuple(takes) if len(takes) > 1 else ()
    return replace(composition, piece=takes[kept].piece, takes=weighed, choice=choice, kept=kept)
