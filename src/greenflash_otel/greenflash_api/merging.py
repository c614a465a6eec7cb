"""Make one request of several that continue each other: the opposite of ``splitting``. Pure.

Updates of one conversation that wait behind each other mostly differ only in their messages. One request
carries them all, with the bytes that each message has.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Final

from greenflash_otel.greenflash_api.request import MAX_BYTES, MAX_ITEMS, ApiRequest

_OPENING: Final = b'"messages":['
_END: Final = b"]}"


class Merger:
    """Adds requests to a first one, as long as they fit.

    ``messages`` writes a body with the messages as its last field. Only such bodies are merged.
    """

    def __init__(self, first: ApiRequest) -> None:
        self._first = first
        self._frame = _find_frame(first.body) if first.kind == "messages" and first.items > 0 else b""
        self._parts = [first.body[: -len(_END)]]
        self._bytes = len(first.body)
        self._items = first.items

    @property
    def can_grow(self) -> bool:
        """Whether another request may still be added."""
        return bool(self._frame) and self._items < MAX_ITEMS and self._bytes < MAX_BYTES

    def add(self, request: ApiRequest) -> bool:
        """Add the messages of a request that has the same other fields; False if it cannot be added."""
        body, frame = request.body, self._frame
        if not self.can_grow or not body.startswith(frame) or not body.endswith(_END):
            return False
        if (request.kind, request.path) != (self._first.kind, self._first.path) or request.items < 1:
            return False
        messages = body[len(frame) : -len(_END)]
        if self._items + request.items > MAX_ITEMS or self._bytes + len(messages) + 1 > MAX_BYTES:
            return False
        self._parts.append(messages)
        self._bytes += len(messages) + 1
        self._items += request.items
        return True

    def merge(self) -> ApiRequest:
        """Return the request that carries everything."""
        return replace(self._first, body=b",".join(self._parts) + _END, items=self._items)


def _find_frame(body: bytes) -> bytes:
    """Return what comes before the messages; empty if they are not the last field.

    The name can occur within other fields, too. It is the body's own where the rest would be whole without it.
    """
    at = body.find(_OPENING) if body.endswith(_END) else -1
    while at >= 0 and not _is_json(body[:at] + _OPENING + _END):
        at = body.find(_OPENING, at + 1)
    return body[: at + len(_OPENING)] if at >= 0 else b""


def _is_json(text: bytes) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
