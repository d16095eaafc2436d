"""EIMG Studio in the browser: layout, wiring and messages. ``python app.py --help`` shows the options.

Handlers fetch, call and show; music, models and files live on lower floors (``eimg_core``). The same two handlers are
the named API endpoints ``/read_photo`` and ``/compose``.
"""

from __future__ import annotations

import argparse
import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from eimg_core.ui.files import KEEP_S, new_folder, temp_root

# Read by Gradio when it is imported: no telemetry, no look-ups, one known place for temporary files.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("GRADIO_TEMP_DIR", str(temp_root()))

import gradio as gr

from eimg_core.composer import LARGEST_SEED, ComposeOptions
from eimg_core.emotion import VA
from eimg_core.ui import emotion_plane, player
from eimg_core.ui.faults import sentence
from eimg_core.ui.photo_input import OpenedPhoto, example_photos, photo_input
from eimg_core.ui.protocol import Studio
from eimg_core.ui.take import make_take, take_value
from eimg_core.ui.theme import studio_theme
from eimg_core.ui.work import stages_of

HERE = Path(__file__).parent
EXAMPLES = HERE / "assets" / "examples"
PIECES = Path(os.environ["GRADIO_TEMP_DIR"]) / "pieces"  # inside Gradio's folder, so it serves them without a copy
SHORTEST_S, LONGEST_S, USUAL_S = 8, 60, 15

HEADER = """<header class="masthead"><h1>EIMG Studio</h1>
<p>A photo becomes a piece of piano music with the same emotion.</p></header>"""

# Small things that need no server: they run in the page.
ROLL_DICE = "() => Math.floor(Math.random() * 1000000)"
NEXT_SEED = f"(seed) => (Number(seed) + 1) % {LARGEST_SEED}"
SHOW_READING = "(photo) => (photo ? {reading: true} : {})"
SHOW_WAITING = "() => ({state: 'working', stage: 'waiting', done: 0})"
END_WAITING = "(piece) => (piece && piece.state === 'working' ? {} : piece)"
MARK_PIECE = "(piece, plane) => ({...plane, piece: (piece && piece.piece) || null})"


def build_ui(studio: Studio, examples: Path = EXAMPLES, pieces: Path = PIECES) -> gr.Blocks:
    """The whole page.

    Args:
        studio: reads, composes, plays and saves.
        examples: folder of photos to offer.
        pieces: folder for the files of each request.
    """
    with gr.Blocks(title="EIMG Studio", analytics_enabled=False, delete_cache=(600, int(KEEP_S))) as demo:
        gr.HTML(HEADER, apply_default_css=False)
        with gr.Tabs(elem_id="pages"), gr.Tab("Create", id="create"):
            create_page(studio, examples, pieces)
    return demo.queue(max_size=24, default_concurrency_limit=1)


