"""Templates to HTML. Everything is escaped but for what ``markdown`` made; characters that deceive are shown."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from greenflash_otel.emulator.instants import write_instant
from greenflash_otel.emulator.viewer import texts
from greenflash_otel.emulator.viewer.markdown import render_markdown

STATIC: Mapping[str, str] = {
    "viewer.css": "text/css",
    "viewer.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
"""The files that pages load, and their types."""
PACKAGE = __name__.rpartition(".")[0]
LONGEST_TEXT = 4_000
"""Characters of a message on its conversation's page; the whole is one click away."""
LONGEST_PAYLOAD = 2_000


def render(name: str, **values: object) -> bytes:
    """Render a template."""
    return _make_environment().get_template(name).render(**values).encode("utf-8", "backslashreplace")


@lru_cache(None)
def read_static(name: str) -> tuple[bytes, str]:
    """Return a file that pages load, and the hash that its address carries, so that it may be stored for ever."""
    content = (files(PACKAGE) / "static" / name).read_bytes()
    return content, hashlib.sha256(content).hexdigest()[:12]


@lru_cache(1)
def _make_environment() -> Environment:
    environment = Environment(
        loader=PackageLoader(PACKAGE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    environment.filters |= {
        "markdown": render_markdown,
        "segment": lambda text: quote(str(text), safe=""),
        "age": texts.write_age,
        "span": texts.write_span,
        "size": texts.write_size,
        "number": texts.write_number,
        "count": texts.write_count,
        "clock": texts.write_clock,
        "day": texts.write_day,
        "json": texts.write_json,
        "line": texts.shorten,
        "payload": texts.write_payload,
        "instant": write_instant,
    }
    environment.globals |= {
        "static": lambda name: f"/static/{read_static(name)[1]}/{name}",
        "LONGEST_TEXT": LONGEST_TEXT,
        "LONGEST_PAYLOAD": LONGEST_PAYLOAD,
    }
    return environment


def _finalize(value: Any) -> Any:  # Any: whatever a template writes
    """Show characters that deceive in every text that a template writes."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return texts.write_visibly(value)
    return value
