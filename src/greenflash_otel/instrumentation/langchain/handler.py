"""The callback handler: what LangChain calls, handed on as it is.

It runs inline, in LangChain's order and in the context of what it is called about. Nothing here raises.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler

from greenflash_otel.instrumentation.langchain import operations, recorder
from greenflash_otel.instrumentation.langchain.config import Source
from greenflash_otel.instrumentation.langchain.out_of_talk import choose_kind, make_operation
from greenflash_otel.instrumentation.langchain.prompts import TEMPLATES
from greenflash_otel.instrumentation.langchain.recorder import BegunRun
from greenflash_otel.instrumentation.langchain.run_context import parent_of
from greenflash_otel.instrumentation.langchain.run_registry import Kind
from greenflash_otel.internal_errors import count, guarded
from greenflash_otel.suppression import is_suppressed


class CallbackHandler(BaseCallbackHandler):
    """Records the runs that it is called for. It keeps nothing of them: one may serve any number at once."""

    run_inline = True
    raise_error = False

    def get_source(self) -> Source | None:
        """Return where the spans of a new turn go; None: nowhere now."""
        raise NotImplementedError

    def _describe_beginning(
        self, kind: Kind, serialized: Any, run_id: UUID, parent_run_id: UUID | None, rest: Mapping[str, Any]
    ) -> BegunRun | None:
        """Return what a callback says of a run that begins; None where its spans go nowhere."""
        source = None if is_suppressed() else self.get_source()
        if source is None:
            return None
        name: str
        tags: tuple[Any, ...]
        metadata: Mapping[str, Any]
        name, tags, metadata = kind, (), {}  # each is read for itself: one that raises costs only itself
        try:
            given_name = rest.get("name")
            name = str((_name_of(serialized) if given_name is None else given_name) or kind)
        except Exception as error:  # noqa: BLE001
            count("read the name of a run", error)
        try:
            tags = tuple(rest.get("tags") or ())
        except Exception as error:  # noqa: BLE001
            count("read the tags of a run", error)
        try:
            metadata = rest.get("metadata") or {}
        except Exception as error:  # noqa: BLE001
            count("read the metadata of a run", error)
        return BegunRun(source, kind, run_id, parent_run_id, name, tags, metadata)

    @guarded("begin a chain")
    def on_chain_start(
        self,
        serialized: dict[str, Any],
        inputs: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **kwargs: Any,
    ) -> None:
        try:
            TEMPLATES.begin(run_id, serialized, inputs)
        except Exception as error:  # noqa: BLE001 - costs only the template
            count("read a prompt template", error)
        run_type = kwargs.get("run_type")
        kind = choose_kind(run_type, is_root=run_type is not None and parent_of(parent_run_id) is None)
        if kind and (begun := self._describe_beginning(kind, serialized, run_id, parent_run_id, kwargs)):
            recorder.begin(begun, inputs, make_operation(begun.kind, begun.name, inputs, begun.metadata))

    @guarded("end a chain")
    def on_chain_end(self, outputs: Any, *, run_id: UUID, **kwargs: Any) -> None:
        try:
            TEMPLATES.end(run_id, outputs)
        except Exception as error:  # noqa: BLE001 - costs only the template
            count("read a filled prompt", error)
        recorder.end(run_id, outputs, inputs=kwargs.get("inputs"))

    @guarded("end a chain")
    def on_chain_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        recorder.end(run_id, error=error, inputs=kwargs.get("inputs"))

    @guarded("begin a model call")
    def on_chat_model_start(
        self,
        serialized: dict[str, Any],
        messages: list[list[Any]],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **kwargs: Any,
    ) -> None:
        if begun := self._describe_beginning("model", serialized, run_id, parent_run_id, kwargs):
            parameters = kwargs.get("invocation_params") or {}
            recorder.begin_model(begun, messages[0] if messages else (), parameters)

    @guarded("begin a model call")
    def on_llm_start(
        self,
        serialized: dict[str, Any],
        prompts: list[str],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **kwargs: Any,
    ) -> None:
        if begun := self._describe_beginning("model", serialized, run_id, parent_run_id, kwargs):
            parameters = kwargs.get("invocation_params") or {}
            operation = operations.make_text_call("\n".join(prompts), begun.metadata, parameters)
            recorder.begin(begun, None, operation)

    @guarded("note a chunk")
    def on_llm_new_token(self, token: Any, *, run_id: UUID, **kwargs: Any) -> None:
        chunk = kwargs.get("chunk")
        recorder.note_chunk(run_id, token if chunk is None else chunk)

    @guarded("note a chunk")
    def on_stream_event(self, event: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """Note what newer versions report instead of tokens."""
        recorder.note_chunk(run_id, event)

    @guarded("end a model call")
    def on_llm_end(self, response: Any, *, run_id: UUID, **kwargs: Any) -> None:
        recorder.end(run_id, response)

    @guarded("end a model call")
    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        recorder.end(run_id, kwargs.get("response"), error=error)

    @guarded("begin a tool")
    def on_tool_start(
        self,
        serialized: dict[str, Any],
        input_str: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **kwargs: Any,
    ) -> None:
        if begun := self._describe_beginning("tool", serialized, run_id, parent_run_id, kwargs):
            inputs = kwargs.get("inputs")
            arguments = input_str if inputs is None else inputs
            operation = operations.make_tool_run(begun.name, arguments, kwargs.get("tool_call_id"))
            recorder.begin(begun, None, operation)

    @guarded("end a tool")
    def on_tool_end(self, output: Any, *, run_id: UUID, **kwargs: Any) -> None:
        recorder.end(run_id, output)

    @guarded("end a tool")
    def on_tool_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        recorder.end(run_id, error=error)

    @guarded("begin a retrieval")
    def on_retriever_start(
        self,
        serialized: dict[str, Any],
        query: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **kwargs: Any,
    ) -> None:
        if begun := self._describe_beginning("retriever", serialized, run_id, parent_run_id, kwargs):
            recorder.begin(begun, None, operations.make_retrieval(query, begun.metadata))

    @guarded("end a retrieval")
    def on_retriever_end(self, documents: Sequence[Any], *, run_id: UUID, **kwargs: Any) -> None:
        recorder.end(run_id, documents)

    @guarded("end a retrieval")
    def on_retriever_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        recorder.end(run_id, error=error)

    def on_interrupt(self, event: Any) -> None:
        """Do nothing: LangGraph reports it to some handlers only; what is needed comes with the exceptions."""

    def on_resume(self, event: Any) -> None:
        """Do nothing, as `on_interrupt`."""


def _name_of(serialized: Any) -> Any:
    """Return the name of what runs."""
    if not isinstance(serialized, Mapping):
        return None
    return serialized.get("name") or (serialized.get("id") or [None])[-1]


class HookedHandler(CallbackHandler):
    """The one that `instrument()` has LangChain add to every call."""

    def get_source(self) -> Source | None:
        from greenflash_otel.instrumentation import langchain

        instrumentation = langchain.current
        return Source(instrumentation) if instrumentation is not None and langchain.is_hooked else None


HOOK: ContextVar[CallbackHandler | None] = ContextVar("greenflash_handler", default=HookedHandler())  # noqa: B039
"""What LangChain asks for our handler. A default, because a new thread begins with nothing else."""
