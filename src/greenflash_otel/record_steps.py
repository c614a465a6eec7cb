"""The public function `step`: hidden steps that no instrumentation sees, such as a search of your own.

A step is a span like those of our instrumentations. So it finds its question, its parent and its place as they do.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType
from typing import Any, Final, Literal, TypeAlias, TypeVar, cast

from opentelemetry import context as otel_context

from greenflash_otel import runtime
from greenflash_otel.any_json import repair_json
from greenflash_otel.arguments import (
    Id,
    Properties,
    Repairs,
    choose,
    read_id,
    read_properties,
    read_text,
    report,
)
from greenflash_otel.context import get_current_conversation_context, internal, tool_call
from greenflash_otel.errors import InvalidStepError
from greenflash_otel.instrumentation.content import remove_content
from greenflash_otel.instrumentation.invocation import Invocation
from greenflash_otel.instrumentation.open_operations import OWN_CODE, watch
from greenflash_otel.internal_errors import guarded
from greenflash_otel.model.operation import (
    CHAIN,
    EMBEDDINGS,
    EXECUTE_TOOL,
    MEMORY_READ,
    MEMORY_WRITE,
    RETRIEVAL,
    TASK,
    WORKFLOW,
    Ending,
    Failure,
    Json,
    Message,
    Operation,
    Other,
    Text,
    ToolExecution,
)
from greenflash_otel.model.own_operations import CALLBACK, LOOKUPS, MODEL_STEP, OWN_STEP, THOUGHT
from greenflash_otel.open_set import OpenSet

StepType: TypeAlias = Literal[
    "retrieval",
    "memory_read",
    "memory_write",
    "embedding",
    "task",
    "workflow",
    "chain",
    "callback",
    "thought",
    "tool_call",
    "llm",
]
"""What a step is, in Greenflash's words; a chain has a start and an end, a tool call a result or an error."""
OPERATIONS: Final[Mapping[str, str]] = {
    "retrieval": RETRIEVAL,
    "memory_read": MEMORY_READ,
    "memory_write": MEMORY_WRITE,
    "embedding": EMBEDDINGS,
    "task": TASK,
    "workflow": WORKFLOW,
    "chain": CHAIN,
    "callback": CALLBACK,
    "thought": THOUGHT,
    "tool_call": EXECUTE_TOOL,
    "llm": MODEL_STEP,
}
"""Name of the operation by the type of the step."""

_STEP = otel_context.create_key("greenflash-step")
F = TypeVar("F", bound=Callable[..., Any])


def step(
    type: StepType,
    *,
    name: str | None = None,
    query: str | None = None,
    input: Any = None,
    call_id: Id | None = None,
    model: str | None = None,
    properties: Properties | None = None,
    strict: bool | None = None,
) -> StepBlock:
    """Record the enclosed code as a hidden step of the conversation, which the user does not see.

        with greenflash.step("retrieval", query="returns") as found:
            found.output(search("returns"))

    Use it as ``with``, as ``async with``, or as a decorator of a function or coroutine function. As a decorator it
    records the arguments and what the function returns. Steps nest. A step that ends with an error records it, and the
    error passes. What a retrieval found is the context of the answer that follows.

    Args:
        type: ``retrieval``, ``memory_read``, ``memory_write``, ``embedding``, ``task``, ``workflow``, ``chain``,
            ``callback``, ``thought``, ``tool_call`` or ``llm``. Model calls in a ``tool_call`` are hidden, too.
        name: Of the tool, the chain, the task or the workflow.
        query: What is looked up or embedded.
        input: Anything JSON, e.g. the arguments of a tool.
        call_id: Of a ``tool_call`` that a model asked for: its id, so that the result belongs to that call.
        model: Of an ``llm`` or ``embedding`` step.
        properties: Anything JSON that describes the step.
        strict: Raise on bad arguments; by default the setting ``strict``.

    Raises:
        InvalidStepError: Only if ``strict``: an argument is bad; the message says what to write.
    """
    repairs, operation = Repairs(), Operation(TASK)
    with guarded("read the arguments of step()"):
        kind = OPERATIONS[choose("type", type, OPERATIONS, repairs) or "task"]
        texts = [
            read_text(n, text, repairs) for n, text in (("name", name), ("query", query), ("model", model))
        ]
        called, query_text, of_model = texts
        if kind == EXECUTE_TOOL and called is None:
            repairs.note("name", name, "missing", "the name of the tool")
        id, more = read_id("call_id", call_id, repairs), read_properties(properties, repairs)
        operation = _make_operation(kind, called, query_text, input, id)
        more = {**({"name": called} if called and kind != EXECUTE_TOOL else {}), **repairs.add_original(more)}
        operation = replace(operation, request_model=of_model, properties=more)
    report("step()", repairs, InvalidStepError, strict=strict)
    return StepBlock(operation, has_input=query is not None or input is not None)


