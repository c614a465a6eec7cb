"""An answer's Markdown as HTML that can do nothing: no HTML of its own, no picture, no link but to the web. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from markdown_it import MarkdownIt
from markupsafe import Markup, escape

from greenflash_otel.emulator.viewer.texts import write_visibly

if TYPE_CHECKING:
    from markdown_it.renderer import RendererHTML
    from markdown_it.token import Token
    from markdown_it.utils import EnvType, OptionsDict

ALLOWED = ("http://", "https://", "mailto:")
REMEMBERED = 4_000
"""Texts whose HTML is remembered: a message never changes."""


def _make_renderer() -> MarkdownIt:
    renderer = MarkdownIt("commonmark", {"html": False, "linkify": False, "breaks": True})
    renderer.enable(["table", "strikethrough"])
    renderer.validateLink = _is_allowed  # type: ignore[method-assign,assignment]  # its documented way
    renderer.add_render_rule("image", _render_image)
    renderer.add_render_rule("link_open", _render_link)
    renderer.add_render_rule("table_open", lambda *_: '<div class="scrolls"><table>\n')
    renderer.add_render_rule("table_close", lambda *_: "</table></div>\n")
    for part in ("th_open", "td_open"):
        renderer.add_render_rule(part, _render_cell)
    return renderer


def _is_allowed(address: str) -> bool:
    return address.strip().lower().startswith(ALLOWED)


def _render_image(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType
) -> str:
    """Show where a picture is: fetching it would show its host who reads this."""
    address = tokens[index].attrGet("src") or ""
    return f'<span class="picture">{escape(tokens[index].content)} [picture: {escape(address)}]</span>'


def _render_link(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType
) -> str:
    token = tokens[index]
    token.attrSet("rel", "noopener noreferrer nofollow")
    token.attrSet("target", "_blank")
    return renderer.renderToken(tokens, index, options, env)


def _render_cell(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType
) -> str:
    """Leave out the alignment: it is an inline style, which the page's policy forbids."""
    return f"<{tokens[index].tag}>"


_RENDERER = _make_renderer()


@lru_cache(REMEMBERED)
def render_markdown(text: str) -> Markup:
    """Render an answer."""
    return Markup(_RENDERER.render(write_visibly(text)))  # noqa: S704 - made here, with HTML off
