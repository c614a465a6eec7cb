"""Record every function that the SDK's tool runners run: a tool execution with its result or its error.

The runner's private ``_execute_function`` is wrapped: it runs one function for one call, in the runner's
thread or in a pool. Meanwhile the execution's span is the current one. So spans that the function makes are
below it, and model calls in the function belong to the tool call.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import Any

from opentelemetry import context as otel_context

from greenflash_otel.context import get_current_conversation_context, tool_call
from greenflash_otel.instrumentation import open_operations
from greenflash_otel.instrumentation.content import remove_content
from greenflash_otel.instrumentation.invocation import Invocation
from greenflash_otel.instrumentation.openai import patches
from greenflash_otel.instrumentation.openai.answer import judge_error
from greenflash_otel.instrumentation.openai.call import OpenAIConfig
from greenflash_otel.internal_errors import guarded
from greenflash_otel.json_values import read_json_object, read_str, read_structure, to_json
from greenflash_otel.model.operation import EXECUTE_TOOL, Operation, ToolExecution

MODULE = "openai.lib.responses_tool_runner"


def execute(wrapped: Callable[..., Any], runner: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Observe ``ResponsesToolRunner._execute_function(run, call)``."""
    with _Execution(args, kwargs) as execution:
        execution.output = wrapped(*args, **kwargs)
        return execution.output


async def execute_async(
    wrapped: Callable[..., Any], runner: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Observe ``AsyncResponsesToolRunner._execute_function(run, call)``."""
    with _Execution(args, kwargs) as execution:
        execution.output = await wrapped(*args, **kwargs)
        return execution.output


class _Execution:
    """One run of a function, as a context around it."""

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.output: object = None
        """The ``function_call_output`` item that the runner made of the result."""
        self._invocation: Invocation | None = None
        with guarded("observe a tool"):
            instrumentation = patches.current
            call = kwargs["item"] if "item" in kwargs else args[1]
            if instrumentation is not None and not patches.is_suppressed_here():
                self._instrumentation = instrumentation
                self._tool = ToolExecution(
                    str(call.name), read_str(call.call_id), read_structure(to_json(call.arguments))
                )
                self._scope = tool_call(str(call.call_id))
                self._operation = Operation(EXECUTE_TOOL, get_current_conversation_context(), tool=self._tool)
                self._invocation = Invocation.start(instrumentation.tracer(), self._operation)
                open_operations.watch(self)

    @property
    def instrumentation(self) -> OpenAIConfig:
        """The instrumentation that records it."""
        return self._instrumentation

    def abandon(self) -> None:
        """End it while the function runs on."""
        if self._invocation is not None:
            self._invocation.finish(replace(self._complete_operation(None), ending="abandoned"))

    def leave(self, error: BaseException) -> None:
        """Do nothing: the function ends its operation itself."""

    def discard(self) -> None:
        """Forget it without a trace."""
        if self._invocation is not None:
            self._invocation.discard()

    def __enter__(self) -> _Execution:
        if self._invocation is not None:
            with guarded("enter a tool"):
                self._scope.__enter__()
                otel_context.attach(self._invocation.make_current())
        return self

    def __exit__(
        self, type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._invocation is None:
            return
        with guarded("leave a tool"):
            self._scope.__exit__(type, error, traceback)
        with guarded("end a tool"):
            if self._instrumentation.active:
                self._invocation.finish(self._complete_operation(error))
            else:
                self._invocation.discard()

    def _complete_operation(self, error: BaseException | None) -> Operation:
        verdict = judge_error(error) if error else None
        result = to_json(read_json_object(self.output).get("output"))
        operation = replace(self._operation, tool=replace(self._tool, result=result))
        if verdict:
            operation = replace(operation, ending=verdict.ending, failure=verdict.failure)
        return operation if self._instrumentation.capture_content else remove_content(operation)