class StepBlock:
    """What `step()` returns: ``with``, ``async with``, or decorator. Each entry is a step of its own."""

    def __init__(self, operation: Operation, *, has_input: bool) -> None:
        self._operation = operation
        self._has_input = has_input
        self._running: OpenSet[RunningStep] = OpenSet()

    def __enter__(self) -> RunningStep:
        running = RunningStep(self, self._operation)
        self._running.add(running)
        with guarded("begin a step"):
            running.begin()
        return running

    def __exit__(
        self, type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with guarded("end a step"):
            current = cast("RunningStep | None", otel_context.get_value(_STEP))
            if (
                current is None or current.step is not self
            ):  # it is left in another context than it was entered in
                current = next(iter(self._running.list_items()), None)
            if current is not None:
                self._running.remove(current)
                current.end(error)

    async def __aenter__(self) -> RunningStep:
        return self.__enter__()

    async def __aexit__(
        self, type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(type, error, traceback)

    def __call__(self, function: F) -> F:
        """Run every call of ``function`` as this step; its signature stays as it is."""
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def run_async(*args: Any, **kwargs: Any) -> Any:
                with self as running:
                    running.note_arguments(function, args, kwargs, wanted=not self._has_input)
                    result = await function(*args, **kwargs)
                    running.note_result(result)
                return result

            return cast(F, run_async)

        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            with self as running:
                running.note_arguments(function, args, kwargs, wanted=not self._has_input)
                result = function(*args, **kwargs)
                running.note_result(result)
            return result

        return cast(F, run)


class RunningStep:
    """A step that runs."""

    def __init__(self, step: StepBlock, operation: Operation) -> None:
        self.step = step
        self._operation = operation
        self._has_output = False
        self._invocation: Invocation | None = None
        self._inside = ExitStack()
        self._outer: otel_context.Context | None = None

    def output(self, output: Any) -> None:
        """Say what came of the step: the documents of a retrieval, the result of a tool, anything JSON.

        Documents may be texts, dicts, or objects of LangChain. The last call counts.
        """
        with guarded("read the output of a step"):
            self._operation = _add_output(self._operation, output)
            self._has_output = True

    def note_result(self, result: object) -> None:
        """Take what a decorated function returned as the output, unless it said another."""
        if not self._has_output and result is not None:
            self.output(result)

    def note_arguments(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], *, wanted: bool
    ) -> None:
        """Take the arguments of a decorated function as the input."""
        if not wanted:
            return
        with guarded("read the arguments of a step"):
            bound = inspect.signature(function).bind(*args, **kwargs).arguments
            operation, texts = (
                self._operation,
                [argument for argument in bound.values() if isinstance(argument, str)],
            )
            query = texts[0] if operation.name in LOOKUPS and len(bound) == len(texts) == 1 else None
            name = operation.tool.name if operation.tool else None
            id = operation.tool.call_id if operation.tool else None
            bound_operation = _make_operation(operation.name, name, query, None if query else dict(bound), id)
            self._operation = replace(operation, input=bound_operation.input, tool=bound_operation.tool)

    def begin(self) -> None:
        """Begin the span, which is the current one inside."""
        operation, context = self._operation, get_current_conversation_context()
        self._operation = operation = replace(operation, conversation_context=context)
        if operation.tool is not None:
            id = operation.tool.call_id
            self._inside.enter_context(internal() if id is None else tool_call(id))
        self._invocation = Invocation.start(runtime.find_recording_tracer(), operation)
        self._outer = otel_context.get_current()
        otel_context.attach(otel_context.set_value(_STEP, self, self._invocation.make_current()))
        watch(self)

    def end(self, error: BaseException | None) -> None:
        """Record it, with the error that ended it."""
        if self._outer is not None and otel_context.get_value(_STEP) is self:
            otel_context.attach(self._outer)
            self._inside.close()
        self._finish(error, "completed" if error is None else "failed")

    def _finish(self, error: BaseException | None, ending: Ending) -> None:
        operation, invocation = self._operation, self._invocation
        if error is not None:
            if not isinstance(error, Exception):
                ending = "cancelled"
            failure = Failure(error.__class__.__qualname__, str(error) or None)
            operation = replace(operation, failure=failure)
        if invocation is not None:
            operation = replace(operation, ending=ending)
            invocation.finish(operation if runtime.captures_content() else remove_content(operation))

    # What still runs when the process ends, see `open_operations`.

    @property
    def instrumentation(self) -> object:
        """None but the application's own code."""
        return OWN_CODE

    def abandon(self) -> None:
        """Record it as far as it came."""
        self._finish(None, "abandoned")

    def leave(self, error: BaseException) -> None:
        """Record it: its block was cancelled."""
        self._finish(error, "cancelled")

    def discard(self) -> None:
        """Forget it without a trace."""
        if self._invocation is not None:
            self._invocation.discard()


def _make_operation(
    kind: str, name: str | None, query: str | None, input: object, call_id: str | None
) -> Operation:
    written = None if input is None else repair_json(input).value
    if kind == EXECUTE_TOOL:
        arguments = {"query": query, **_wrap(written)} if query is not None else written
        return Operation(kind, tool=ToolExecution(name or "unknown", call_id, arguments, answered=False))
    if query is not None and written is None and kind in (*LOOKUPS, EMBEDDINGS):
        return Operation(kind, input=(Message("user", (Text(query),)),))
    fields = {**({} if query is None else {"query": query}), **_wrap(written)}
    return Operation(kind, input=(Message("user", (Other(OWN_STEP, fields),)),) if fields else ())


def _add_output(operation: Operation, output: object) -> Operation:
    if operation.tool is not None:
        result = replace(operation.tool, result=repair_json(output).value, answered=True)
        return replace(operation, tool=result)
    if operation.name in LOOKUPS:
        documents = tuple(Other("document", _read_document(document)) for document in _list_documents(output))
        return replace(operation, output=(Message("tool", documents),) if documents else ())
    fields = _wrap(repair_json(output).value, "output")
    return replace(operation, output=(Message("tool", (Other(OWN_STEP, fields),)),))


def _wrap(value: Json, name: str = "input") -> dict[str, Json]:
    """Return an object, because Greenflash takes nothing else as input or output."""
    if isinstance(value, Mapping):
        return dict(value)
    return {} if value is None else {name: value}


def _list_documents(output: object) -> list[object]:
    if isinstance(output, (list, tuple, set, frozenset)):
        return list(output)
    return [] if output is None else [output]


def _read_document(document: object) -> dict[str, Json]:
    text, about = getattr(document, "page_content", None), getattr(document, "metadata", None)
    if isinstance(text, str):
        fields = {"content": text, "id": getattr(document, "id", None), "metadata": about}
        return {name: repair_json(value).value for name, value in fields.items() if value}
    return _wrap(repair_json(document).value, "content")
