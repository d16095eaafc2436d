"""EIMG Studio in the browser: the page as a whole, and how it is served. ``eimg app --help`` shows the options.

The handlers of the pages fetch, call and show, while music, models and files live on lower
floors. The handlers are also named API endpoints, such as ``/compose``; see README.
"""

from __future__ import annotations

import logging
import mimetypes
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eimg_core.ui.server.files import KEEP_S, USUAL_MB, most_bytes, new_folder, pieces_root, temp_root, trim

# Read by Gradio when it is imported: no telemetry, no look-ups, one known place for temporary files.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("GRADIO_TEMP_DIR", str(temp_root()))
# Read by OpenMP when PyTorch is imported: a thread that waits for another lets go of its core. Those that spin instead
# read a photo twice as slowly as soon as a composer, a browser or another visitor uses one of the cores.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import gradio as gr
from gradio.i18n import I18nData
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from eimg_core.exports.formats import FORMATS
from eimg_core.messages import Message
from eimg_core.options import SHARED_OPTIONS
from eimg_core.shipped import EXAMPLES
from eimg_core.ui.api import programs
from eimg_core.ui.api.midi import tune_api
from eimg_core.ui.languages import english, i18n, language_head, language_picker, marked, term, without_comments
from eimg_core.ui.pages import compare, create, results, story
from eimg_core.ui.pages.inputs import Inputs, emotion_card, option_controls, photo_card, wire_inputs
from eimg_core.ui.protocol import Studio
from eimg_core.ui.server.compression import CompressedPage
from eimg_core.ui.server.events import IN_PAGE
from eimg_core.ui.server.faults import sentence
from eimg_core.ui.server.guards import MIDDLEWARE, Page
from eimg_core.ui.server.start import check_temporary_folder, whole_number
from eimg_core.ui.style import SHEETS, page_head, studio_theme
from eimg_core.ui.widgets import listening
from eimg_core.ui.widgets.parts import words
from eimg_core.ui.widgets.photo_input import name_examples, say_no_camera
from eimg_core.version import __version__

if TYPE_CHECKING:
    from eimg_core.agents.serving import StudioTools

PIECES = pieces_root()
_SERVER = Path(__file__).parent / "server"
_ICON = Path(__file__).parent / "style" / "icon.png"

HEADER = f"""<header class="masthead"><h1>EIMG Studio</h1>
<p data-say>A photo becomes a piece of piano music with the same emotion.</p>{language_picker()}</header>"""


# The address #compare opens the page Compare, and turning a page changes the address, so that it can be passed on and
# the browser's Back turns the page back. The style sheet shows what belongs to the page that the body names. A narrow
# window keeps its last tabs in a menu.
TURN = """() => {
  const [now] = /^[a-z]+/.exec(location.hash.slice(1)) || ["create"];
  const first = !document.body.dataset.page && "NAME" === "create"; // it is selected while the page is built
  if (now !== "NAME" && !first) history.pushState(null, "", "#NAME");
  document.body.dataset.page = "NAME";
}"""
FOLLOW_ADDRESS = """() => {
  const follow = () => {
    const [name] = /^[a-z]+/.exec(location.hash.slice(1)) || ["create"];
    if (name === (document.body.dataset.page || "create")) return;
    const said = (key) => window.words.say(window.words.message(key)).toLowerCase();
    const tabs = [...document.querySelectorAll("#pages [role=tab], #pages .overflow-dropdown button")];
    const words = said(name[0].toUpperCase() + name.slice(1));
    const tab = tabs.find((each) => each.textContent.trim().toLowerCase() === words);
    if (tab) tab.click();
  };
  window.addEventListener("popstate", follow); // Back, Forward, and a new fragment alike
  follow();
}"""


