"""Where the pages are that log lines, errors and findings link to. Pure.

A test builds the site and looks for each of them, so a page that moves cannot leave a dead link behind.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

DOCS_URL: Final = "https://docs.greenflash.ai/otel"
"""The address of the site. Nothing is published there yet: it is where the project intends to publish."""

Page: TypeAlias = Literal["symptoms", "paused", "unlinked", "internal errors", "threads", "arguments"]
"""What a page is about."""

PAGES: Final[Mapping[Page, str]] = {
    "symptoms": f"{DOCS_URL}/fix/",
    "paused": f"{DOCS_URL}/fix/#401-404-paused-rejected",
    "unlinked": f"{DOCS_URL}/fix/#an-outcome-or-rating-is-not-linked",
    "internal errors": f"{DOCS_URL}/fix/#something-else",
    "threads": f"{DOCS_URL}/how-to/threads-and-async/",
    "arguments": f"{DOCS_URL}/arguments/",
}
"""Their addresses."""


def link_to_finding(id: str) -> str:
    """Return the address of the part about a finding of the doctor."""
    return f"{DOCS_URL}/fix/findings/#{id.replace('.', '')}"
