"""What the spans of one trace report together. Pure.

Spans are read one by one (`reading`); then each gets what only the spans around it say: the conversation
and the user, and that it ran inside a tool (`surroundings`). Spans of one operation that several layers
recorded are merged (`layers`), and tools are matched to the calls they ran for. It sees the spans that
it is given; `late_names` says which of them have to wait for others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from greenflash_otel.model.operation import (
    MAIN_CALLS,
    Operation,
    iterate_calls,
)
from greenflash_otel.model.telemetry import SpanRecord
from greenflash_otel.semconv.conventions.agent_runs import RUN, restore_input, restore_instructions
from greenflash_otel.semconv.correlation.layer_kinds import LOOKUPS
from greenflash_otel.semconv.correlation.layers import merge_layers
from greenflash_otel.semconv.correlation.rag import find_quoting_trace, quotable_text_of
from greenflash_otel.semconv.correlation.reading import DEEP
from greenflash_otel.semconv.correlation.reading import Reading as Reading
from greenflash_otel.semconv.correlation.reading import read as read
from greenflash_otel.semconv.correlation.surroundings import inherit_contexts, mark_inside_tools
from greenflash_otel.semconv.correlation.tool_calls import ToolRequests, find_result, link_calls
from greenflash_otel.semconv.correlation.tool_requests import mark_requested
from greenflash_otel.semconv.registry import OURS


def combine_spans(readings: Iterable[Reading]) -> list[Reading]:
    """Combine spans that arrived together: each learns from the others. They come as they ended."""
    ordered = sorted(map(_restore_withheld, readings), key=lambda reading: reading.span.end_ns)
    if all(reading.span.scope == OURS for reading in ordered):
        return ordered
    places = {(reading.span.trace_id, reading.span.span_id): place for place, reading in enumerate(ordered)}
    around = [list(_find_ancestors(reading.span, ordered, places)) for reading in ordered]
    merged, merged_into = merge_layers(inherit_contexts(ordered, around), around)
    matched = _match_tool_spans(_link_tool_calls(_drop_agent_runs(merged, around)))
    inside = mark_requested(mark_inside_tools(matched, around, merged_into), around)
    return _attach_rag_steps(inside)


def _restore_withheld(reading: Reading) -> Reading:
    return replace(reading, operation=reading.withheld, withheld=None) if reading.withheld else reading


def _find_ancestors(
    span: SpanRecord, readings: Sequence[Reading], places: Mapping[tuple[str, str], int]
) -> Iterator[int]:
    """Find the places of the spans that a span ran in, the nearest first."""
    for _ in range(DEEP):
        place = places.get((span.trace_id, span.parent_span_id or ""))
        if place is None:
            return
        yield place
        span = readings[place].span


def _link_tool_calls(readings: Sequence[Reading]) -> list[Reading]:
    """Give tool calls the ids by which they are known; each instrumentation by itself."""
    recorded, scopes = list(readings), defaultdict[str, list[int]](list)
    for place, reading in enumerate(readings):
        if reading.operation and reading.operation.name in MAIN_CALLS and reading.span.scope != OURS:
            scopes[reading.span.scope].append(place)
    for places in scopes.values():
        calls = link_calls([call for place in places if (call := recorded[place].operation)])
        for place, call in zip(places, calls, strict=True):
            recorded[place] = replace(recorded[place], operation=call)
    return recorded


def _match_tool_spans(readings: Sequence[Reading]) -> list[Reading]:
    """Match tools to the calls they ran for. Those of no call count only where no call is known."""
    recorded = list(readings)
    requests = ToolRequests(reading.operation for reading in readings if reading.operation)
    asks = {
        reading.span.trace_id
        for reading in readings
        if reading.operation and any(iterate_calls(reading.operation.output))
    }
    calling = [reading for reading in readings if reading.operation and reading.operation.input]
    for place, reading in enumerate(readings):
        operation, trace_id = reading.operation, reading.span.trace_id
        if operation is None or reading.span.scope == OURS:
            continue
        groups = (trace_id, operation.conversation_context.conversation_id)
        requests.add(groups, operation)
        if operation.tool is None:
            continue
        here = [other for other in calling if _has_group(other, groups)]
        request = requests.take(groups, operation, [other.operation for other in here if other.operation])
        call_id = request.id if request else operation.tool.call_id
        if request and not isinstance(operation.tool.arguments, Mapping):  # LangChain's, without their names
            tool = replace(operation.tool, arguments=request.arguments or operation.tool.arguments)
            operation = replace(operation, tool=tool)
            reading = recorded[place] = replace(reading, operation=operation)
        if call_id is not None or trace_id in asks:
            later = [other for other in here or calling if other.span.start_ns >= reading.span.end_ns]
            ran = _make_tool_run(operation, call_id, later)
            recorded[place] = replace(reading, operation=ran, withheld=None if ran else operation)
    return _leave_results_to_retries(recorded, readings)


def _leave_results_to_retries(recorded: list[Reading], readings: Sequence[Reading]) -> list[Reading]:
    """Take from a failed run of a tool what the model was given, if another run for its call did not fail."""
    done = {
        _name_run(reading)
        for reading in recorded
        if reading.operation and reading.operation.tool and not reading.operation.failure
    }
    for place, (run, alone) in enumerate(zip(recorded, readings, strict=True)):
        if run.operation and run.operation.tool and run.operation.failure and _name_run(run) in done:
            own = alone.operation.tool if alone.operation else None
            tool = replace(run.operation.tool, result=own.result if own else None)
            recorded[place] = replace(run, operation=replace(run.operation, tool=tool))
    return recorded


def _name_run(reading: Reading) -> tuple[str, str | None]:
    tool = reading.operation.tool if reading.operation else None
    return reading.span.trace_id, tool.call_id if tool else None


def _has_group(reading: Reading, groups: Sequence[str | None]) -> bool:
    """Return whether an operation is of a trace or of a named conversation."""
    named = reading.operation and reading.operation.conversation_context.conversation_id
    return reading.span.trace_id in groups or (named is not None and named in groups)


def _attach_rag_steps(readings: Sequence[Reading]) -> list[Reading]:
    """Move embeddings and retrievals into the trace of the call that quotes them."""
    calls = [
        quotable_text_of(reading.operation, reading.span.trace_id, reading.span.start_ns)
        for reading in readings
        if reading.operation and reading.operation.name in MAIN_CALLS
    ]
    homes, recorded = {call.trace_id for call in calls}, list(readings)
    for place, reading in enumerate(readings):
        step, span = reading.operation, reading.span
        if step is None or step.name not in LOOKUPS or span.scope == OURS:
            continue
        if span.trace_id not in homes and (home := find_quoting_trace(step, span.end_ns, calls)):
            recorded[place] = replace(reading, span=replace(span, trace_id=home))
    return recorded


def _make_tool_run(operation: Operation, call_id: str | None, calling: Iterable[Reading]) -> Operation | None:
    """Make the run of a call of a tool, with what the model was given where its span may not say it."""
    if call_id is None or operation.tool is None:
        return None
    tool = replace(operation.tool, call_id=call_id)
    if operation.tool.call_id != call_id or (operation.failure and tool.result is None):
        result = find_result((call.operation for call in calling if call.operation), call_id)
        tool = replace(tool, result=tool.result if result is None else result)
    return replace(operation, tool=tool)


def _drop_agent_runs(readings: Sequence[Reading], around: Sequence[Sequence[int]]) -> list[Reading]:
    """Give calls what only the runs around them say. A run is left where there is no call in it."""
    recorded, within = list(readings), defaultdict[int, list[int]](list)
    for place, above in enumerate(around):
        call = recorded[place].operation
        if call is None or call.name not in MAIN_CALLS:
            continue
        runs = [(outer, run) for outer in above if (run := recorded[outer].operation) and run.name == RUN]
        for outer, run in runs:
            call = restore_input(call, run)
            within[outer] += [place] if outer == runs[0][0] else []
        recorded[place] = replace(recorded[place], operation=call)
    for outer, places in within.items():
        calls = [call for place in places if (call := recorded[place].operation)]
        if run := recorded[outer].operation:
            for place, call in zip(places, restore_instructions(calls, run), strict=True):
                recorded[place] = replace(recorded[place], operation=call)
        recorded[outer] = replace(recorded[outer], operation=None)
    return recorded
