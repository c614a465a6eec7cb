"""Pages of a list: what the query asks for, and the ``Link`` header of the answer. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from greenflash_otel.emulator.refusal import Refused

_WHOLE = re.compile(r"(\d{1,9})(?:\.0+)?", re.ASCII)  # the SDK types these as float


@dataclass(frozen=True, slots=True)
class Page:
    """A stretch of a list."""

    limit: int
    offset: int


def read_page(query: Mapping[str, str], *, size_name: str = "limit") -> Page:
    """Read the page that a query asks for; 50 entries from the start by default. Raises `Refused`."""
    limit = _read_whole_number(query, size_name, least=1, most=100, default=50)
    if "offset" in query:
        return Page(limit, _read_whole_number(query, "offset", least=0, most=None, default=0))
    return Page(limit, (_read_whole_number(query, "page", least=1, most=None, default=1) - 1) * limit)


def list_links(url: str, query: Mapping[str, str], page: Page, *, more: bool) -> Mapping[str, str]:
    """Return the addresses of the pages around this one, ``next`` and ``prev``; none where there are none.

    They use the terms of the query: ``offset`` if the query has that, else ``page``.
    """
    starts = {"next": page.offset + page.limit} if more else {}
    if page.offset > 0:
        starts["prev"] = max(page.offset - page.limit, 0)
    links = {}
    for rel, start in starts.items():
        there = {"offset": start} if "offset" in query else {"page": start // page.limit + 1}
        links[rel] = f"{url}?{urlencode({**query, **there})}"
    return links


def link_header(links: Mapping[str, str]) -> Mapping[str, str]:
    """Return the header that leads to other pages (RFC 8288); none where there are none."""
    text = ", ".join(f'<{address}>; rel="{rel}"' for rel, address in links.items())
    return {"link": text} if text else {}


def _read_whole_number(
    query: Mapping[str, str], name: str, *, least: int, most: int | None, default: int
) -> int:
    text = query.get(name)
    if text is None:
        return default
    match = _WHOLE.fullmatch(text)
    number = int(match[1]) if match else least - 1
    if number < least or (most is not None and number > most):
        bounds = f"from {least}" + (f" to {most}" if most is not None else " up")
        raise Refused(400, f"{name}: must be a whole number {bounds}")
    return number
