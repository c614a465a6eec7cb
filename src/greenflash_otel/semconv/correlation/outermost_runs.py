"""Which runs of chains and agents are recorded: the outermost in which no model call is. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from greenflash_otel.model.operation import MAIN_CALLS
from greenflash_otel.semconv.conventions.agent_runs import RUN
from greenflash_otel.semconv.conventions.chain_runs import CHAIN_RUN
from greenflash_otel.semconv.correlation.reading import Reading, find_ancestors

ENCLOSING = frozenset({CHAIN_RUN, RUN, *MAIN_CALLS})
"""Operations that say what the runs in them say; a run that was recorded is a model call."""


def make_call_of_run(run: Reading, trace: Iterable[Reading]) -> Reading | None:
    """Make a model call of a run; None if another span of its trace says the same.

    That is a run or a tool around it, or a model call in it. A call whose ancestors are not all known may be in it.
    """
    by_span_id = {reading.span.span_id: reading for reading in trace}
    calls = [
        reading
        for reading in by_span_id.values()
        if reading.operation and reading.operation.name in (*MAIN_CALLS, RUN)
    ]
    if run.operation is None or not may_be_call(run, by_span_id.values()):
        return None
    if any(_has_unknown_ancestors(call, by_span_id) for call in calls if call.key != run.key):
        return None
    return replace(run, operation=replace(run.operation, name="chat"))


def may_be_call(run: Reading, trace: Iterable[Reading]) -> bool:
    """Return whether a run may have to be recorded, as far as its trace is known."""
    operation = run.operation
    if operation is None or operation.name != CHAIN_RUN or not operation.input:
        return False
    by_span_id = {reading.span.span_id: reading for reading in trace}
    if any(_encloses(ancestor) for ancestor in find_ancestors(run, by_span_id)):
        return False
    calls = (
        reading
        for reading in by_span_id.values()
        if reading.operation and reading.operation.name in (*MAIN_CALLS, RUN)
    )
    return not any(
        run.key in {ancestor.key for ancestor in find_ancestors(call, by_span_id)} for call in calls
    )


def _encloses(reading: Reading) -> bool:
    operation = reading.operation
    return operation is not None and (operation.name in ENCLOSING or operation.tool is not None)


def _has_unknown_ancestors(call: Reading, by_span_id: Mapping[str, Reading]) -> bool:
    last = call
    for ancestor in find_ancestors(call, by_span_id):
        last = ancestor
    return bool(last.span.parent_span_id)
