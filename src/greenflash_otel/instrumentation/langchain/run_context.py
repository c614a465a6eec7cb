"""What is current while a run of LangChain's goes on: its span, its conversation, who reports its calls.

LangChain reports where a run begins, in the context it runs in, but often describes its end in another one, or
not at all. So what is attached at the beginning is never detached: it ends by itself with the run, and what
was there before counts again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanContext, Status, StatusCode
from opentelemetry.util.types import Attributes, AttributeValue

from greenflash_otel.context import current_provider, with_provider, without_providers
from greenflash_otel.instrumentation.invocation import mark_captured_by_framework
from greenflash_otel.instrumentation.langchain.config import complete_context
from greenflash_otel.instrumentation.langchain.run_registry import RUNS, Kind, Run
from greenflash_otel.instrumentation.langchain.running_config import read_configurable
from greenflash_otel.model.operation import ConversationContext

NOBODY = ConversationContext()


class Live:
    """What a run provides, until it ends, to the code in it. Refers to nothing of the run afterwards."""

    __slots__ = ("_conversation_context", "_everywhere", "answering", "is_model", "key", "over", "span")

    def __init__(
        self, span: Span | None, conversation_context: ConversationContext, kind: Kind, key: int
    ) -> None:
        self.key = key
        self.span = span
        """The span of the run or, if it has none, of the nearest one around it; None after its end."""
        self._conversation_context = conversation_context
        self._everywhere = kind == "retriever"  # which runs without a config of its own
        self.is_model = kind in ("model", "decision")
        self.answering = False
        """True once a model has begun to answer: whoever reads its stream may call another one meanwhile."""
        self.over = False

    def provides_context(self) -> bool:
        """Return whether the running code is in the run.

        A generator begins its run in the context of whoever reads it, and a batch begins all of its runs
        in one: only the config that LangChain runs a step with says where that step belongs.
        """
        if self.over:
            return False
        run = None if self._everywhere else RUNS.find_running()
        while run is not None and run.live is not self:
            run = run.parent
        return self._everywhere or run is not None

    def get_conversation_context(self) -> ConversationContext | None:
        """Return to whom the running code belongs, also where its turn is over; None outside the run."""
        if not self.provides_context():
            ended = RUNS.find_ended_around(self.key)
            return None if ended is None else ended.conversation_context
        if (run := RUNS.find_by_key(self.key)) is not None:
            run.turn.asked, run.turn.asked_after = True, len(run.turn.steps)
        return complete_context(self._conversation_context, read_configurable())

    def get_span(self) -> Span | None:
        """Return the span that the running code is in; None outside the run."""
        if self.provides_context():
            return self.span
        ended = RUNS.find_ended_around(self.key)
        return None if ended is None else ended.span

    def belongs_to(self, conversation_context: ConversationContext) -> None:
        """Say it anew, as LangChain reports more of a run once its first step begins."""
        self._conversation_context = conversation_context

    def is_called_back(self) -> bool:
        """Return whether a model call that the provider's SDK makes now is the one this run describes."""
        return not self.over and not self.answering

    def end(self) -> None:
        """Provide nothing any more."""
        self.over, self.span, self._conversation_context = True, None, NOBODY


class RunSpan(Span):
    """The span of a run to the code in it, while that goes on; else the span that was current before."""

    def __init__(self, live: Live, before: Span) -> None:
        self.live = live
        """What the run provides; once that is over, this span only stands for what was before."""
        self.before = before
        """The span that was current when the run began."""

    def get_span(self) -> Span:
        """Return the span it stands for at this moment."""
        return self.live.get_span() or self.before

    def end(self, end_time: int | None = None) -> None:
        """Do nothing: the run ends its span."""

    def get_span_context(self) -> SpanContext:
        return self.get_span().get_span_context()

    def set_attributes(self, attributes: Mapping[str, AttributeValue]) -> None:
        self.get_span().set_attributes(attributes)

    def set_attribute(self, key: str, value: AttributeValue) -> None:
        self.get_span().set_attribute(key, value)

    def add_event(self, name: str, attributes: Attributes = None, timestamp: int | None = None) -> None:
        self.get_span().add_event(name, attributes, timestamp)

    def add_link(self, context: SpanContext, attributes: Attributes = None) -> None:
        self.get_span().add_link(context, attributes)

    def add_links(self, links: Sequence[Link]) -> None:
        for link in links:
            self.get_span().add_link(link.context, link.attributes)

    def update_name(self, name: str) -> None:
        self.get_span().update_name(name)

    def is_recording(self) -> bool:
        return self.get_span().is_recording()

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        self.get_span().set_status(status, description)

    def record_exception(
        self,
        exception: BaseException,
        attributes: Attributes = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        self.get_span().record_exception(exception, attributes, timestamp, escaped)

    def __getattr__(self, name: str) -> Any:  # what the SDK's spans have beyond the API
        return getattr(self.get_span(), name)


def enter(live: Live) -> None:
    """Attach what a run provides to the running context."""
    context = otel_context.get_current()
    before = trace.get_current_span(context)
    while isinstance(before, RunSpan) and before.live.over:
        before = before.before  # or every run would hold the one before it
    if live.is_model:
        context = mark_captured_by_framework(live.is_called_back, context)
    else:
        context = with_provider(live, trace.set_span_in_context(RunSpan(live, before), context))
    otel_context.attach(context)


def parent_of(parent_id: UUID | None) -> Run | None:
    """Return the run that another one is part of: the one it names, else the one whose config it runs with.

    Where LangChain said nothing of the one it names, as below a manager that the application made, it is
    the innermost that goes on in the running context.
    """
    parent = RUNS.find_running() if parent_id is None else RUNS.find_by_name(parent_id)
    if parent is None and parent_id is not None and isinstance(live := current_provider(), Live):
        return RUNS.find_by_key(live.key)
    return parent


def leave_runs() -> Context:
    """Return the running context as the application made it, without anything that runs have provided."""
    context = without_providers(otel_context.get_current())
    span = trace.get_current_span(context)
    while isinstance(span, RunSpan):
        span = span.before
    return trace.set_span_in_context(span, context)


def enter_run(live: Live) -> Context:
    """Return the running context as code in a run has it."""
    context = with_provider(live, otel_context.get_current())
    return context if live.span is None else trace.set_span_in_context(live.span, context)
