"""The look of the page: Gradio's own parts take their colours, sizes and fonts from our style sheets.

Every colour is a CSS variable that ``colours.css`` sets once for the light and once for the dark theme. Fonts are
those of the visitor's system; nothing is fetched from anywhere.
"""

from __future__ import annotations

from pathlib import Path

import gradio as gr

__all__ = ["SANS", "SHEETS", "page_head", "studio_theme"]

_UI = Path(__file__).parent.parent
SHEETS = tuple(
    _UI / f"{sheet}.css"
    for sheet in (
        "style/colours",
        "style/page",
        "pages/inputs",
        "widgets/emotion_plane/emotion_plane",
        "style/controls",
        "widgets/player/player",
        "widgets/piece_actions/piece_actions",
        "widgets/composer_choice/composer_choice",
        "widgets/comparison/comparison",
        "widgets/story_board/story_board",
        "widgets/listening/listening",
        "widgets/live/live",
        "pages/results",
    )
)  # a later one may overrule an earlier one

SANS = (
    "-apple-system",
    "Segoe UI",
    "Roboto",
    "Noto Sans",
    "Liberation Sans",
    "DejaVu Sans Condensed",
    "PingFang SC",
    "Microsoft YaHei",
    "Noto Sans CJK SC",
    "sans-serif",
)
_MONO = ("ui-monospace", "Menlo", "Consolas", "monospace")

_VARIABLES = {
    "body_background_fill": "var(--paper)",
    "body_text_color": "var(--ink)",
    "body_text_color_subdued": "var(--muted)",
    "background_fill_primary": "var(--surface)",
    "background_fill_secondary": "var(--sunken)",
    "border_color_primary": "var(--line)",
    "border_color_accent": "var(--accent)",
    "color_accent": "var(--accent)",
    "color_accent_soft": "var(--accent-soft)",
    "block_background_fill": "var(--surface)",
    "block_border_color": "var(--line)",
    "block_label_text_color": "var(--muted)",
    "block_title_text_color": "var(--ink)",
    "block_info_text_color": "var(--muted)",
    "block_border_width": "0px",
    "block_shadow": "none",
    "input_background_fill": "var(--surface)",
    "input_border_color": "var(--edge)",
    "input_border_width": "1px",
    "input_border_color_focus": "var(--accent)",
    "input_placeholder_color": "var(--muted)",
    "slider_color": "var(--accent)",
    "loader_color": "var(--accent)",
    "button_primary_background_fill": "var(--accent)",
    "button_primary_background_fill_hover": "var(--accent-deep)",
    "button_primary_border_color": "var(--accent)",
    "button_primary_text_color": "var(--on-accent)",
    "button_secondary_background_fill": "transparent",
    "button_secondary_background_fill_hover": "var(--accent-soft)",
    "button_secondary_border_color": "var(--edge)",
    "button_secondary_text_color": "var(--ink)",
    "checkbox_label_background_fill": "transparent",
    "checkbox_label_background_fill_hover": "var(--accent-soft)",
    "checkbox_label_background_fill_selected": "var(--accent-soft)",
    "checkbox_label_border_color": "var(--edge)",
    "checkbox_label_text_color": "var(--ink)",
    "checkbox_label_text_color_selected": "var(--ink)",
    "checkbox_background_color": "var(--surface)",
    "checkbox_background_color_selected": "var(--accent)",
    "checkbox_border_color": "var(--edge)",
    "checkbox_border_color_selected": "var(--accent)",
    "link_text_color": "var(--accent)",
    "error_background_fill": "var(--surface)",
    "error_border_color": "var(--alarm)",
    "error_text_color": "var(--alarm)",
    "error_icon_color": "var(--alarm)",
}


def page_head() -> str:
    """What the page's head needs so that nothing moves about while the page is built: ``settle.js`` shows it then."""
    # In the head, as the style sheets come with the widgets, which is too late.
    hidden = "<style>body:not([data-settled]) .gradio-container .contain { visibility: hidden; }</style>"
    return f"{hidden}<script>{(_UI / 'style' / 'settle.js').read_text(encoding='utf-8')}</script>"


def studio_theme() -> gr.themes.Base:
    """A Gradio theme whose light and dark values are the same variables."""
    theme = gr.themes.Base(
        primary_hue=gr.themes.colors.emerald,
        font=list(SANS),
        font_mono=list(_MONO),
        radius_size=gr.themes.sizes.radius_md,
        text_size=gr.themes.sizes.text_md,
    )
    both = {f"{name}{suffix}": value for name, value in _VARIABLES.items() for suffix in ("", "_dark")}
    return theme.set(**{name: value for name, value in both.items() if hasattr(theme, name)})
