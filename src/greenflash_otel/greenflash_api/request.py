"""A request to Greenflash, ready to be stored and sent: plain values whose bytes never change."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias
from urllib.parse import unquote

from greenflash_otel import internal_errors
from greenflash_otel.any_json import UNBOUNDED, repair_json
from greenflash_otel.model.greenflash_ids import read_greenflash_id
from greenflash_otel.model.operation import Json

MAX_ITEMS: Final = 100
MAX_BYTES: Final = 1_000_000
"""Of the messages of one request; a single larger message still goes out alone."""

Kind: TypeAlias = Literal["messages", "outcome", "rating", "user", "organization"]


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """One POST. Sent byte for byte the same in every attempt, so that a repeat is harmless."""

    kind: Kind
    path: str
    """Below the base URL: ``/messages``, ``/events`` …"""
    body: bytes
    """UTF-8 JSON."""
    conversation_id: str
    """Requests of one conversation are sent one at a time and in order. Empty: belongs to none.
    What is recorded of one user, or of one organization, stays in order under a name of its own."""
    items: int = 1
    """How many messages, outcomes or other things it carries; what `stats()` counts."""


API_PATHS: Final = frozenset({"/messages", "/events", "/ratings", "/users", "/organizations"})
"""What requests are posted to."""
_WITH_ID: Final = re.compile(r"(/users|/organizations)/((?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})+)")
"""A path that names one user or one organization; the id is percent-encoded."""


def is_api_path(path: str) -> bool:
    """Say whether a path is one of the API's own, so that it may be sent with the key.

    A path that was stored comes back from a disk that others may write to. An id must not lead out of its
    place when a proxy decodes it: no ``..`` and no control characters, encoded or not.
    """
    if path in API_PATHS:
        return True
    if (match := _WITH_ID.fullmatch(path)) is None:
        return False
    id = unquote(match[2])
    return not {"", ".", ".."} & set(re.split(r"[/\\]", id)) and id.isprintable()


def name_thing(name: str, id: str | None) -> dict[str, Json]:
    """Return the field that names a conversation, a message, a user or an organization.

    ``externalConversationId`` with an id of the application's own, ``conversationId`` with one that Greenflash made.
    """
    if id is None:
        return {}
    made_there = read_greenflash_id(id)
    if made_there is None:
        return {f"external{name}Id": id}
    return {f"{name[0].lower()}{name[1:]}Id": made_there}


_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
_SURROGATE = re.compile("[\ud800-\udfff]")


def encode(body: Mapping[str, Json]) -> bytes:
    """Write a body as compact UTF-8 JSON, in the order given.

    Lone surrogates and NUL, which databases refuse, become U+FFFD. What JSON has no form for becomes text, so
    that one value, wherever it came from, never costs the whole request.
    """
    try:
        text = _write(body)
    except Exception:  # noqa: BLE001 - NaN, a cycle, a value of another type, or one that raises
        internal_errors.count_repaired()
        text = _write(repair_json(body, UNBOUNDED).value)
    if "\\u0000" in text:
        text = _NUL.sub("\\1\ufffd", text)
    try:
        return text.encode()
    except UnicodeEncodeError:
        return _SURROGATE.sub("\ufffd", text).encode()


_write = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
