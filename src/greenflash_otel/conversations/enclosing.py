"""Find the step in which another step of the same turn ran. Pure.

| a step that runs                    | hangs on                                  |
|-------------------------------------|-------------------------------------------|
| in a chain, a task or a workflow    | that                                      |
| in a retrieval, and is a retrieval  | that: its documents are part of the other |
| in a tool                           | the call of the tool, see `build`         |
"""

from __future__ import annotations

from collections.abc import Iterable

from greenflash_otel.conversations.changes import Deferral
from greenflash_otel.conversations.items import step_id_of
from greenflash_otel.model.operation import CHAINS, RETRIEVAL, Operation
from greenflash_otel.model.telemetry import SpanRecord

DEEP = 64
"""Spans around a step that are looked at."""


class EnclosingSteps:
    """The steps that are emitted together, by their spans."""

    def __init__(self, namespace: str, deferrals: Iterable[Deferral] = ()) -> None:
        self._namespace = namespace
        self._steps = {(deferral.span.trace_id, deferral.span.span_id): deferral for deferral in deferrals}

    def find_parent_id(self, span: SpanRecord, operation: Operation) -> str | None:
        """Return the message id of the nearest step that a step hangs on; None if there is none."""
        for _ in range(DEEP):
            around = self._steps.get((span.trace_id, span.parent_span_id or ""))
            if around is None or around.operation.tool is not None:
                return None
            span, name = around.span, around.operation.name
            if name in CHAINS or name == operation.name == RETRIEVAL:
                return step_id_of(self._namespace, span, around.operation)
        return None
