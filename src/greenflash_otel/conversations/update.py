"""What a conversation gained: the values that ``greenflash_api.messages`` turns into a request."""

from __future__ import annotations

from collections.abc import Mapping
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
    earlier: tuple[ConversationUpdate, ...] = ()
    """What calls brought that waited for this one; each has a prompt, a model and a voice call of its own."""

    def list_in_order(self) -> tuple[ConversationUpdate, ...]:
        """Return the updates that waited, and then this one: the order in which they are sent."""
        return (*self.earlier, self)
