"""What a conversation gained: the values that ``api.messages`` turns into a request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from greenflash_otel.operations import Json, PromptTemplate, Voice, VoiceCall

MessageType: TypeAlias = Literal[
    "user_message",
    "assistant_message",
    "system_message",
    "final_response",
    "thought",
    "tool_call",
    "observation",
    "tool_error",
    "llm",
    "embedding",
    "retrieval",
    "memory_read",
    "memory_write",
    "callback",
]
"""The types of Greenflash's 18 that are made so far."""


@dataclass(frozen=True, slots=True)
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
