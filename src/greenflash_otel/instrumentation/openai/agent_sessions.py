"""Remember sessions with agents that OpenAI runs, as far as one request must know of others.

One request sends what the user says, another one follows the session and sees the answer. Both belong to
one conversation, and what is sent comes after what was seen by then. Events may be read more than once.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterable
from dataclasses import replace
from typing import Protocol

from greenflash_otel.lru import LruDict
from greenflash_otel.model.operation import Operation, merge_context

SESSIONS = 10_000
"""Sessions that are remembered at once."""
ITEMS = 100_000
"""Items that are remembered as recorded."""


class Follower(Protocol):
    """What follows the events of a session."""

    def record_so_far(self) -> None:
        """Record what has come, before something else is said."""

    def note_results(self, call_ids: Iterable[str]) -> None:
        """Go on with what came after calls whose results have been sent."""


class AgentSessions:
    """See the module. Its lock is owned for moments only, and never while something is recorded."""

    def __init__(self) -> None:
        self._sessions: LruDict[str, Operation] = LruDict(SESSIONS)
        """By id: an operation with what all operations of the session have in common."""
        self._followers: LruDict[str, weakref.WeakSet[Follower]] = LruDict(SESSIONS)
        self._recorded: LruDict[str, None] = LruDict(ITEMS)
        self._lock = threading.RLock()

    def complete(self, operation: Operation) -> Operation:
        """Return an operation in a session with what others said of that; note what it says itself."""
        id = operation.provider_conversation_id
        if id is None:
            return operation
        with self._lock:
            session = self._sessions.get(id, Operation(operation.name))
            context = merge_context(operation.conversation_context, session.conversation_context)
            operation = replace(
                operation,
                conversation_context=context,
                request_model=operation.request_model or session.request_model,
                system_instructions=operation.system_instructions or session.system_instructions,
            )
            noted = Operation(
                operation.name,
                merge_context(session.conversation_context, context),
                request_model=operation.request_model,
                system_instructions=operation.system_instructions,
            )
            self._sessions.remember(id, noted)
        return operation

    def add_follower(self, session_id: str, follower: Follower) -> None:
        """Add a follower of a session."""
        with self._lock:
            followers = self._followers.get(session_id) or weakref.WeakSet()
            followers.add(follower)
            self._followers.remember(session_id, followers)

    def record_so_far(self, session_id: str | None) -> None:
        """Let everybody who follows a session record what has come."""
        for follower in self._list_followers(session_id):
            follower.record_so_far()

    def note_results(self, session_id: str | None, call_ids: Iterable[str]) -> None:
        """Inform everybody who follows a session that results of calls were recorded."""
        for follower in self._list_followers(session_id):
            follower.note_results(call_ids)

    def _list_followers(self, session_id: str | None) -> list[Follower]:
        with self._lock:
            return list(self._followers.get(session_id or "", ()))

    def is_recorded(self, session_id: str | None, name: str) -> bool:
        """Return whether something in a session was recorded before."""
        return f"{session_id} {name}" in self._recorded

    def claim(self, session_id: str | None, name: str) -> bool:
        """Return whether something in a session is still to be recorded; from now on it is not."""
        with self._lock:
            is_new = not self.is_recorded(session_id, name)
            self._recorded.remember(f"{session_id} {name}", None)
        return is_new
