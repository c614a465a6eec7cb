"""The public function `message_id`: what names an answer, in any form that an application has it in. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from greenflash_otel.internal_errors import guarded


def message_id(response: Any) -> str | None:
    """Return what names an answer, for a browser to keep: ``record_rating(True, message_id=…)`` takes it on any day.

    It is the id that the provider gave the answer. So it is known at once, before anything is delivered.

    Args:
        response: A completion or response of OpenAI, any chunk or event of its stream, a message or chunk of LangChain,
            the state or the result that a graph or an agent returns, one of these as a dict, or its id.

    Returns:
        The id; None if the object has none. Nothing is raised.
    """
    with guarded("find the id of an answer"):
        return _find_id(response, 0)
    return None


DEEP = 4
"""Objects around an answer that are looked into."""
WITHIN = ("messages", "message", "response", "raw", "output", "choices", "generations")
"""Names under which an answer is found in what an agent or a stream returns; the last of several is the answer."""
MADE_HERE = ("run-", "lc_run-", "lc-run-")
"""How the ids begin that LangChain gives messages itself."""


def _find_id(response: object, depth: int) -> str | None:
    if isinstance(response, str):
        return response or None
    if response is None or depth > DEEP:
        return None
    if isinstance(response, Sequence):
        return _find_id_in(response, depth)
    metadata = _get(response, "response_metadata")
    id = _get(metadata, "id") if metadata is not None else None
    own = id if isinstance(id, str) and id else _get(response, "id")
    if isinstance(own, str) and own and not own.startswith(MADE_HERE):
        return own
    inner = (_get(response, name) for name in WITHIN)
    return next(
        (inner_id for value in inner if (inner_id := _find_id_inside(value, depth)) is not None), None
    )


def _find_id_inside(value: object, depth: int) -> str | None:
    """Return the id of an answer in another object; a text there is what was said."""
    return None if isinstance(value, (str, bytes)) else _find_id(value, depth + 1)


def _find_id_in(values: Sequence[object], depth: int) -> str | None:
    return next(
        (inner_id for value in reversed(values) if (inner_id := _find_id_inside(value, depth)) is not None),
        None,
    )


def _get(value: object, name: str) -> object:
    return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)
