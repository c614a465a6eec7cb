"""Texts that are JSON of blocks, as producers write a content that is more than a text. Pure.

So a thought of Bedrock's or Anthropic's is in a text of the answer, though the model did not say it to the user.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from greenflash_otel.json_values import Json, read_json, read_str
from greenflash_otel.model.operation import Message, Part, Text
from greenflash_otel.semconv.formats.bedrock import is_bedrock, read_blocks
from greenflash_otel.semconv.formats.openai import PARTS, read_content

CONVERSE_THOUGHT = "reasoningContent"
THOUGHTS = frozenset({"thinking", "reasoning", "redacted_thinking"})
SEALED = "redacted_thinking"
"""Type of a thought that only the provider can read."""


def unfold_texts(message: Message) -> Message:
    """Return a message with the parts that are in its texts as JSON; the same message if there are none."""
    if not any(isinstance(part, Text) and part.content[:1] in ("{", "[") for part in message.parts):
        return message
    parts: list[Part] = []
    for part in message.parts:
        parts += _unfold(part)
    same = len(parts) == len(message.parts) and all(map(_is, parts, message.parts))
    return message if same else replace(message, parts=tuple(parts))


def _is(part: Part, other: Part) -> bool:
    return part is other


def _unfold(part: Part) -> Sequence[Part]:
    recorded = read_json(part.content) if isinstance(part, Text) and part.content[:1] in ("{", "[") else None
    if isinstance(recorded, Mapping):
        return tuple(_read_block(recorded)) if _is_thought(recorded) else (part,)
    if not isinstance(recorded, list) or not recorded:
        return (part,)
    blocks = [block for block in recorded if isinstance(block, Mapping)]
    if len(blocks) < len(recorded) or not (all(map(_is_typed, blocks)) or is_bedrock(blocks)):
        return (part,)
    return [part_of_block for block in blocks for part_of_block in _read_block(block)]


def _is_thought(block: Mapping[str, Json]) -> bool:
    return set(block) == {CONVERSE_THOUGHT} or read_str(block.get("type")) in THOUGHTS


def _is_typed(block: Mapping[str, Json]) -> bool:
    kind = read_str(block.get("type"))
    return kind is not None and (kind in PARTS or kind == SEALED)


def _read_block(block: Mapping[str, Json]) -> Sequence[Part]:
    if block.get("type") == SEALED:
        return ()
    return read_content(block) if "type" in block else tuple(read_blocks([block]))
