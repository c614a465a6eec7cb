"""Spans of other instrumentations wait for a name that arrives late. Pure but for what waits, which is bounded.

Two things arrive late. An outer span ends after the calls in it, so it is exported after them, and often only
it names the conversation or the user. And requests of several turns arrive in another order: the history of an
unnamed turn is known only when the turn before it has arrived.

| what arrives                                                | is                                            |
|-------------------------------------------------------------|-----------------------------------------------|
| a span of our own, an outcome, a rating, a user             | ready: it says itself what it belongs to      |
| a call with a conversation and a user, of whichever span    | ready, unless a tool of another conversation  |
|                                                             | runs in its trace: it may be in that          |
| a call whose enclosing spans are known up to the root       | ready, unless it awaits an earlier turn       |
| any other call, and the spans that it ran in                | stored until one of the above is true of them |

A trace waits as a whole. When its time is over, what waits is recorded without a name, and its trace stays
without: a name that arrives even later does not record anything once more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from greenflash_otel.conversations.changes import DeferralKey, DeferralKind
from greenflash_otel.conversations.earlier_turns import continues_unnamed, find_unknown_turns, list_new_turns
from greenflash_otel.conversations.store import NEVER_NS, ConversationStore
from greenflash_otel.ingest.attachment import belongs_to_others
from greenflash_otel.model.operation import MAIN_CALLS, Operation
from greenflash_otel.model.telemetry import SpanRecord
from greenflash_otel.outcomes.identity_span import is_identity
from greenflash_otel.semconv.correlation.late_names import find_unnamed, may_lack_name, may_run_in_tool
from greenflash_otel.semconv.correlation.reading import Key, Reading, read
from greenflash_otel.semconv.correlation.recent_spans import Recent

MOST_WAITS = 6
"""Waits that a trace gets in all: each new span of it begins another one."""


MOST_LINKS = 5_000
"""Spans of a trace that waits of which it is remembered what they ran in."""


@dataclass(slots=True)
class _WaitingTrace:
    """What waits of a trace, and until when."""

    since_ns: int
    until_ns: int
    readings: dict[Key, Reading] = field(default_factory=dict)
    links: dict[Key, Reading] = field(default_factory=dict)
    """Spans that did not have to wait; they lead from others to the root."""
    turns: frozenset[str] = frozenset()
    """Names of the earlier turns that it awaits."""

    def has_operations(self) -> bool:
        """Return whether a call waits, and not only what it ran in."""
        return any(reading.operation is not None for reading in self.readings.values())

    def add_link(self, reading: Reading) -> None:
        """Remember what leads from a span to the one that it ran in, and what it names."""
        if len(self.links) < MOST_LINKS:
            bare = replace(reading.span, attributes={}, events=(), resource={})
            self.links[reading.key] = replace(reading, span=bare, operation=None)


class WaitingSpans:
    """Store spans that lack a name until it arrives, or their time is over. Not thread-safe.

    Args:
        conversations: Knows which turns were recorded, and stores what waits.
        wait_ns: How long a trace waits after its last new span; 0: nothing waits.
        await_logs: Has an operation that waits joined by its log records meanwhile.
    """

    def __init__(
        self,
        conversations: ConversationStore,
        wait_ns: int,
        await_logs: Callable[[SpanRecord, Operation, int], None],
    ) -> None:
        self._conversations = conversations
        self._await_logs = await_logs
        self._stored = conversations.unnamed
        self._wait_ns = wait_ns
        self._recent = Recent()
        self._traces: dict[str, _WaitingTrace] = {}
        self._keys: set[DeferralKey] = set()

    def __len__(self) -> int:
        return len(self._stored)

    def find_due_ns(self) -> int | None:
        """Return when the time of the first trace is over; None if nothing waits."""
        return min((trace.until_ns for trace in list(self._traces.values())), default=None)

    def begin_in_child(self) -> None:
        """Start empty in a forked child: what waits is the parent's."""
        self._traces.clear()
        self._keys.clear()
        self._stored.release(self._stored.list_keys())

    def restore(self, now_ns: int) -> list[Reading]:
        """Return what waits and is not known here: an earlier process left it, or it was put back."""
        if len(self._stored) == len(self._keys):
            return []
        restored = []
        for key in self._stored.list_keys():
            if key not in self._keys:
                for span in self._stored.peek(key):
                    restored.append(reading := read(span))
                    self._add(reading, now_ns)
        return restored

    def select_ready(self, readings: Sequence[Reading], recent: Recent, now_ns: int) -> list[Reading]:
        """Store what has to wait; return the rest, with what waited for it.

        What is returned and waited stays stored until it is recorded.
        """
        self._recent = recent
        if self._wait_ns <= 0 or (not self._traces and all(reading.is_ours for reading in readings)):
            return list(readings)
        ready: list[Reading] = []
        traces: dict[str, list[Reading]] = {}
        for reading in readings:
            says_itself = belongs_to_others(reading.span) or is_identity(reading.span)
            if says_itself or recent.was_delivered(reading):
                ready.append(reading)
            else:
                traces.setdefault(reading.span.trace_id, []).append(reading)
        for trace_id, new in traces.items():
            ready += self._select_ready_of_trace(trace_id, new, recent, now_ns)
        places = {id(reading): place for place, reading in enumerate(readings)}
        return sorted(ready, key=lambda ready_reading: places.get(id(ready_reading), -1))

    def iterate_recordable(
        self, readings: Sequence[Reading], combined: Sequence[Reading], now_ns: int, *, may_wait: bool
    ) -> Iterator[Reading]:
        """Yield what can be recorded, while each is recorded before the next; store turns that have to wait.

        Args:
            readings: What each span says by itself.
            combined: The same, with what the spans say together.
            may_wait: Whether a turn waits for the turns before it.
        """
        alone = {reading.key: reading for reading in readings}
        awaited: dict[str, frozenset[str]] = {}
        first_calls = _find_first_calls(combined) if may_wait and self._wait_ns > 0 else {}
        for merged in combined:
            reading = alone.get(merged.key)
            if reading is None or merged.is_ours:
                yield merged
                continue
            trace_id = reading.span.trace_id
            if trace_id not in awaited:
                awaited[trace_id] = self._find_awaited(first_calls.get(trace_id))
            if not awaited[trace_id]:
                yield self._retain_conversation(merged, reading)
        waiting = [
            reading
            for reading in alone.values()
            if awaited.get(reading.span.trace_id) and not reading.is_ours
        ]
        self._recent.forget(waiting)
        for reading in waiting:
            self._store(reading, now_ns, awaited[reading.span.trace_id])
        self._release(reading for reading in alone.values() if not awaited.get(reading.span.trace_id))

    def iterate_continuing(self) -> Iterator[list[Reading]]:
        """Yield the spans whose earlier turn was recorded meanwhile, until no more are found."""
        earlier: frozenset[str] = frozenset()
        while any(trace.turns for trace in self._traces.values()):
            recorded = list_new_turns(self._conversations.index)
            new, earlier = recorded - earlier, recorded
            traces = [trace for trace in self._traces.values() if not trace.turns.isdisjoint(new)]
            if not traces:
                return
            yield [reading for trace in traces for reading in trace.readings.values()]

    def expire(self, now_ns: int | None) -> list[Reading]:
        """Return the spans whose time is over, and for which there is no room; None: all that wait."""
        displaced = {_make_key(span) for span in self._stored.expire(0)}
        self._keys -= displaced
        due_ns = self.find_due_ns()
        if due_ns is None or (now_ns is not None and due_ns > now_ns and not displaced):
            return []
        expired: list[Reading] = []
        for trace in list(self._traces.values()):
            is_late = now_ns is None or trace.until_ns <= now_ns
            expired += (
                reading
                for reading in trace.readings.values()
                if is_late or _make_key(reading.span) in displaced
            )
        return expired

    def _select_ready_of_trace(
        self, trace_id: str, new: Sequence[Reading], recent: Recent, now_ns: int
    ) -> Sequence[Reading]:
        trace = self._traces.get(trace_id)
        known_readings = recent.list_known(trace_id)
        if trace is None:
            by_span_id = {reading.span.span_id: reading for reading in (*known_readings, *new)}
            if not any(may_lack_name(reading) or may_run_in_tool(reading, by_span_id) for reading in new):
                return new
        own = {**(trace.readings if trace else {}), **{reading.key: reading for reading in new}}
        around = {reading.key: reading for reading in known_readings} | (trace.links if trace else {})
        unnamed = find_unnamed((around | own).values())
        for reading in new:
            if reading.key in unnamed:
                self._store(reading, now_ns)
        ready = [reading for key, reading in own.items() if key not in unnamed or reading.operation is None]
        if (trace := self._traces.get(trace_id)) is not None:
            for reading in ready:
                if reading.key not in trace.readings:
                    trace.add_link(reading)
        return ready

    def _find_awaited(self, first: Reading | None) -> frozenset[str]:
        """Return the names of the earlier turns that the first call of a trace lacks."""
        if first is None or first.operation is None or first.is_ours or first.already_emitted:
            return frozenset()
        return find_unknown_turns(self._conversations, first.span, first.operation)

    def _retain_conversation(self, reading: Reading, alone: Reading) -> Reading:
        """Return a reading without the name from around it, if what it continues was recorded without."""
        if reading.operation is None or alone.operation is None:
            return reading
        own, context = alone.operation.conversation_context, reading.operation.conversation_context
        if own.conversation_id or not context.conversation_id:
            return reading
        unnamed = replace(context, conversation_id=None, user_id=own.user_id)
        operation = replace(reading.operation, conversation_context=unnamed)
        if continues_unnamed(self._conversations, reading.span, operation):
            return replace(reading, operation=operation)
        return reading

    def _store(self, reading: Reading, now_ns: int, turns: frozenset[str] = frozenset()) -> None:
        self._add(reading, now_ns)
        self._traces[reading.span.trace_id].turns = turns
        self._stored.defer(_make_key(reading.span), reading.span, NEVER_NS)
        if reading.operation is not None:
            self._await_logs(reading.span, reading.operation, now_ns)

    def _release(self, readings: Iterable[Reading]) -> None:
        """Store no longer what is recorded now; outer spans stay for as long as a call waits."""
        keys = []
        for reading in sorted(readings, key=lambda reading: reading.operation is None):
            trace = self._traces.get(reading.span.trace_id)
            if trace is None or (reading.operation is None and trace.has_operations()):
                continue
            if trace.readings.pop(reading.key, None) is None:
                continue
            trace.add_link(reading)
            keys.append(_make_key(reading.span))
            if not trace.readings:
                del self._traces[reading.span.trace_id]
        self._keys.difference_update(keys)
        self._stored.release(keys)

    def _add(self, reading: Reading, now_ns: int) -> None:
        trace = self._traces.get(reading.span.trace_id)
        if trace is None:
            trace = self._traces[reading.span.trace_id] = _WaitingTrace(now_ns, now_ns)
        if trace.readings.get(reading.key) != reading:
            trace.readings[reading.key] = reading
            self._keys.add(_make_key(reading.span))
            longest_ns = trace.since_ns + MOST_WAITS * self._wait_ns
            trace.until_ns = min(now_ns + self._wait_ns, longest_ns)


def _find_first_calls(combined: Iterable[Reading]) -> dict[str, Reading]:
    """Find the first model call of each trace."""
    first_calls: dict[str, Reading] = {}
    for reading in combined:
        if reading.operation and reading.operation.name in MAIN_CALLS:
            first_calls.setdefault(reading.span.trace_id, reading)
    return first_calls


def _make_key(span: SpanRecord) -> DeferralKey:
    return DeferralKey(DeferralKind.NAME, f"{span.trace_id} {span.span_id}")
