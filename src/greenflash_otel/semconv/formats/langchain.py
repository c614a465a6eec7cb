"""Messages as LangChain serialises them, which its callbacks hand to many instrumentations. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from greenflash_otel.model.operation import Json, Message
from greenflash_otel.semconv.formats.openai import read_chat

ROLES: Mapping[str, str] = {
    "human": "user",
    "ai": "assistant",
    "system": "system",
    "tool": "tool",
    "function": "function",
    "developer": "developer",
}
"""Role by LangChain's type of message, without what it adds for pieces of a stream (``AIMessageChunk``)."""

BESIDE = ("refusal", "reasoning_content", "audio")
"""What it moves out of a message of OpenAI's, and has nowhere else."""

Entry = Mapping[str, Json]


def read_langchain(value: Json, role: str) -> tuple[Message, ...]:
    """The messages of a list, of a list of lists, or of one message; those of OpenAI's kind are read too.

    Args:
        role: Of what names none.
    """
    return read_chat(list(_flat(value)), role)


def _flat(value: Json) -> Iterator[Json]:
    for entry in value if isinstance(value, list) else [value]:
        if isinstance(entry, list):
            yield from _flat(entry)
        elif isinstance(entry, Mapping):
            yield _message(entry)
        elif isinstance(entry, str):
            yield {"content": entry}


def _message(entry: Entry) -> Entry:
    """A message with the role that OpenAI has for its type."""
    kwargs = entry.get("kwargs")
    told = kwargs if isinstance(kwargs, Mapping) else entry
    if isinstance(more := told.get("additional_kwargs"), Mapping):
        told = {**{name: more[name] for name in BESIDE if more.get(name)}, **told}
    role = ROLES.get(_kind(told) or _kind(entry)) if "role" not in told else None
    return {**told, "role": role, "type": "message"} if role else told


def _kind(entry: Entry) -> str:
    path = entry.get("id")
    named = path[-1] if entry.get("lc") == 1 and isinstance(path, list) and path else entry.get("type")
    return str(named or "").removesuffix("Chunk").removesuffix("Message").lower()
