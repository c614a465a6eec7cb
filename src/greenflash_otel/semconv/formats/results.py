"""What tools answer in blocks: the text of them, if there is nothing else. Pure.

MCP, Anthropic, OpenAI, LangChain and Bedrock have the same answer as a text, or as a list of blocks of text.
"""

from __future__ import annotations

from collections.abc import Mapping

from greenflash_otel.json_values import Json, read_str, read_structure
from greenflash_otel.semconv.formats.bedrock import is_converse, result_of

TEXT_TYPES = frozenset({"text", "input_text", "output_text"})
BLOCK_FIELDS = frozenset(
    {"type", "text", "content", "id", "index", "annotations", "citations", "cache_control"}
)
"""Fields of a block of text; one with another field says more than its text."""
RESULT_FIELDS = frozenset({"content", "isError", "is_error", "_meta", "meta", "structuredContent"})
"""Fields of MCP's result of a call."""


def text_of_result(response: Json) -> Json:
    """Return the text of a result that is made of blocks of text, also if it is JSON text; else the result."""
    recorded = read_structure(response)
    if isinstance(recorded, Mapping) and "content" in recorded and RESULT_FIELDS.issuperset(recorded):
        recorded = recorded["content"]
    if not isinstance(recorded, (list, tuple)) or not recorded:
        return response
    if is_converse(list(recorded)):
        result = result_of(list(recorded))
        return response if isinstance(result, list) else result
    texts = [_text_of_block(block) for block in recorded]
    return response if None in texts else "\n".join(text for text in texts if text)


def _text_of_block(block: Json) -> str | None:
    if not isinstance(block, Mapping) or read_str(block.get("type")) not in TEXT_TYPES:
        return None
    text = block.get("text", block.get("content"))
    return text if isinstance(text, str) and BLOCK_FIELDS.issuperset(block) else None
