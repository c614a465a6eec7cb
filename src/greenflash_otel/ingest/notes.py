"""Note what processes ask each other for: the message of a response, and the newest conversation of a user."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from greenflash_otel.conversations.update import ConversationUpdate
from greenflash_otel.lru import LruDict

USERS = 10_000
"""Whose newest conversation is remembered in memory."""


class NoteStore(Protocol):
    """What every process of a destination can read; an `Outbox` has it."""

    def note(self, responses: Sequence[tuple[str, str, str]], latest: Sequence[tuple[str, str, int]]) -> None:
        """Note (response, conversation, message) and (user, conversation, time in ms)."""
        ...

    def find_response(self, response_id: str) -> tuple[str, str] | None:
        """Return the conversation and the message of a response."""
        ...

    def find_latest(self, user_id: str) -> tuple[str, int] | None:
        """Return the newest conversation of a user, and the time of its newest message in ms."""
        ...


class NoNotes:
    """Of an ingest that shares nothing."""

    def note(self, responses: Sequence[tuple[str, str, str]], latest: Sequence[tuple[str, str, int]]) -> None:
        """Note nothing."""

    def find_response(self, response_id: str) -> None:
        """Return nothing."""

    def find_latest(self, user_id: str) -> None:
        """Return nothing."""


class Notes:
    """Notes of this process, shared once what they are about is stored."""

    def __init__(self, shared: NoteStore | None = None) -> None:
        self._shared = shared or NoNotes()
        self._responses: list[tuple[str, str, str]] = []
        self._unshared: dict[str, tuple[str, int]] = {}
        self._latest: LruDict[str, tuple[str, int]] = LruDict(USERS)
        self._latest_before: dict[str, tuple[str, int] | None] = {}
        """What was known, at the last call of `share`, of users with a newer conversation since."""

    def add(self, update: ConversationUpdate) -> None:
        """Note which messages responses became, and that the user's newest conversation may be this one."""
        id = update.conversation_id
        for message in update.messages:
            if response_id := message.properties.get("response_id"):
                self._responses.append((str(response_id), id, message.id))
        if update.user_id is not None and update.messages:
            newest_ms, latest = update.messages[-1].created_at_ms, self._latest.get(update.user_id)
            if latest is None or newest_ms >= latest[1]:
                self._latest_before.setdefault(update.user_id, latest)
                self._unshared[update.user_id] = (id, newest_ms)
                self._latest.remember(update.user_id, (id, newest_ms))

    def share(self, *, are_stored: bool) -> None:
        """Let other processes read the notes since the last call; forget them if what they are about was not stored."""
        responses, latest, before = self._responses, self._unshared, self._latest_before
        self._responses, self._unshared, self._latest_before = [], {}, {}
        if are_stored:
            self._shared.note(responses, [(user, id, ms) for user, (id, ms) in latest.items()])
            return
        for user_id, earlier in before.items():
            if earlier is not None:
                self._latest.remember(user_id, earlier)
            else:
                self._latest.pop(user_id, None)

    def find_response(self, response_id: str) -> tuple[str, str] | None:
        """Return the conversation and the message of a response that any process noted."""
        return self._shared.find_response(response_id)

    def find_latest(self, user_id: str) -> tuple[str, int] | None:
        """Return the newest conversation of a user that any process noted, and its time in Unix milliseconds."""
        candidates = (self._latest.get(user_id), self._shared.find_latest(user_id))
        return max((pair for pair in candidates if pair is not None), key=lambda pair: pair[1], default=None)
