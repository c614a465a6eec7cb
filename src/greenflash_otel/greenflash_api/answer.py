"""Describe the result of one attempt to send a request: a plain value, so that judging it needs no network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Fault: TypeAlias = Literal["timeout", "connection", "tls", "client", "path"]
"""Why there is no answer.

``client``: the HTTP client itself failed, e.g. the application closed the one it passed. ``path``: the
request was not sent, because its path is not one of the API's.
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """The server's answer, or the fault that prevented it."""

    status: int | None
    """HTTP status; None when no answer came, and only then is `fault` set."""
    body: bytes = b""
    """What was read of the body, bounded."""
    is_cut: bool = False
    """The body broke off, or its time was over before it ended."""
    content_type: str | None = None
    """The ``Content-Type`` header as it came."""
    retry_after: str | None = None
    """The ``Retry-After`` header as it came."""
    date: str | None = None
    """When the answer was made: the server's ``Date`` header, else our clock, as an HTTP date."""
    fault: Fault | None = None
