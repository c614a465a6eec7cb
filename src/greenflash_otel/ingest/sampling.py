"""Which conversations are sampled: whole ones or nothing of them, the same ones in every process.

The conversation's id decides. What is not sampled is buffered in memory for a while: an outcome or an error makes
the conversation one to keep after all, from its beginning.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from greenflash_otel.conversations.index import ConversationIndex, NameIndex
from greenflash_otel.conversations.update import MessageItem
from greenflash_otel.greenflash_api.request import ApiRequest

HELD_BYTES = 16 * 1024 * 1024
"""Of requests that are buffered; those of the conversation that was quiet longest go first."""


def keeps(conversation_id: str, rate: float) -> bool:
    """Return whether a conversation is among the ``rate`` of all that are sampled."""
    digest = hashlib.blake2b(conversation_id.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") < rate * 2**64


class Sampler:
    """Sifts requests as they come. Not thread-safe: its owner serialises access.

    Args:
        always_sampled: Remembers the conversations that are sampled whatever their ids say.
    """

    def __init__(
        self, rate: float, always_sampled: NameIndex[None] | None = None, *, buffered_bytes: int = HELD_BYTES
    ) -> None:
        self._rate = rate
        self._limit_bytes = buffered_bytes
        self._bytes = 0
        self._buffered: dict[str, list[ApiRequest]] = {}
        self._always_sampled = (
            ConversationIndex().always_sampled if always_sampled is None else always_sampled
        )

    def keeps(self, conversation_id: str) -> bool:
        """Return whether a conversation is sampled, as far as is known."""
        return keeps(conversation_id, self._rate) or self._always_sampled.has(conversation_id)

    def sift(self, conversation_id: str, requests: Iterable[ApiRequest]) -> Sequence[ApiRequest]:
        """Return those of ``requests`` that are sampled now."""
        sampled = tuple(requests)
        if self.keeps(conversation_id):
            return sampled
        self._buffered[conversation_id] = [*self._buffered.pop(conversation_id, ()), *sampled]
        self._bytes += _measure(sampled)
        while self._bytes > self._limit_bytes:
            self._bytes -= _measure(self._buffered.pop(next(iter(self._buffered))))
        return ()

    def keep(self, conversation_id: str) -> Sequence[ApiRequest]:
        """Keep a conversation whatever its id says; what was buffered of it, which comes first."""
        self._always_sampled.set(conversation_id, None)
        buffered = self._buffered.pop(conversation_id, [])
        self._bytes -= _measure(buffered)
        return buffered


def _measure(requests: Iterable[ApiRequest]) -> int:
    return sum(len(request.body) for request in requests)


def has_error(message: MessageItem) -> bool:
    """Return whether a message reports an error."""
    return message.type == "tool_error" or "error" in message.properties
