"""What a conversation gained: the values that ``greenflash_api.messages`` turns into a request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from greenflash_otel.message_ids.chain import MessageType
from greenflash_otel.model.operation import Json, PromptTemplate, Voice, VoiceCall
from greenflash_otel.values import value


@value
class MessageItem:
    """One message as Greenflash will keep it."""

    id: str
    """Sent as ``externalMessageId``."""
    type: MessageType
    created_at_ms: int
    """Unix time in milliseconds; strictly increasing within a conversation."""
    parent_id: str | None = None
    content: str | None = None
    """Only what the user saw or said."""
    input: Mapping[str, Json] | None = None
    output: Mapping[str, Json] | None = None
    tool_name: str | None = None
    model: str | None = None
    properties: Mapping[str, Json] = field(default_factory=dict)
    voice: Voice | None = None
    context: str | None = None
    """Of an answer: what was looked up for it."""


REPEATABLE_BYTES = 16_384
"""Characters of a message that is remembered, to be repeated."""


def find_repeatable(messages: Sequence[MessageItem]) -> tuple[MessageItem, int] | None:
    """Return the newest of some messages that is short enough to be remembered, and roughly what it takes."""
    measured = ((message, measure_message(message)) for message in reversed(messages))
    return next((pair for pair in measured if pair[1] <= REPEATABLE_BYTES), None)


def measure_message(message: MessageItem) -> int:
    """Return roughly what a message takes."""
    texts = (message.id, message.parent_id, message.content, message.context)
    total = 500 + sum(len(text) for text in texts if text)
    values: list[object] = [message.input, message.output, message.properties]
    while values and total <= REPEATABLE_BYTES:
        content = values.pop()
        if isinstance(content, Mapping):
            values += [*content.keys(), *content.values()]
        elif isinstance(content, (list, tuple)):
            values += content
        total += len(content) + 50 if isinstance(content, str) else 50
    return total


@dataclass(frozen=True, slots=True)
class ConversationUpdate:
    """New messages of one conversation, and what is known of the conversation itself."""

    conversation_id: str
    messages: tuple[MessageItem, ...]
    user_id: str | None = None
    organization_id: str | None = None
    model: str | None = None
    system_prompt: str | None = None
    prompt: PromptTemplate | None = None
    """The stored prompt that `system_prompt` was made from."""
    voice_call: VoiceCall | None = None
    properties: Mapping[str, Json] = field(default_factory=dict)
    sample_rate: float | None = None
    """What the application said of the sampling of this conversation."""
    force_sample: bool | None = None
    earlier: tuple[ConversationUpdate, ...] = ()
    """What calls brought that waited for this one; each has a prompt, a model and a voice call of its own."""

    def list_in_order(self) -> tuple[ConversationUpdate, ...]:
        """Return the updates that waited, and then this one: the order in which they are sent."""
        return (*self.earlier, self)
