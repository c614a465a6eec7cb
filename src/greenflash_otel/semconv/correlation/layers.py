"""Merge the layers of one operation: spans that several instrumentations recorded of the same thing. Pure.

A framework, a client library and an instrumentation of that client each record the same model call, tool, lookup
or failure. What is left is one operation, with what any of them knows.

| two spans                                  | are layers of one operation if                                |
|--------------------------------------------|---------------------------------------------------------------|
| one within the other                       | they are alike: see `layer_kinds`                             |
| next to each other, or in two traces       | the scopes differ, one ran while the other did, and they have |
|                                            | the same response id, answer, call id, or name and arguments; |
|                                            | or both failed and nothing that they say differs              |

A failed attempt within an operation that succeeded is part of it. The outer span is retained. If the inner one was
emitted before, that is retained, so that it stays one message. A failure or a tool of no call is not emitted but waits.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from greenflash_otel.model.operation import (
    EXECUTE_TOOL,
    MAIN_CALLS,
    Operation,
    is_bare_failure,
    iterate_calls,
)
from greenflash_otel.model.telemetry import SpanRecord
from greenflash_otel.semconv.conventions.agent_runs import RUN
from greenflash_otel.semconv.correlation.layer_kinds import (
    are_halves,
    are_same,
    have_failed_alike,
    is_failed_attempt,
    list_identities,
    read_plain_name,
    summarise_answer,
    unite,
)
from greenflash_otel.semconv.correlation.reading import Reading
from greenflash_otel.semconv.registry import has_content

NEAR = 64
"""Operations before and after a failed one, by their start, that are compared with it."""
PROCESS = ("service.name", "service.instance.id", "host.name", "process.pid")
"""Attributes of a resource by which two processes are distinguished."""


def merge_layers(
    readings: Sequence[Reading], around: Sequence[Sequence[int]]
) -> tuple[list[Reading], Mapping[int, int]]:
    """Merge layers; return the readings, and where what a merged one said is now.

    Args:
        around: The places of the spans that each ran in, the nearest first.
    """
    layers = _Layers(readings, around)
    inner_first = sorted(
        range(len(readings)), key=lambda at: (-len(around[at]), _has_failed(readings[at]), at)
    )
    for place in inner_first:
        layers.merge_into_enclosing(place)
    for place in sorted(inner_first, key=lambda at: not is_bare_failure(readings[at].operation)):
        layers.merge_into_concurrent(place)
    return layers.recorded, layers.merged_into


class _Layers:
    """Readings while their layers are merged."""

    def __init__(self, readings: Sequence[Reading], around: Sequence[Sequence[int]]) -> None:
        self.recorded = list(readings)
        self.merged_into: dict[int, int] = {}
        self._readings = readings
        self._around = around
        self._requested = {
            name
            for reading in readings
            if reading.operation
            for call in iterate_calls(reading.operation.output)
            for name in (call.name, call.id)
            if name
        }
        self._succeeded = set[int]()
        """Places of operations a layer of which succeeded."""
        self._scopes = defaultdict[int, set[str]](set)
        """Scopes that a place has a layer of."""
        answers = [summarise_answer(reading.operation) for reading in readings]
        self._loops = _find_loops(answers, around)
        self._identities = [
            [*_list_identities(reading, answer)] for reading, answer in zip(readings, answers, strict=True)
        ]
        self._by_identity = defaultdict[object, list[int]](list)
        for place, identities in enumerate(self._identities):
            for identity in identities:
                self._by_identity[identity].append(place)
        self._halves = defaultdict[str, list[int]](list)
        """Calls of which not all is known that was said, by their trace."""
        for place, reading in enumerate(readings):
            is_call = reading.operation is not None and reading.operation.name in MAIN_CALLS
            if is_call and reading.operation and not (reading.operation.input and reading.operation.output):
                self._halves[reading.span.trace_id].append(place)
        self._calls = sorted(
            (reading.span.start_ns, place)
            for place, reading in enumerate(readings)
            if reading.operation and reading.operation.name in MAIN_CALLS
        )

    def merge_into_enclosing(self, place: int) -> None:
        """Merge an operation into those that its span ran in, as far as they are the same."""
        is_direct = True
        for outer in self._around[place]:
            inner, around = self.recorded[place].operation, self._readings[outer].operation
            if inner is None:
                return
            if around is None:
                continue
            is_loop = outer in self._loops and bool(inner.output)
            operation = self._operation_of(outer)
            if self._home_of(outer) == place:
                continue
            if are_same(operation, inner, is_direct=is_direct and not is_loop):
                self._merge(outer, place)
            elif around.name == RUN or inner.name != around.name or inner.name == EXECUTE_TOOL:
                is_direct = False

    def merge_into_concurrent(self, place: int) -> None:
        """Merge an operation into one that another scope recorded at the same time."""
        reading = self.recorded[place]
        if reading.operation is None:
            return
        alike = {at for key in self._identities[place] for at in self._by_identity[key]}
        for other in self._sort_nearest(place, alike):
            if self._may_enclose(other, place) and are_same(
                self._operation_of(other), reading.operation, is_direct=False, is_alike=True
            ):
                self._merge(other, place)
                return
        if reading.operation.name in MAIN_CALLS and _has_failed(reading):
            self._merge_failure(place, reading.operation)
        elif reading.operation.name in MAIN_CALLS:
            self._merge_half(place, reading.operation)

    def _merge_failure(self, place: int, operation: Operation) -> None:
        """Merge a failed call into the one around it by its times; one that says nothing into either."""
        near = list(self._sort_nearest(place, self._find_near(place)))
        similar = [at for at in near if have_failed_alike(self._operation_of(at), operation)]
        is_bare = is_bare_failure(operation)
        outer = [at for at in similar if self._may_enclose(at, place, is_attempt=is_bare)]
        if outer:
            is_certain = self._is_same_trace(outer[0], place) or len(outer) == 1
            self._merge(outer[0], place, with_facts=is_certain)
        elif is_bare:
            within = [at for at in similar if _has_failed(self.recorded[at]) and self._may_enclose(place, at)]
            if len(within) == 1:
                self._merge(place, within[0])

    def _merge_half(self, place: int, operation: Operation) -> None:
        """Merge a call with the only one of its trace around it that may have the other half of it."""
        halves = self._halves[self._readings[place].span.trace_id]
        near = self._find_near(place) if place in halves else halves
        enclosing = [
            at
            for at in near
            if self._home_of(at) != place
            and self._is_same_trace(at, place)
            and self._may_enclose(at, place, is_open=True)
            and are_halves(self._operation_of(at), operation)
        ]
        if len(enclosing) == 1:
            self._merge(enclosing[0], place)

    def _operation_of(self, place: int) -> Operation | None:
        return self.recorded[self._home_of(place)].operation

    def _home_of(self, place: int) -> int:
        """Return where what a span says is now."""
        while place in self.merged_into:
            place = self.merged_into[place]
        return place

    def _find_near(self, place: int) -> Iterator[int]:
        start = self._readings[place].span.start_ns
        first, last = (
            bisect_left(self._calls, (start, -1)),
            bisect_right(self._calls, (start, len(self._readings))),
        )
        for _, at in self._calls[max(0, first - NEAR) : last + NEAR]:
            if self._is_same_trace(at, place) or _is_same_process(
                self._readings[at].span, self._readings[place].span
            ):
                yield at

    def _sort_nearest(self, place: int, places: Iterable[int]) -> Sequence[int]:
        """Sort places: those of the same trace first, then those that began nearest."""
        start = self._readings[place].span.start_ns
        return sorted(
            (at for at in places if self._home_of(at) != place and self._operation_of(at)),
            key=lambda at: (
                not self._is_same_trace(at, place),
                abs(start - self._readings[at].span.start_ns),
                at,
            ),
        )

    def _is_same_trace(self, place: int, other: int) -> bool:
        return self._readings[place].span.trace_id == self._readings[other].span.trace_id

    def _may_enclose(
        self, outer: int, inner: int, *, is_attempt: bool = False, is_open: bool = False
    ) -> bool:
        """Return whether one ran within the other by its times, and is the first layer of its scope there.

        Args:
            is_attempt: There may be several of a scope.
            is_open: The inner one may end later, as a stream does.
        """
        around, within = self._readings[outer].span, self._readings[inner].span
        if around.scope == within.scope or (
            within.scope in self._scopes[self._home_of(outer)] and not is_attempt
        ):
            return False
        end_ns = within.start_ns if is_open else within.end_ns
        return around.start_ns <= within.start_ns and end_ns <= around.end_ns

    def _merge(self, outer: int, inner: int, *, with_facts: bool = True) -> None:
        outer = self._home_of(outer)
        around, within = self.recorded[outer], self.recorded[inner]
        if around.operation is None or within.operation is None:
            return
        united, has_succeeded = around.operation, outer in self._succeeded
        if with_facts:
            united = unite(united, within.operation, self._requested, has_succeeded=has_succeeded)
        is_attempt = is_failed_attempt(around.operation, within.operation, has_succeeded=has_succeeded)
        is_elsewhere = within.operation.tool is not None and not self._is_same_trace(outer, inner)
        is_emitted = within.already_emitted and not is_elsewhere and _says_something(within.operation)
        retained, other = (inner, outer) if is_emitted and not is_attempt else (outer, inner)
        self.recorded[retained] = replace(self.recorded[retained], operation=united)
        self.recorded[other] = replace(self.recorded[other], operation=None)
        self.merged_into[other] = retained
        if not _has_failed(within) or {outer, inner} & self._succeeded:
            self._succeeded.add(retained)
        if not is_bare_failure(within.operation):
            self._scopes[retained] |= {around.span.scope, within.span.scope, *self._scopes[other]}


def _find_loops(answers: Sequence[object], around: Sequence[Sequence[int]]) -> set[int]:
    """Find the calls without an answer in which several calls with answers ran: they are loops around them."""
    inner_answers = defaultdict[int, set[object]](set)
    for answer, above in zip(answers, around, strict=True):
        if answer is not None:
            for outer in above:
                inner_answers[outer].add(answer)
    return {outer for outer, inner in inner_answers.items() if len(inner) > 1 and answers[outer] is None}


def _list_identities(reading: Reading, answer: object) -> Iterator[object]:
    """Yield what two layers say alike of an operation; within a trace also the name of a tool."""
    yield from list_identities(reading.operation)
    if answer is not None:
        yield answer
    if reading.operation and reading.operation.tool:
        yield reading.span.trace_id, read_plain_name(reading.operation.tool)


def _says_something(operation: Operation) -> bool:
    """Return whether an operation says more than that it failed."""
    return operation.tool is not None or has_content(operation)


def _has_failed(reading: Reading) -> bool:
    return reading.operation is not None and reading.operation.failure is not None


def _is_same_process(span: SpanRecord, other: SpanRecord) -> bool:
    """Return whether two spans may come from one process, as far as their resources say."""
    return all(
        span.resource.get(name) == other.resource.get(name)
        for name in PROCESS
        if name in span.resource and name in other.resource
    )
