"""What a test waits for, and what to say when that does not come. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from greenflash_otel.testing.conversation import CapturedConversation

Condition = Callable[[CapturedConversation], object]


@dataclass(frozen=True, slots=True)
class WantedConversation:
    """What a conversation must have."""

    id: str | None
    messages: int | None = None
    outcomes: int | None = None
    ratings: int | None = None
    until: Condition | None = None

    def choose(self, captured: Sequence[CapturedConversation]) -> CapturedConversation | None:
        """Return the conversation that is as wanted; None if there is none yet.

        Raises:
            AssertionError: There are several, and no id says which.
        """
        found = [
            conversation
            for conversation in captured
            if self._is_meant(conversation) and not self.list_missing(conversation)
        ]
        if len(found) > 1 and self.id is None:
            names = ", ".join(repr(conversation.id) for conversation in found)
            raise AssertionError(f"several conversations are as wanted: {names}; pass the id of one")
        return found[-1] if found else None

    def list_missing(self, conversation: CapturedConversation) -> list[str]:
        """Return what a conversation does not have yet."""
        counts = (
            ("messages", self.messages, len(conversation.messages)),
            ("outcomes", self.outcomes, len(conversation.outcomes)),
            ("ratings", self.ratings, len(conversation.ratings)),
        )
        missing = [f"{there} of {n} {word}" for word, n, there in counts if n is not None and there < n]
        if not missing and self.until is not None and not self.until(conversation):
            missing.append("what `until` asks for")
        return missing

    def explain(self, captured: Sequence[CapturedConversation], timeout_s: float) -> str:
        """Say what is missing."""
        meant = [conversation for conversation in captured if self._is_meant(conversation)]
        if not meant:
            there = ", ".join(repr(conversation.id) for conversation in captured) or "none"
            named = "no conversation" if self.id is None else f"no conversation {self.id!r}"
            return f"{named} after {timeout_s:g} s; captured: {there}"
        lines = [
            f"{conversation.id} has {', '.join(self.list_missing(conversation))}" for conversation in meant
        ]
        return f"waited {timeout_s:g} s: {'; '.join(lines)}"

    def _is_meant(self, conversation: CapturedConversation) -> bool:
        return self.id is None or self.id in (conversation.id, conversation.raw.id)
