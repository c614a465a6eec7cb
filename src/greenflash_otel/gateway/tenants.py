"""Read the tenants of a gateway from a file. Pure.

[{"product_id": "<UUID>", "api_key": "gf_…", "tokens": ["…"]}]

API keys come from a file and not with requests. So the gateway can deliver what waits in an outbox after a
restart, and no sender can use a key that the gateway's owner does not know.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from greenflash_otel.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class TenantEntry:
    """One of them."""

    product_id: str
    api_key: str
    tokens: tuple[str, ...] = ()
    """Good for this one alone. Its API key is, too."""


def read_tenants(text: str) -> tuple[TenantEntry, ...]:
    """Read the tenants of a file. Raises `ConfigurationError`, which quotes none of it: it contains keys."""
    try:
        entries = tuple(_read_entry(value) for value in json.loads(text))
    except (ValueError, TypeError, KeyError):
        raise ConfigurationError(
            'the file of tenants is wrong; write [{"product_id": "<UUID>", "api_key": "gf_…", "tokens": []}]'
        ) from None
    if not entries or len({entry.product_id.lower() for entry in entries}) < len(entries):
        raise ConfigurationError("the file of tenants names none, or a product twice")
    return entries


def _read_entry(value: dict[str, Any]) -> TenantEntry:
    allowed = {"product_id", "api_key", "tokens"}
    texts = [value["product_id"], value["api_key"], *value.get("tokens", [])]
    if not all(isinstance(text, str) and text for text in texts) or not set(value) <= allowed:
        raise ValueError
    return TenantEntry(texts[0], texts[1], tuple(texts[2:]))
