"""Apply the user's redaction function to every text of a value. Pure.

It is applied before anything is stored. A function that fails must not let through what it was to hide: the
text is then replaced as a whole, and the failure is the caller's to count.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, TypeAlias

from greenflash_otel.model.operation import Json

Redact: TypeAlias = Callable[[str, str], "str | Awaitable[str]"]
"""``redact(text, path) -> text``, or a coroutine function of the same arguments. The path says where the text
stands, e.g. ``messages.content``, ``messages.input.city``, ``system_prompt``, ``outcome.properties.plan``. It
ends in ``.*`` where the text is a key of an object."""

Apply: TypeAlias = Callable[[str, str], str]
"""A redaction function that can simply be called."""

FAILED: Final = "[redaction failed]"
"""What replaces a text whose redaction raised or returned no text."""
MAX_DEPTH: Final = 200
"""Nesting that is redacted; what is nested deeper is replaced as a whole."""
MAX_KEY_IN_PATH: Final = 100
"""Characters of a key that a path repeats."""

STRUCTURE: Final = frozenset(
    """
    annotations arguments background bargeIn cached_input_tokens call caller_id content count detail digest
    dimensions documents duration ending error file_id finish_reason greenflash_original id
    incomplete_reason input input_tokens is_error language latency_ms message messages metadata mime_type
    modality model name operation output output_format output_tokens page_content parameters parts prompt
    provider quality query reasoning_output_tokens request_id response response_format response_id result
    retries role score seconds server_tool_call server_tool_call_response service_tier size size_bytes
    status streamed system_fingerprint text time_to_first_chunk_ms tool_call transcript type uri value
    variables version voice
    """.split()  # noqa: SIM905 - one word a line would hide that they are a list of words
)
"""Keys that this library and the providers' formats write. They are the same whatever was said, so a
redaction function is not asked about them."""


def redact_value(value: Json, path: str, apply: Apply, failed: Callable[[BaseException], None]) -> Json:
    """Return ``value`` with every text in it redacted, keys of objects too."""
    return _redact(value, path, apply, failed, 0)


def redact_text(text: str, path: str, apply: Apply, failed: Callable[[BaseException], None]) -> str:
    """Return one text, redacted."""
    try:
        changed = apply(text, path)
        if not isinstance(changed, str):
            raise TypeError(f"redact() returned {type(changed).__name__}; return the text")
    except KeyboardInterrupt:  # of the user, not of the function
        raise
    except BaseException as error:  # noqa: BLE001 - the function may raise anything, also SystemExit
        failed(error)
        return FAILED
    return changed


def _redact(
    value: Json, path: str, apply: Apply, failed: Callable[[BaseException], None], depth: int
) -> Json:
    if isinstance(value, str):
        return redact_text(value, path, apply, failed)
    is_list = isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray))
    if depth >= MAX_DEPTH and (is_list or isinstance(value, Mapping)):
        failed(RecursionError())
        return FAILED
    if isinstance(value, Mapping):
        keys = _redact_keys(value, path, apply, failed)
        return {
            key: _redact(item, f"{path}.{name[:MAX_KEY_IN_PATH]}", apply, failed, depth + 1)
            for (name, item), key in zip(value.items(), keys, strict=True)
        }
    if isinstance(value, Sequence) and is_list:
        return [_redact(item, path, apply, failed, depth + 1) for item in value]
    return value


def _redact_keys(
    value: Mapping[str, Json], path: str, apply: Apply, failed: Callable[[BaseException], None]
) -> list[str]:
    """Return the keys, redacted, in their order. Two that became the same stay two."""
    changed = [name if name in STRUCTURE else redact_text(name, f"{path}.*", apply, failed) for name in value]
    used = {key for key, name in zip(changed, value, strict=True) if key == name}
    numbers: dict[str, int] = {}
    keys = []
    for key, name in zip(changed, value, strict=True):
        free, number = key, numbers.get(key, 1)
        while free in used and key != name:
            number += 1
            free = f"{key} ({number})"
        numbers[key] = number
        used.add(free)
        keys.append(free)
    return keys
