"""Tools in OpenAI's JSON: what asks for one, and what one answered. Pure.

A tool of the application is linked by ``call_id``, in a message by ``id``; one that the provider ran itself
says in the same item what came of it. The type of an item decides, never the SDK's class for it: an item of a
type the SDK does not know arrives as one it does know.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from greenflash_otel.json_values import (
    Json,
    JsonObject,
    digest_of,
    read_json_object,
    read_list,
    read_str,
    read_structure,
    to_json,
)
from greenflash_otel.model.operation import (
    Part,
    ServerToolCall,
    ServerToolCallResponse,
    ToolCall,
    ToolCallResponse,
)
from greenflash_otel.semconv.expected_json import read_entries, read_messages_document

FUNCTIONS = ("function_call", "tool_use", "tool_call")
CALLS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(FUNCTIONS, ("arguments", "args", "input")),
    "custom_tool_call": ("input",),
    **dict.fromkeys(("computer_call", "local_shell_call", "shell_call"), ("action",)),
    "apply_patch_call": ("operation",),
}
"""What asks for a tool of the application, and the fields that may say what to do."""

OUTPUT = "_call_output"
"""How the types of items end in which the application's tools answer."""

SERVER_CALLS: Mapping[str, tuple[str, ...]] = {
    "web_search_call": ("results",),
    "file_search_call": ("results",),
    "code_interpreter_call": ("outputs",),
    "image_generation_call": ("result",),
    "mcp_call": ("output", "error"),
    "command_execution": ("output", "exit_code"),
    "computer_use_call": (),
    **{
        f"{what}_call": ()
        for what in (
            "create_subagent",
            "send_subagent_input",
            "resume_subagent",
            "wait_for_subagents",
            "interrupt_subagent",
            "close_subagent",
        )
    },
}
"""Tools that the provider ran, and the fields that contain what came of it."""

TOOL_SEARCH_CALL, TOOL_SEARCH_OUTPUT = "tool_search_call", "tool_search_output"
"""A search for tools, and what it found; the application runs it, or the provider."""

SERVER_BLOCKS = ("server_tool_call", "server_tool_use")
SERVER_RESULTS = ("server_tool_result", "web_search_tool_result", "code_execution_tool_result")
"""The same as blocks of a content: what was asked, and what came of it."""

PROGRAM, PROGRAM_OUTPUT = "program", "program_output"
"""What the provider runs to call tools from, and what it printed; both name the program's ``call_id``."""


NAMED_CALL = ("name", "arguments", "input")
"""Fields of a call one of which says something; some servers send an empty call with every answer."""


def read_call(item: JsonObject, kind: str = "function_call", id: object = None) -> ToolCall:
    """Read the tool that an item asks for.

    Args:
        id: Of the call, where the item does not say it.
    """
    name = read_str(item.get("name")) or ("unknown" if kind in FUNCTIONS else kind.removesuffix("_call"))
    arguments = next((item[field] for field in CALLS[kind] if field in item), None)
    caller_id = read_str(read_json_object(item.get("caller")).get("caller_id"))
    known_id = read_str(item.get("call_id")) or read_str(id)
    return ToolCall(name, read_structure(to_json(arguments)), known_id, caller_id)


def read_named_call(name: str | None, arguments: Json, id: str | None) -> Part:
    """Read a call of which only this is known; the name may be the type of a provider's item."""
    if name and name in SERVER_CALLS:
        return read_server_call({"type": name, "id": id}, name)[0]
    return ToolCall(name or "unknown", read_structure(arguments), id)


def read_calls(message: JsonObject) -> Iterator[ToolCall]:
    """Read the tools that a message asks for next to its content: of functions, custom, in the legacy form."""
    for call in map(read_json_object, _read_entries(message.get("tool_calls"))):
        inner = read_json_object(call.get("custom")) or read_json_object(call.get("function")) or call
        if call.get("id") or any(inner.get(field) for field in NAMED_CALL):
            yield read_call(inner, id=call.get("id"))
    legacy = read_json_object(read_structure(message.get("function_call")))
    if any(legacy.get(field) for field in NAMED_CALL):
        yield read_call(legacy)


