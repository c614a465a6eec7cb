"""What content may leave: the user's redaction function, applied to every text before anything is stored.

A function that fails must not let through what it was to hide: the text is then replaced as a whole, and
the failure is the caller's to count.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from greenflash_otel.model.operation import Json

Redact: TypeAlias = Callable[[str, str], str]
"""``redact(text, path) -> text``. The path says where the text stands, e.g. ``messages.content``,
``messages.input.city``, ``system_prompt``, ``outcome.properties.plan``."""

FAILED = "[redaction failed]"
"""What stands in place of a text whose redaction raised or returned no text."""


def redacted(value: Json, path: str, redact: Redact, failed: Callable[[Exception], None]) -> Json:
    """``value`` with every text in it redacted; keys are left as they are."""
    if isinstance(value, str):
        return redacted_text(value, path, redact, failed)
    if isinstance(value, Mapping):
        return {name: redacted(item, f"{path}.{name}", redact, failed) for name, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [redacted(item, path, redact, failed) for item in value]
    return value


def redacted_text(text: str, path: str, redact: Redact, failed: Callable[[Exception], None]) -> str:
    """One text, redacted."""
    try:
        changed = redact(text, path)
        if not isinstance(changed, str):
            raise TypeError(f"redact() returned {type(changed).__name__}; return the text")
    except Exception as error:  # noqa: BLE001 - the user's function may raise anything
        failed(error)
        return FAILED
    return changed
