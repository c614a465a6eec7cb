"""Items of OpenAI's Responses API that ask for tools, and the parts of messages that do. Pure.

A tool of the application is linked by ``call_id``; one that the provider ran itself says in the same item
what came of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from greenflash_otel.json_values import digest_of, read_structure
from greenflash_otel.model.operation import (
    Json,
    Other,
    Part,
    ServerToolCall,
    ServerToolCallResponse,
    ToolCall,
)
from greenflash_otel.semconv.attributes import text

Item = Mapping[str, Json]

FUNCTIONS = ("function_call", "tool_use", "tool_call")
CALLS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(FUNCTIONS, ("arguments", "args", "input")),
    "custom_tool_call": ("input",),
    **dict.fromkeys(("computer_call", "local_shell_call", "shell_call"), ("action",)),
    "apply_patch_call": ("operation",),
}
"""What asks for a tool of the application, and the fields that may say what to do."""

SERVER_CALLS: Mapping[str, tuple[str, ...]] = {
    "web_search_call": ("results",),
    "file_search_call": ("results",),
    "code_interpreter_call": ("outputs",),
    "image_generation_call": ("result",),
    "mcp_call": ("output", "error"),
}
"""Tools that the provider ran, and the fields that hold what came of it."""

REFUSAL = "refusal"


def refusal_of(text: str) -> Part:
    """What a model said instead of an answer."""
    return Other(REFUSAL, {"content": text})


def call_of(item: Item, kind: str = "function_call", id: Json = None) -> ToolCall:
    """The tool that an item asks for.

    Args:
        id: Of the call, where the item does not say it.
    """
    name = text(item, "name") or ("unknown" if kind in FUNCTIONS else kind.removesuffix("_call"))
    arguments = next((item[field] for field in CALLS[kind] if field in item), None)
    known = next((one for one in (item.get("call_id"), id) if isinstance(one, str) and one), None)
    return ToolCall(name, read_structure(arguments), known)


def named_call(name: str | None, arguments: Json, id: str | None) -> Part:
    """A call of which only this is known; the name may be the type of a provider's item."""
    if name and name in SERVER_CALLS:
        return next(server_call_of({"type": name, "id": id}, name))
    return ToolCall(name or "unknown", read_structure(arguments), id)


def server_call_of(item: Item, kind: str) -> Iterator[Part]:
    """The call of a tool that the provider ran, and what came of it where the item says that."""
    results = {name: value for name in SERVER_CALLS[kind] if (value := item.get(name)) is not None}
    asked = {name: value for name, value in item.items() if name not in SERVER_CALLS[kind]}
    id = found if isinstance(found := item.get("id"), str) and found else None
    failed = item.get("status") == "failed" or "error" in results
    yield ServerToolCall(text(item, "name") or kind.removesuffix("_call"), asked, id)
    if isinstance(picture := results.get("result"), str):
        results["result"] = digest_of(picture)[0]
    if results or failed:
        yield ServerToolCallResponse(results, id, failed)