@contextmanager
def _page(title: I18nData, lead: Message) -> Iterator[gr.Tab]:
    """A tab with its one sentence; what is put into it is built when it is first opened."""
    name = english(title).lower()
    with gr.Tab(title, id=name, elem_id=name) as tab:
        words(f'<p class="lead"{marked(lead)}>{lead}</p>')
        yield tab
    tab.select(js=TURN.replace("NAME", name), **IN_PAGE)


def build_ui(studio: Studio, examples: Path = EXAMPLES, pieces: Path = PIECES) -> gr.Blocks:
    """The whole page: a tab chooses between one composer and many, and the inputs with the photo stays.

    What belongs to one tab only has the class ``only-create`` or ``only-compare``, which the style sheet hides.

    Args:
        studio: reads, composes, plays and saves.
        examples: folder of photos to offer.
        pieces: folder for the files of each request.
    """
    pairings = studio.pairings()
    with Page(title="EIMG Studio", analytics_enabled=False, delete_cache=(600, int(KEEP_S))) as demo:
        words(HEADER)
        with gr.Tabs(elem_id="pages"):
            with _page(term("Create"), create.LEAD):
                pass
            with _page(term("Compare"), compare.LEAD):
                pass
            with _page(term("Listen"), listening.LEAD):
                pass
            with _page(term("Story"), story.LEAD):
                told = story.story_page(studio, examples, pieces)
            with _page(term("Results"), results.LEAD) as opened:
                page, show = results.results_page({info.key: info.title for info in pairings})
                opened.select(show, None, page, queue=False, show_progress="hidden", api_visibility="private")
        demo.load(js=FOLLOW_ADDRESS, **IN_PAGE)
        demo.load(js=name_examples(examples), **IN_PAGE)
        demo.load(js=without_comments(Path(__file__).parent / "pages" / "roving.js"), **IN_PAGE)
        demo.load(js=say_no_camera(), **IN_PAGE)
        with gr.Row(elem_id="inputs", elem_classes="only-create only-compare only-listen", equal_height=True):
            photo, why = photo_card(examples, studio.reader_note())
            plane = emotion_card()
            with gr.Column(elem_classes="card", min_width=280, scale=8):
                words("<h2 data-say>Music</h2>")
                sliders = option_controls([one for one in SHARED_OPTIONS if one.step])
                buttons = create.create_controls()
                compared = compare.compare_controls(pairings)
                with gr.Accordion(term("Seed and expression"), open=False, elem_id="how"):
                    others = option_controls([one for one in SHARED_OPTIONS if not one.step])
                inputs = Inputs(photo, why, plane, {**sliders, **others})
        piece = create.create_player(studio)
        options, font, fold, pairing = create.composer_choice(pairings)
        controls = create.CreateControls(*buttons, options, font, fold, pairing)
        live, actions = create.create_further(studio)
        comparison = compare.compare_result(pairings)
        test = listening.Listening(elem_id="listening", elem_classes="only-listen")
        read = wire_inputs(studio, inputs)
        create.wire_create(demo, studio, inputs, controls, live, piece, actions, pieces, read)
        compare.wire_compare(studio, inputs, compared, comparison, test, pieces)
        story.wire_story(studio, told, pieces)
        with gr.Column(visible=False):
            programs.offer_programs(studio, pieces)
            tune_api(studio, pieces)
    return demo.queue(max_size=whole_number("EIMG_QUEUE", 24), default_concurrency_limit=1)


def warm_up(studio: Studio) -> None:
    """Load the models while the page is already up; a fault here is one that a visitor will be told about."""
    try:
        studio.warm_up()
    except Exception as error:
        logging.getLogger(__name__).warning("Warm-up failed: %s", sentence(error))


def keep_tidy(demo: gr.Blocks, every_s: float = 15.0) -> None:
    """Remove the oldest uploads while there are too many; runs until the process ends.

    Gradio removes them after an hour, however many there are by then.
    """
    while True:
        time.sleep(every_s)
        try:
            trim([Path(path) for path in list(demo.upload_file_set)], most_bytes())
        except Exception as error:
            logging.getLogger(__name__).warning("Tidying up failed: %s", sentence(error))


