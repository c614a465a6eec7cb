"""Messages in the blocks of Amazon Bedrock's Converse API, as Strands writes them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from greenflash_otel.json_values import digest_of, write_json
from greenflash_otel.model.operation import (
    Json,
    Media,
    Other,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolCallResponse,
)
from greenflash_otel.semconv.attributes import read_text

Block = Mapping[str, Json]
MODALITIES = ("image", "video", "audio", "document")
BASE64 = re.compile(r"[\w+/-]{16,}=*")
"""Bytes; in their place may stand a word that says they were taken out."""
KINDS = ("text", "json", "toolUse", "toolResult", "reasoningContent", *MODALITIES)
OWN_KINDS = ("toolUse", "toolResult", "reasoningContent")
"""Kinds that no other format has."""


def is_converse(content: Json) -> bool:
    """Return whether a content is a list of such blocks: each has one key, which says what it is."""
    return (
        isinstance(content, list)
        and bool(content)
        and all(
            isinstance(block, Mapping) and len(block) == 1 and set(block) <= {*KINDS} for block in content
        )
    )


def is_bedrock(content: Json) -> bool:
    """Return whether a content is such blocks and no other API's, which may have texts in the same form."""
    return is_converse(content) and any("text" not in block for block in content)  # type: ignore[union-attr,operator]


def read_blocks(content: Json) -> Iterator[Part]:
    """Read the parts of a message."""
    for block in content if isinstance(content, list) else ():
        if isinstance(block, Mapping):
            yield from _read_block(block)


def read_own_block(block: Block) -> tuple[Part, ...] | None:
    """Read a block among other parts; None if other formats have such a part as well."""
    return tuple(_read_block(block)) if len(block) == 1 and not block.keys().isdisjoint(OWN_KINDS) else None


def _read_block(block: Block) -> Iterator[Part]:
    kind, value = next(iter(block.items()), ("", None))
    if kind == "text" and isinstance(value, str):
        yield from [Text(value)] if value else []
    elif kind == "toolUse" and isinstance(value, Mapping):
        yield ToolCall(
            read_text(value, "name") or "unknown", value.get("input"), read_text(value, "toolUseId")
        )
    elif kind == "toolResult" and isinstance(value, Mapping):
        yield ToolCallResponse(
            result_of(value.get("content")), read_text(value, "toolUseId"), value.get("status") == "error"
        )
    elif kind == "reasoningContent" and isinstance(value, Mapping):
        yield from _read_thought(value)
    elif kind in MODALITIES and isinstance(value, Mapping):
        yield _read_media(kind, value)
    else:
        yield Other(kind or "unknown", {"value": value})


def result_of(content: Json) -> Json:
    """Return what a tool answered: the text or the JSON, where it is all there is."""
    blocks = content if isinstance(content, list) else []
    contents = [block.get("text", block.get("json")) for block in blocks if isinstance(block, Mapping)]
    if not contents or None in contents:
        return content
    return (
        contents[0]
        if len(contents) == 1
        else "\n".join(item if isinstance(item, str) else write_json(item) for item in contents)
    )


def _read_thought(value: Block) -> Iterator[Part]:
    recorded = value.get("reasoningText")
    thought = recorded.get("text") if isinstance(recorded, Mapping) else recorded
    if isinstance(thought, str) and thought:
        yield Reasoning(thought)


def _read_media(modality: str, value: Block) -> Media:
    source, format = value.get("source"), value.get("format")
    data = source.get("bytes") if isinstance(source, Mapping) else None
    digest, size_bytes = digest_of(data) if isinstance(data, str) and BASE64.fullmatch(data) else (None, None)
    return Media(
        modality,
        mime_type=f"{modality}/{format}" if isinstance(format, str) else None,
        digest=digest,
        size_bytes=size_bytes,
    )
