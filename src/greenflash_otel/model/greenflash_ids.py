"""Ids that Greenflash made, in the places of ids that the application made. Pure.

An application may know a conversation, a message, a user or an organization only by the id that Greenflash answered
with. Such an id is written ``greenflash:`` and the id, wherever an id of the application's own can be: in a context, in
a span, on disk. Only the request to Greenflash names the two kinds differently.
"""

from __future__ import annotations

PREFIX = "greenflash:"


def write_greenflash_id(id: str) -> str:
    """Write an id that Greenflash made, for a place where an id of the application's own can be."""
    return PREFIX + id


def read_greenflash_id(id: str) -> str | None:
    """Return the id that Greenflash made; None if it is an id of the application's own."""
    return id[len(PREFIX) :] if id.startswith(PREFIX) else None