def network_head() -> str:
    """What the page's head needs so that a lost connection loses nothing, and so that the page opens without one where
    it was opened before; it stands after ``language_head``."""
    offline = "navigator.serviceWorker?.register('worker.js').catch(() => {});"  # there is none without HTTPS
    return f"<script>{without_comments(_SERVER / 'network.js')}{offline}</script>"


def worker(_: Request) -> Response:
    """The script that keeps a copy of the page in a browser, one for each version."""
    script = without_comments(_SERVER / "worker.js").replace("VERSION", __version__)
    return Response(script, media_type="text/javascript", headers={"cache-control": "no-cache"})


def name_media_types() -> None:
    """Let the server say what each format is; not every computer knows all of them."""
    for key, one in FORMATS.items():
        mimetypes.add_type(one.mime, f".{key}")


def launch(demo: gr.Blocks, pieces: Path = PIECES, agents: StudioTools | None = None, **options: Any) -> Any:
    """Start serving with the settings that make the page safe, quiet and its own; ``options`` go to Gradio.

    Args:
        agents: the tools for language models, where they are to be served as well.
    """
    name_media_types()
    tools = {"lifespan": agents.lifespan} if agents else {}
    routes = [Route("/worker.js", worker), *(agents.routes if agents else ())]
    return demo.launch(
        mcp_server=False,  # Gradio's own, see ``eimg_core.agents.server``; not even where its environment variable asks
        share=False,
        show_error=False,
        strict_cors=True,
        max_file_size=f"{whole_number('EIMG_UPLOAD_MB', 20)}mb",
        allowed_paths=[str(pieces)],
        ssr_mode=False,
        run_history=False,
        enable_monitoring=False,
        _frontend=False,  # else Gradio asks the page for itself, and fails where a busy computer takes three seconds
        footer_links=["api"],
        theme=studio_theme(),
        i18n=i18n(),
        head=page_head() + language_head() + network_head(),
        app_kwargs={"middleware": [Middleware(CompressedPage), *MIDDLEWARE], "routes": routes, **tools},
        pwa=True,
        favicon_path=str(_ICON),
        css_paths=list(SHEETS),
        **options,
    )


def serve(studio: Studio, host: str, port: int, mcp: bool = False, root_path: str = "") -> None:
    """Serve the page until the process ends.

    Args:
        studio: with the shipped weights.
        host, port: where, see ``eimg_core.ui.server.start.free_address``.
        mcp: whether the tools for language models are served as well.
        root_path: where a proxy shows the page.
    Raises:
        InputError: a variable of the environment has no number, or the temporary folder cannot be written.
    """
    whole_number("EIMG_TEMP_MB", USUAL_MB)
    check_temporary_folder(lambda: new_folder(PIECES))
    demo = build_ui(studio)
    threading.Thread(target=keep_tidy, args=(demo,), name="keep-tidy", daemon=True).start()
    agents = _agent_server(studio, host, root_path) if mcp else None
    _, url, _ = launch(
        demo,
        agents=agents,
        server_name=host,
        server_port=port,
        root_path=root_path or None,
        prevent_thread_lock=True,
    )
    # Only now: built and loaded at the same time, the page would be there later.
    threading.Thread(target=warm_up, args=(studio,), name="warm-up", daemon=True).start()
    if agents:
        print(f"* Tools for language models (MCP, streamable HTTP): {url.rstrip('/')}{agents.path}", flush=True)
    demo.block_thread()


def _agent_server(studio: Studio, host: str, root_path: str) -> StudioTools:
    """The tools for language models; they answer to any host name only where this server is meant for others."""
    from eimg_core.agents.server import agent_server  # needs the package mcp

    local = not root_path and host in ("127.0.0.1", "localhost", "[::1]")
    return agent_server(studio, PIECES, root_path, local, whole_number("EIMG_QUEUE", 24))
