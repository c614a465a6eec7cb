"""``POST /messages``: one conversation created or extended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

from pydantic import Discriminator, Field, Tag, model_validator

from greenflash_otel.emulator.contract.fields import (
    Body,
    Count,
    Given,
    Instant,
    JsonObject,
    NonEmpty,
    Score,
    Share,
    Url,
    Uuid,
    broken,
)

MessageType: TypeAlias = Literal[
    "user_message",
    "assistant_message",
    "system_message",
    "final_response",
    "thought",
    "tool_call",
    "observation",
    "tool_error",
    "retrieval",
    "memory_read",
    "memory_write",
    "embedding",
    "llm",
    "callback",
    "chain_start",
    "chain_end",
    "task",
    "workflow",
]

TYPE_OF_ROLE: Mapping[str, MessageType] = {
    "user": "user_message",
    "assistant": "assistant_message",
    "system": "system_message",
}
"""The type that a message of simple chat, sent with ``role``, counts as."""


class Prosody(Body):
    """How a turn of a call sounded."""

    arousal: Given[Share] = None
    emotion: Given[str] = None
    sentiment_label: Given[Literal["positive", "neutral", "negative"]] = None
    sentiment_score: Given[Score] = None


class Voice(Body):
    """One turn of a voice call; times are Unix milliseconds, unlike ``createdAt``."""

    asr_confidence: Given[Share] = None
    audio_url: Given[Url] = None
    barge_in: Given[bool] = None
    duration_ms: Given[Count] = None
    ended_at: Given[Count] = None
    prosody: Given[Prosody] = None
    response_latency_ms: Given[Count] = None
    silence_before_ms: Given[Count] = None
    speaker: Given[str] = None
    started_at: Given[Count] = None
    was_interrupted: Given[bool] = None


class Latency(Body):
    """Averages of a voice call, in milliseconds."""

    asr_ms: Given[Count] = None
    e2e_ms: Given[Count] = Field(None, alias="e2eMs")
    llm_ms: Given[Count] = None
    tts_ms: Given[Count] = None


class VoiceCall(Body):
    """A voice call as a whole."""

    call_successful: Given[bool] = None
    duration_ms: Given[Count] = None
    ended_reason: Given[str] = None
    interruption_count: Given[Count] = None
    latency: Given[Latency] = None
    platform: Given[
        Literal[
            "vapi",
            "retell",
            "elevenlabs",
            "openai_realtime",
            "livekit",
            "bland",
            "synthflow",
            "simpleai",
            "other",
        ]
    ] = None
    platform_call_id: Given[str] = None
    recording_url: Given[Url] = None
    silence_count: Given[Count] = None
    structured_outputs: Given[JsonObject] = None


class PromptComponent(Body):
    """A piece of a system prompt."""

    content: str
    component_id: Given[Uuid] = None
    external_component_id: Given[NonEmpty] = None
    is_dynamic: Given[bool] = None
    name: Given[str] = None
    source: Given[Literal["customer", "participant", "greenflash", "agent"]] = None
    type: Given[Literal["system", "user", "tool", "guardrail", "rag", "agent", "other"]] = None


class SystemPrompt(Body):
    """A system prompt that is defined here, or named."""

    content: Given[NonEmpty] = None
    components: Given[Annotated[list[PromptComponent], Field(min_length=1)]] = None
    prompt_id: Given[Uuid] = None
    external_prompt_id: Given[NonEmpty] = None
    variables: Given[dict[str, str]] = None

    @model_validator(mode="after")
    def _defined_once(self) -> SystemPrompt:
        if self.content is not None and self.components is not None:
            raise broken("components", "stands next to content; send only one of the two")
        if not {"content", "components", "prompt_id", "external_prompt_id"} & self.model_fields_set:
            raise broken("", "needs content, components, promptId or externalPromptId")
        return self


def _shape_of_prompt(prompt: object) -> str | None:
    if isinstance(prompt, str):
        return "<text>"
    return "<object>" if isinstance(prompt, dict | SystemPrompt) else None


Prompt: TypeAlias = Annotated[
    Annotated[NonEmpty, Tag("<text>")] | Annotated[SystemPrompt, Tag("<object>")],
    Discriminator(
        _shape_of_prompt,
        custom_error_type="rule",
        custom_error_message="must be a string or an object",
    ),
]


class MessageItem(Body):
    """One entry of ``messages``."""

    content: Given[str] = None
    context: str | None = None
    created_at: Instant | None = None
    external_message_id: Given[NonEmpty] = None
    input: Given[JsonObject] = None
    message_type: Given[MessageType] = None
    model: Given[str] = None
    output: Given[JsonObject] = None
    parent_external_message_id: Given[NonEmpty] = None
    parent_message_id: Given[Uuid] = None
    properties: Given[JsonObject] = None
    role: Given[Literal["user", "assistant", "system"]] = None
    tool_name: Given[NonEmpty] = None
    voice: Given[Voice] = None

    @model_validator(mode="after")
    def _one_kind(self) -> MessageItem:
        if self.role is not None and self.message_type is not None:
            raise broken("messageType", "stands next to role; send only one of the two")
        if self.role is None and self.message_type is None:
            raise broken("messageType", "is missing; send role for simple chat, else messageType")
        if self.message_type == "tool_call" and self.tool_name is None:
            raise broken("toolName", "a tool_call needs a toolName")
        return self

    @model_validator(mode="after")
    def _one_parent(self) -> MessageItem:
        if self.parent_message_id is not None and self.parent_external_message_id is not None:
            raise broken(
                "parentMessageId", "stands next to parentExternalMessageId; send only one of the two"
            )
        return self

    @property
    def type(self) -> str:
        """``messageType``, or what the role counts as."""
        return self.message_type or TYPE_OF_ROLE[self.role or "user"]


class MessagesRequest(Body):
    """Body of ``POST /messages``."""

    external_user_id: NonEmpty
    messages: Annotated[list[MessageItem], Field(min_length=1)]
    conversation_id: Given[Uuid] = None
    external_conversation_id: Given[NonEmpty] = None
    external_organization_id: Given[NonEmpty] = None
    force_sample: Given[bool] = None
    model: Given[str] = None
    product_id: Given[Uuid] = None
    properties: Given[JsonObject] = None
    sample_rate: Given[Share] = None
    system_prompt: Given[Prompt] = None
    voice_call: Given[VoiceCall] = None

    @model_validator(mode="after")
    def _some_conversation(self) -> MessagesRequest:
        if not (self.conversation_id or self.external_conversation_id or self.product_id):
            raise broken("", "needs conversationId, externalConversationId or productId; send the last two")
        return self
