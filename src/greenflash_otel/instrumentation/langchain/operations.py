"""Model calls, tools and retrievers as operations, from what LangChain reports of their beginning and end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from langchain_core.outputs import ChatGenerationChunk, Generation, LLMResult

from greenflash_otel.instrumentation.langchain.messages import is_message, text_of, write_shown
from greenflash_otel.instrumentation.langchain.plain import get_entry, write_plain
from greenflash_otel.json_values import read_list
from greenflash_otel.model.operation import (
    EXECUTE_TOOL,
    RETRIEVAL,
    Ending,
    Failure,
    Json,
    Message,
    Operation,
    Other,
    PromptTemplate,
    Text,
    ToolExecution,
)
from greenflash_otel.semconv.formats.langchain import read_object, read_tool_result, role_of
from greenflash_otel.semconv.usage import read_usage

CONTROL_FLOW = frozenset({"GraphBubbleUp", "GraphInterrupt", "NodeInterrupt", "ParentCommand"})
"""LangGraph's exceptions by which a graph goes on elsewhere: nothing has failed."""

ITEM = ("namespace", "key", "value")
"""What is recorded of an item of a store."""

Metadata = Mapping[str, Any]


def make_model_call(
    metadata: Metadata, parameters: Mapping[str, Any], template: PromptTemplate | None = None
) -> Operation:
    """Make the operation of a chat model without what it is given; ``template`` is that of its system prompt."""
    model = metadata.get("ls_model_name") or parameters.get("model") or parameters.get("model_name")
    provider = metadata.get("ls_provider")
    text, format = parameters.get("text"), parameters.get("response_format")
    if text is not None and not format:
        format = get_entry(text, "format")
    kind = get_entry(format, "type") if format else None
    return Operation(
        name="chat",
        provider=provider if isinstance(provider, str) else None,
        request_model=model if isinstance(model, str) else None,
        output_type="json" if kind in ("json_object", "json_schema") else None,
        prompt=template,
    )


def make_text_call(prompt: str, metadata: Metadata, parameters: Mapping[str, Any]) -> Operation:
    """Make the operation of a model of the older kind that completes a text."""
    question = (Message("user", (Text(prompt),)),)
    return replace(make_model_call(metadata, parameters), name="text_completion", input=question)


def make_tool_run(name: str, arguments: Any, call_id: str | None) -> Operation:
    """Make the operation of a tool that begins to run."""
    return Operation(EXECUTE_TOOL, tool=ToolExecution(name, call_id, write_plain(arguments)))


def make_retrieval(query: str, metadata: Metadata) -> Operation:
    """Make the operation of a retriever that begins to look something up."""
    names = ("ls_retriever_name", "ls_vector_store_provider", "ls_embedding_provider")
    properties = {name[3:]: value for name in names if isinstance(value := metadata.get(name), str)}
    question = (Message("user", (Text(query),)),)
    return Operation(RETRIEVAL, input=question, properties=properties)


def make_chain(kind: str, name: str, inputs: Any) -> Operation:
    """Make the operation of a chain, node or inner graph that begins: `CHAIN`, `TASK` or `WORKFLOW`."""
    messages = (Message("user", (Other("input", {"input": write_passed(inputs)}),)),)
    return Operation(kind, input=messages, properties={"name": name})


def add_chain_output(operation: Operation, outputs: Any) -> Operation:
    """Return its operation with what it gave."""
    return replace(
        operation, output=(Message("tool", (Other("output", {"output": write_passed(outputs)}),)),)
    )


def write_passed(value: Any) -> Json:
    """Return what is passed between steps; of messages what they say, and only those from the last answer on."""
    if is_message(value):
        return {"role": role_of(value), "content": text_of(value)}
    if isinstance(value, (list, tuple)) and value and all(map(is_message, value)):
        return [write_passed(message) for message in select_since_last_answer(value)]
    if isinstance(value, Mapping):
        return {str(name): write_passed(entry) for name, entry in value.items()}
    return write_plain(value)


def select_since_last_answer(messages: Sequence[Any]) -> Sequence[Any]:
    """Return what a model is given that it was not given, or did not say, before: later calls resend everything."""
    for index in range(len(messages) - 1, -1, -1):
        if role_of(messages[index]) == "assistant":
            return messages[index:]
    return messages


def answers_of(response: Any) -> list[Any]:
    """Return the messages of a model's result; texts of the older kind of model as they are."""
    answers = list[Any]()
    for generations in getattr(response, "generations", None) or ():
        for generation in generations if isinstance(generations, (list, tuple)) else ():
            message = getattr(generation, "message", None)
            answers.append(getattr(generation, "text", "") if message is None else message)
    return answers


def assemble_so_far(chunks: Sequence[Any]) -> LLMResult | None:
    """Return what a model had said when its stream was given up, of what LangChain handed out by then."""
    recorded = [chunk for chunk in chunks if isinstance(chunk, ChatGenerationChunk)]
    if recorded:
        return LLMResult(generations=[[recorded[0] + recorded[1:]]])
    text = "".join(_read_chunk_text(chunk) for chunk in chunks)
    return LLMResult(generations=[[Generation(text=text)]]) if text else None