def create_page(studio: Studio, examples: Path, pieces: Path) -> None:
    """Photo, emotion and composer side by side; the piece below them."""
    pairings = studio.pairings()
    titles = {info.key: info.title for info in pairings}

    def read_photo(photo: OpenedPhoto | None) -> dict[str, Any]:
        """Read the emotion of a photo: valence and arousal from 1 to 9, each with one standard deviation."""
        try:
            return emotion_plane.photo_value(studio.read_photo(photo.image)) if photo else {}
        except Exception as error:
            raise gr.Error(sentence(error), print_exception=False) from error

    def compose(
        photo: OpenedPhoto | None, emotion: VA | None, pairing: str, seed: float, seconds: float
    ) -> Iterator[dict[str, Any]]:
        """Compose piano music for a photo, for a point in the emotion plane, or for a photo with another target.

        The last value has the notes, the metrics, where the piece lies in the plane, and the files (MIDI, WAV, …).
        The same photo, target, pairing, seed and length give the same piece.
        """
        try:
            options = ComposeOptions(seed=int(seed), seconds=float(seconds), target=emotion)
            folder = new_folder(pieces)
            take = yield from stages_of(
                lambda tell: make_take(studio, photo, pairing, options, folder, tell), player.working
            )
            yield take_value(take, titles[pairing])
        except Exception as error:
            yield player.failed(sentence(error))
            raise gr.Error(sentence(error), visible=False, print_exception=False) from error

    with gr.Row(elem_id="desk", equal_height=True):
        with gr.Column(elem_classes="card", min_width=300, scale=10):
            gr.HTML("<h2>Photo</h2>", apply_default_css=False)
            photo = photo_input()
            if shipped := example_photos(examples):
                gr.Examples(
                    [str(path) for path in shipped], photo, label="Or start from one of these", elem_id="examples"
                )
        with gr.Column(elem_classes="card", min_width=300, scale=10):
            gr.HTML("<h2>Emotion</h2>", apply_default_css=False)
            plane = emotion_plane.EmotionPlane(elem_id="plane")
        with gr.Column(elem_classes="card", min_width=280, scale=8):
            gr.HTML("<h2>Music</h2>", apply_default_css=False)
            seconds = gr.Slider(
                SHORTEST_S, LONGEST_S, USUAL_S, step=1, label="Length in seconds", buttons=[], elem_id="seconds"
            )
            pairing = gr.Radio(
                [(info.title, info.key) for info in pairings],
                value=next((info.key for info in pairings if info.default), None),
                label="Composer",
                elem_id="pairing",
            )
            with gr.Row(elem_id="seed-row"):
                seed = gr.Number(
                    0,
                    label="Seed",
                    info="The same seed makes the same piece again.",
                    precision=0,
                    minimum=0,
                    maximum=LARGEST_SEED,
                    elem_id="seed",
                )
                dice = gr.Button("Roll a new seed", elem_id="dice", min_width=44, scale=0)
            another = gr.Button("Another take", elem_id="another")
            compose_button = gr.Button("Compose", variant="primary", elem_id="compose")
    piece = player.Player(elem_id="piece")

    heavy: dict[str, Any] = {"concurrency_id": "models", "concurrency_limit": 1, "show_progress": "hidden"}
    in_page: dict[str, Any] = {"fn": None, "queue": False, "show_progress": "hidden", "api_visibility": "private"}
    wanted = [photo, plane, pairing, seed, seconds]

    photo.change(js=SHOW_READING, inputs=photo, outputs=plane, **in_page)
    reading = photo.change(read_photo, photo, plane, api_name="read_photo", trigger_mode="always_last", **heavy)
    reading.failure(js="() => null", outputs=photo, **in_page)

    dice.click(js=ROLL_DICE, outputs=seed, **in_page)
    compose_button.click(js=SHOW_WAITING, outputs=piece, **in_page)
    # By default a click is dropped while the run before it is being cancelled; after Stop it must count.
    composing = compose_button.click(compose, wanted, piece, api_name="compose", trigger_mode="multiple", **heavy)
    another.click(js=SHOW_WAITING, outputs=piece, **in_page)
    next_take = another.click(js=NEXT_SEED, inputs=seed, outputs=seed, **in_page)
    composing_again = next_take.then(compose, wanted, piece, api_visibility="private", **heavy)
    for run in (composing, composing_again):
        run.failure(js=END_WAITING, inputs=piece, outputs=piece, **in_page)
    piece.change(js=MARK_PIECE, inputs=[piece, plane], outputs=plane, **in_page)
    piece.stop(cancels=[composing, composing_again], **in_page)


def warm_up(studio: Studio) -> None:
    """Load the models while the page is already up; a fault here is one that a visitor will be told about."""
    try:
        studio.warm_up()
    except Exception as error:
        logging.getLogger(__name__).warning("Warm-up failed: %s", sentence(error))


def launch(demo: gr.Blocks, pieces: Path = PIECES, **options: Any) -> Any:
    """Start serving with the settings that make the page safe, quiet and its own; ``options`` go to Gradio."""
    return demo.launch(
        share=False,
        show_error=False,
        max_file_size="20mb",
        allowed_paths=[str(pieces)],
        ssr_mode=False,
        run_history=False,
        enable_monitoring=False,
        footer_links=["api"],
        theme=studio_theme(),
        css_paths=[HERE / "assets" / "style.css"],
        **options,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Turn photos into piano music, in the browser.")
    parser.add_argument("--host", default=os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"))
    parser.add_argument("--port", type=int, default=os.environ.get("GRADIO_SERVER_PORT"), help="first free from 7860")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    for chatty in ("httpx", "matplotlib"):
        logging.getLogger(chatty).setLevel(logging.WARNING)

    from eimg_core.studio import Studio as TrainedStudio  # brings the models' libraries along

    studio = TrainedStudio()
    if not studio.pairings():
        parser.exit(2, "No trained pairing is installed: the folder assets/checkpoints is empty. See README.md.\n")
    threading.Thread(target=warm_up, args=(studio,), name="warm-up", daemon=True).start()
    launch(build_ui(studio), server_name=arguments.host, server_port=arguments.port)


if __name__ == "__main__":
    main()
