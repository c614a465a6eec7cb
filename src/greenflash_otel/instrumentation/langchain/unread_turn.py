"""A turn that is over and is put together later, by the thread that reads its spans.

The application may go on at once with what its agent returned. So the lists in it are copied first, and it is noted
what the new messages say. A message that was changed meanwhile is replaced by one that says what it said.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from sys import getsizeof

from greenflash_otel.instrumentation.langchain.message_forms import SeenMessage, restore_message, see_messages
from greenflash_otel.instrumentation.langchain.messages import is_message
from greenflash_otel.instrumentation.langchain.root_io import copy_outputs
from greenflash_otel.instrumentation.langchain.run_registry import Turn
from greenflash_otel.instrumentation.langchain.turn import AssembledTurn, assemble_turn
from greenflash_otel.instrumentation.selection import select_recorded
from greenflash_otel.instrumentation.turn_calls import close_turn
from greenflash_otel.internal_errors import guarded
from greenflash_otel.model.operation import TURN, Operation
from greenflash_otel.model.visit import size_of_value
from greenflash_otel.platform_support import register_at_fork

UNCHANGEABLE = (type(None), str, int, float)
"""What the application cannot change."""
LEVELS = 3
"""Levels of blocks in a message that are measured: the data of a picture is in the third."""


class UnreadTurn:
    """Puts a turn together, once, and after those that ended before it: what they said is known then."""

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self._calls = close_turn(turn.conversation_context.turn_id)
        self._capture_content = turn.source.instrumentation.capture_content
        self._assembled = AssembledTurn(Operation(TURN, turn.conversation_context))
        self._operation: Operation | None = None
        self._seen: Sequence[SeenMessage] = ()
        self.size_bytes = 0
        """What the texts of its messages take in memory, about, while it waits."""
        _unread.append(self)

    def can_wait(self) -> bool:
        """Return whether the application can change nothing that is read later, and see to that."""
        with guarded("record a turn"):
            turn = self._turn
            outputs = turn.outputs = copy_outputs(turn.outputs)
            values = list(outputs.values()) if isinstance(outputs, dict) else [outputs]
            objects = [entry for value in values for entry in (value if isinstance(value, list) else [value])]
            objects += [turn.given.reply, *(step.message for step in turn.steps)]
            known_ids = {id(message) for message, *_ in (*(turn.state or ()), *turn.given.messages)}
            new = {
                id(entry): entry
                for entry in objects
                if not isinstance(entry, UNCHANGEABLE) and id(entry) not in known_ids
            }
            if all(map(is_message, new.values())):
                self._seen = see_messages(new.values())
                self.size_bytes = _size_of((*(turn.state or ()), *turn.given.messages, *self._seen))
                self.size_bytes += sum(size_of_value(text) for _, text in turn.given.texts)
                return True
        return False

    def assemble(self) -> AssembledTurn:
        """Return the turn as one operation, and the steps that this describes."""
        self.read()
        return self._assembled

    def read(self) -> Operation:
        """Return what goes on the span of the turn."""
        with _locks[0]:
            while self._operation is None:
                earliest = _unread.popleft() if _unread else self
                earliest._operation = earliest._read()
            return self._operation

    def _read(self) -> Operation:
        turn, history = self._turn, self._turn.source.instrumentation.history
        with guarded("record a turn"):
            self._restore()
            self._assembled = assemble_turn(turn, self._calls)
        return select_recorded(
            self._assembled.operation, capture_content=self._capture_content, history=history
        )

    def _restore(self) -> None:
        """Put what messages said in place of what the application has made of them since."""
        changed = {id(seen[0]): now for seen in self._seen if (now := restore_message(*seen)) is not seen[0]}
        if not changed:
            return
        turn = self._turn
        for step in turn.steps:
            step.message = changed.get(id(step.message), step.message)
        turn.outputs = changed.get(id(turn.outputs), turn.outputs)
        if isinstance(turn.outputs, dict):
            turn.outputs = {name: changed.get(id(output), output) for name, output in turn.outputs.items()}
        for messages in turn.outputs.values() if isinstance(turn.outputs, dict) else [turn.outputs]:
            if isinstance(messages, list):
                messages[:] = [changed.get(id(message), message) for message in messages]


def _size_of(seen: Iterable[SeenMessage]) -> int:
    """Estimate the bytes of the texts of messages, each once: the input and the state of a graph share them."""
    level: list[object] = []
    for message, content, calls in seen:
        level += (content or message, *calls)
    sizes: dict[int, int] = {}
    for _ in range(LEVELS + 1):
        deeper: list[object] = []
        for value in level:
            if isinstance(value, str):
                sizes[id(value)] = getsizeof(value)
            elif isinstance(value, Mapping):
                deeper += value.values()
            elif isinstance(value, (list, tuple)):
                deeper += value
        level = deeper
    return sum(sizes.values())


_unread: deque[UnreadTurn] = deque()
"""Turns in the order of their ends."""
_locks = [threading.RLock()]
"""Guards the reading of turns."""


def _begin_in_child() -> None:
    """Go on in a forked child: the parent reads its turns, and may have owned the lock."""
    _unread.clear()
    _locks[0] = threading.RLock()


register_at_fork(after_in_child=_begin_in_child)