def assemble_broken_off(response: Any, chunks: Sequence[Any]) -> Any:
    """Return what a model had said when it was broken off: LangChain's word for it can lack what came last."""
    handed_out = assemble_so_far(chunks)
    if handed_out is None or response is None:
        return handed_out or response
    texts = [
        getattr(generation, "text", "")
        for generations in read_list(getattr(response, "generations", None))
        for generation in generations
    ]
    return handed_out if len(handed_out.generations[0][0].text) > len("".join(texts)) else response


def is_beginning(value: Any, chunks: Sequence[Any]) -> bool:
    """Return whether what a chain gave is how the answer of a model begins that goes on."""
    text = text_of(value) if is_message(value) else value
    result = assemble_so_far(chunks)
    if not isinstance(text, str) or not text or result is None:
        return False
    return result.generations[0][0].text.startswith(text)


def _read_chunk_text(chunk: Any) -> str:
    """Return the text of a chunk of the other kinds: of a text model, a bare token, an event."""
    delta = get_entry(chunk, "delta")
    text = get_entry(delta, "text") if delta is not None else getattr(chunk, "text", chunk)
    return text if isinstance(text, str) else ""


def add_answer(operation: Operation, response: Any, first_chunk_s: float | None) -> Operation:
    """Return a model's operation with its answer."""
    answers = answers_of(response)
    return replace(
        add_facts_of_answer(operation, answers, response, first_chunk_s),
        output=tuple(map(read_answer, answers)),
        usage=read_usage(getattr(answers[0], "usage_metadata", None)) if answers else None,
    )


def add_facts_of_answer(
    operation: Operation, answers: Sequence[Any], response: Any, first_chunk_s: float | None
) -> Operation:
    """A model's operation with all of its answer but what was said and used."""
    about: Mapping[str, Any] = getattr(answers[0], "response_metadata", None) or {} if answers else {}
    output: Mapping[str, Any] = getattr(response, "llm_output", None) or {}
    reason = about.get("finish_reason") or about.get("stop_reason")
    model = about.get("model_name") or about.get("model") or output.get("model_name")
    id = about.get("id") or output.get("id")
    return replace(
        operation,
        choice_count=max(1, len(answers)),
        response_model=model if isinstance(model, str) else None,
        response_id=id if isinstance(id, str) else None,
        finish_reasons=(reason,) if isinstance(reason, str) else (),
        streamed=first_chunk_s is not None,
        time_to_first_chunk_s=first_chunk_s,
    )


def result_of(output: Any, call_id: str | None) -> Any:
    """Return the message in what a tool returned: itself, or in the update of a ``Command``; None: there is none."""
    if is_message(output):
        return output
    update = getattr(output, "update", None)
    if callable(update):  # a mapping's
        return None
    messages = update.get("messages") if isinstance(update, Mapping) else update
    results = [
        message for message in read_list(messages) if is_message(message) and role_of(message) == "tool"
    ]
    same = [result for result in results if getattr(result, "tool_call_id", None) == call_id]
    return next(iter(same or results), None)


def add_result(operation: Operation, output: Any) -> Operation:
    """Return a tool's operation with its result; a message that says so describes a failure."""
    assert operation.tool is not None  # noqa: S101 - made by `tool_run`
    message = result_of(output, operation.tool.call_id)
    if message is None:
        text = type(output).__name__ == "Command"
        return replace(operation, tool=replace(operation.tool, result=None if text else write_plain(output)))
    result = read_tool_result(message)
    call_id = operation.tool.call_id or result.id
    operation = replace(operation, tool=replace(operation.tool, result=result.response, call_id=call_id))
    if not result.failed:
        return operation
    return replace(operation, ending="failed", failure=Failure("ToolError", write_shown(result.response)))


def call_id_of(operation: Operation) -> str | None:
    """Return the id of the call that a tool ran for."""
    return operation.tool.call_id if operation.tool is not None else None


def add_found_documents(operation: Operation, documents: Any) -> Operation:
    """Return a retriever's operation with what it found."""
    parts = tuple(
        Other(
            "document",
            {
                "content": str(getattr(document, "page_content", document)),
                "id": write_plain(getattr(document, "id", None)),
                "metadata": write_plain(getattr(document, "metadata", None) or {}),
            },
        )
        for document in read_list(documents)
    )
    return replace(operation, output=(Message("tool", parts),))


def is_control_flow(error: BaseException) -> bool:
    """Return whether an exception only says where a graph goes on."""
    return any(base.__name__ in CONTROL_FLOW for base in type(error).__mro__)


def add_store_result(operation: Operation, result: Any) -> Operation:
    """Return an access to a store with what it gave: an item, several, or none."""
    items = read_list(result) or (() if result is None or result == [] else (result,))
    parts = tuple(
        Other("item", {name: write_plain(getattr(item, name, None)) for name in ITEM}) for item in items
    )
    return replace(operation, output=(Message("tool", parts),)) if parts else operation


def ending_of(error: BaseException) -> tuple[Ending, Failure | None]:
    """Return what an exception makes of the run that it ended. Does not keep it: its frames refer to what runs."""
    if is_control_flow(error):
        return "completed", None
    if type(error).__name__ == "CancelledError" or isinstance(error, KeyboardInterrupt):
        return "cancelled", None
    if isinstance(error, GeneratorExit):
        return "abandoned", None
    return "failed", Failure(type(error).__name__, str(error))


def read_answer(answer: Any) -> Message:
    """Read a message of a model's result, or a text of the older kind of model."""
    return read_object(answer) if is_message(answer) else Message("assistant", (Text(str(answer)),))
