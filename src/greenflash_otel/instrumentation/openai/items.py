"""Items of the Responses API, of its input and its output, as messages. Pure.

The type of an item decides, never the SDK's class for it: an item of a type the SDK does not know
arrives as one it does know. Tools that the application runs are linked by ``call_id``, not by the id
of the item. Whatever is not in the tables here is kept as `Other`, as it came.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from greenflash_otel.instrumentation.openai.parts import join_texts, other, read_content
from greenflash_otel.json_values import (
    JsonObject,
    as_list,
    as_object,
    as_text,
    digest_of,
    read_structure,
    to_json,
)
from greenflash_otel.model.operation import (
    Message,
    Part,
    Reasoning,
    ServerToolCall,
    ServerToolCallResponse,
    Text,
    ToolCall,
    ToolCallResponse,
)

TOOL_CALLS: Mapping[str, str] = {
    "function_call": "arguments",
    "custom_tool_call": "input",
    "computer_call": "action",
    "local_shell_call": "action",
    "shell_call": "action",
    "apply_patch_call": "operation",
}
"""Calls of tools that the application runs, and the field that says what to do."""

TOOL_OUTPUTS = frozenset(f"{call}_output" for call in TOOL_CALLS)
"""What the application's tools answered."""

SERVER_TOOLS: Mapping[str, tuple[str, ...]] = {
    "web_search_call": ("results",),
    "file_search_call": ("results",),
    "code_interpreter_call": ("outputs",),
    "image_generation_call": ("result",),
    "mcp_call": ("output", "error"),
}
"""Calls of tools that the provider ran, and the fields that hold what came of it."""

PROGRAM, PROGRAM_OUTPUT = "program", "program_output"
"""What the provider runs to call tools from, and what it printed; both name the program's ``call_id``."""

ROLES: Mapping[str, str] = {
    **dict.fromkeys(TOOL_OUTPUTS, "tool"),
    "mcp_approval_response": "user",
    "additional_tools": "system",
    "compaction_trigger": "system",
    "configuration_update": "system",
}
"""Who an input item without a role speaks for; any other is the model's."""


def read_input(given: object) -> tuple[Message, ...]:
    """The messages of a request's ``input``.

    Neighbouring items of the model become one message, so that an answer that is sent back reads as it
    did when it was new.
    """
    if isinstance(given, str):
        return (Message("user", (Text(given),)),) if given else ()
    messages: list[Message] = []
    for entry in as_list(given):
        message = _read_item_as_message(as_object(entry))
        if message is None:
            continue
        if messages and message.role == messages[-1].role == "assistant":
            message = Message("assistant", messages.pop().parts + message.parts)
        messages.append(message)
    return tuple(messages)


def read_output(items: Sequence[object]) -> tuple[Part, ...]:
    """The parts of a response's ``output``, in its order."""
    return tuple(part for item in items for part in read_item(as_object(item)))


def read_instructions(given: object) -> tuple[Part, ...]:
    """The parts of ``instructions``: a text, or items where a stored prompt was resolved."""
    if isinstance(given, str):
        return read_content(given)
    return read_output(as_list(given))


def read_item(item: JsonObject) -> tuple[Part, ...]:
    """The parts of one item; a reasoning item that shows nothing has none."""
    kind = _type_of(item)
    reader = READERS.get(kind)
    return reader(item, kind) if reader else (other(_unsealed(item)),)


def _unsealed(item: JsonObject) -> JsonObject:
    """An item with the digest of what only the provider can read, as long as that may be."""
    sealed = as_text(item.get("encrypted_content"))
    return {**item, "encrypted_content": digest_of(sealed)[0]} if sealed else item


def _read_item_as_message(item: JsonObject) -> Message | None:
    kind, parts = _type_of(item), read_item(item)
    if kind == "message":
        return Message(as_text(item.get("role")) or "user", parts, name=as_text(item.get("name")))
    return Message(ROLES.get(kind, "assistant"), parts) if parts else None


def _type_of(item: JsonObject) -> str:
    return as_text(item.get("type")) or ("message" if "role" in item else "unknown")


def _read_message(item: JsonObject, kind: str) -> tuple[Part, ...]:
    return read_content(item.get("content"))


def _read_reasoning(item: JsonObject, kind: str) -> tuple[Part, ...]:
    text = "\n\n".join(filter(None, (join_texts(item.get("summary")), join_texts(item.get("content")))))
    return (Reasoning(text),) if text else ()


def _read_tool_call(item: JsonObject, kind: str) -> tuple[Part, ...]:
    name = as_text(item.get("name")) or kind.removesuffix("_call")
    arguments = read_structure(to_json(item.get(TOOL_CALLS[kind])))
    caller_id = as_text(as_object(item.get("caller")).get("caller_id"))
    return (ToolCall(name, arguments, as_text(item.get("call_id")), caller_id),)


def _read_tool_output(item: JsonObject, kind: str) -> tuple[Part, ...]:
    failed = item.get("status") == "failed"
    return (ToolCallResponse(to_json(item.get("output")), as_text(item.get("call_id")), failed),)


def _read_program(item: JsonObject, kind: str) -> tuple[Part, ...]:
    return (ServerToolCall(PROGRAM, {"code": to_json(item.get("code"))}, as_text(item.get("call_id"))),)


def _read_program_output(item: JsonObject, kind: str) -> tuple[Part, ...]:
    result = {"result": to_json(item.get("result"))}
    failed = item.get("status") == "incomplete"
    return (ServerToolCallResponse(result, as_text(item.get("call_id")), failed),)


def _read_server_tool(item: JsonObject, kind: str) -> tuple[Part, ...]:
    results = {field: value for field in SERVER_TOOLS[kind] if (value := item.get(field)) is not None}
    call = {str(name): to_json(value) for name, value in item.items() if name not in SERVER_TOOLS[kind]}
    id = as_text(item.get("id"))
    asked = ServerToolCall(as_text(item.get("name")) or kind.removesuffix("_call"), call, id)
    failed = item.get("status") == "failed" or results.get("error") is not None
    if not results and not failed:
        return (asked,)
    if isinstance(picture := results.get("result"), str):
        results["result"] = digest_of(picture)[0]
    return asked, ServerToolCallResponse(
        {name: to_json(value) for name, value in results.items()}, id, failed
    )


READERS: Mapping[str, Callable[[JsonObject, str], tuple[Part, ...]]] = {
    "message": _read_message,
    "reasoning": _read_reasoning,
    PROGRAM: _read_program,
    PROGRAM_OUTPUT: _read_program_output,
    **dict.fromkeys(TOOL_CALLS, _read_tool_call),
    **dict.fromkeys(TOOL_OUTPUTS, _read_tool_output),
    **dict.fromkeys(SERVER_TOOLS, _read_server_tool),
}
"""How the items of a type are read."""