def _read_entries(value: object) -> Iterator[Any]:
    """Read a list of calls, of which all or each may be JSON text: attributes can contain no list of objects."""
    listed = read_messages_document(value) if isinstance(value, str) else value
    return read_entries([listed] if isinstance(listed, Mapping) else read_list(listed))


def read_output(item: JsonObject) -> ToolCallResponse:
    """Read the item in which a tool of the application answers."""
    failed = item.get("status") == "failed"
    return ToolCallResponse(to_json(item.get("output")), read_str(item.get("call_id")), failed)


def read_server_call(item: JsonObject, kind: str) -> tuple[Part, ...]:
    """Read the call of a tool that the provider ran, and what came of it where the item says that."""
    results = {name: value for name in SERVER_CALLS[kind] if (value := item.get(name)) is not None}
    arguments = {str(name): to_json(value) for name, value in item.items() if name not in SERVER_CALLS[kind]}
    id = read_str(item.get("id"))
    call = ServerToolCall(read_str(item.get("name")) or kind.removesuffix("_call"), arguments, id)
    failed = item.get("status") == "failed" or "error" in results
    if not results and not failed:
        return (call,)
    if isinstance(picture := results.get("result"), str):
        results["result"] = digest_of(picture)[0]
    recorded = {name: to_json(value) for name, value in results.items()}
    return call, ServerToolCallResponse(recorded, id, failed)


def is_tool_search_of_client(item: JsonObject) -> bool:
    """Return whether the application searches: only then has the search an id to answer to."""
    return item.get("execution") != "server" and bool(item.get("call_id"))


def read_tool_search(item: JsonObject, kind: str) -> tuple[Part, ...]:
    """Read a search for tools, or what it found."""
    id = read_str(item.get("call_id"))
    if kind == TOOL_SEARCH_OUTPUT:
        tools = {"tools": to_json(item.get("tools"))}
        if is_tool_search_of_client(item):
            return (ToolCallResponse(tools, id),)
        return (ServerToolCallResponse(tools, id),)
    arguments = read_structure(to_json(item.get("arguments")))
    if is_tool_search_of_client(item):
        return (ToolCall("tool_search", arguments, id),)
    return (ServerToolCall("tool_search", {"arguments": arguments}, id or read_str(item.get("id"))),)


def read_server_block(block: JsonObject, kind: str) -> tuple[Part, ...]:
    """Read a block in which Anthropic, or LangChain for it, has a tool of the provider's."""
    fields = {str(name): to_json(value) for name, value in block.items()}
    if kind in SERVER_BLOCKS:
        return (ServerToolCall(read_str(block.get("name")) or kind, fields, read_str(block.get("id"))),)
    id = next(
        (id for name in ("tool_call_id", "tool_use_id", "id") if (id := read_str(block.get(name)))), None
    )
    return (ServerToolCallResponse(fields, id, failed=block.get("status") == "error"),)


def read_executed_tools(message: JsonObject) -> Iterator[Part]:
    """Read the tools that Groq ran by itself; they have no ids but their place."""
    for place, tool in enumerate(map(read_json_object, read_list(message.get("executed_tools")))):
        id, kind = f"executed_tool_{place}", read_str(tool.get("type")) or "unknown"
        yield ServerToolCall(kind, {"arguments": read_structure(to_json(tool.get("arguments")))}, id)
        results = {name: to_json(tool[name]) for name in ("output", "search_results") if tool.get(name)}
        if results:
            yield ServerToolCallResponse(results, id)


def read_program(item: JsonObject) -> Part:
    """Read a program that the provider runs."""
    return ServerToolCall(PROGRAM, {"code": to_json(item.get("code"))}, read_str(item.get("call_id")))


def read_program_output(item: JsonObject) -> Part:
    """Read what a program printed."""
    result = {"result": to_json(item.get("result"))}
    failed = item.get("status") == "incomplete"
    return ServerToolCallResponse(result, read_str(item.get("call_id")), failed)
