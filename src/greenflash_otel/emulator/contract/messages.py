"""``POST /messages``: one conversation created or extended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

from pydantic import Discriminator, Field, Tag, model_validator

from greenflash_otel.emulator.contract.fields import (
    Body,
    Count,
    Instant,
    JsonObject,
    NonEmpty,
    NotNull,
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

    arousal: NotNull[Share] = None
    emotion: NotNull[str] = None
    sentiment_label: NotNull[Literal["positive", "neutral", "negative"]] = None
    sentiment_score: NotNull[Score] = None


class Voice(Body):
    """One turn of a voice call; times are Unix milliseconds, unlike ``createdAt``."""

    asr_confidence: NotNull[Share] = None
    audio_url: NotNull[Url] = None
    barge_in: NotNull[bool] = None
    duration_ms: NotNull[Count] = None
    ended_at: NotNull[Count] = None
    prosody: NotNull[Prosody] = None
    response_latency_ms: NotNull[Count] = None
    silence_before_ms: NotNull[Count] = None
    speaker: NotNull[str] = None
    started_at: NotNull[Count] = None
    was_interrupted: NotNull[bool] = None


class Latency(Body):
    """Averages of a voice call, in milliseconds."""

    asr_ms: NotNull[Count] = None
    e2e_ms: NotNull[Count] = Field(None, alias="e2eMs")
    llm_ms: NotNull[Count] = None
    tts_ms: NotNull[Count] = None


class VoiceCall(Body):
    """A voice call as a whole."""

    call_successful: NotNull[bool] = None
    duration_ms: NotNull[Count] = None
    ended_reason: NotNull[str] = None
    interruption_count: NotNull[Count] = None
    latency: NotNull[Latency] = None
    platform: NotNull[
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
    platform_call_id: NotNull[str] = None
    recording_url: NotNull[Url] = None
    silence_count: NotNull[Count] = None
    structured_outputs: NotNull[JsonObject] = None


class PromptComponent(Body):
    """A piece of a system prompt."""

    content: str
    component_id: NotNull[Uuid] = None
    external_component_id: NotNull[NonEmpty] = None
    is_dynamic: NotNull[bool] = None
    name: NotNull[str] = None
    source: NotNull[Literal["customer", "participant", "greenflash", "agent"]] = None
    type: NotNull[Literal["system", "user", "tool", "guardrail", "rag", "agent", "other"]] = None


class SystemPrompt(Body):
    """A system prompt that is defined here, or named."""

    content: NotNull[NonEmpty] = None
    components: NotNull[Annotated[list[PromptComponent], Field(min_length=1)]] = None
    prompt_id: NotNull[Uuid] = None
    external_prompt_id: NotNull[NonEmpty] = None
    variables: NotNull[dict[str, str]] = None

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

    content: NotNull[str] = None
    context: str | None = None
    created_at: Instant | None = None
    external_message_id: NotNull[NonEmpty] = None
    input: NotNull[JsonObject] = None
    message_type: NotNull[MessageType] = None
    model: NotNull[str] = None
    output: NotNull[JsonObject] = None
    parent_external_message_id: NotNull[NonEmpty] = None
    parent_message_id: NotNull[Uuid] = None
    properties: NotNull[JsonObject] = None
    role: NotNull[Literal["user", "assistant", "system"]] = None
    tool_name: NotNull[NonEmpty] = None
    voice: NotNull[Voice] = None

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
    conversation_id: NotNull[Uuid] = None
    external_conversation_id: NotNull[NonEmpty] = None
    external_organization_id: NotNull[NonEmpty] = None
    force_sample: NotNull[bool] = None
    model: NotNull[str] = None
    product_id: NotNull[Uuid] = None
    properties: NotNull[JsonObject] = None
    sample_rate: NotNull[Share] = None
    system_prompt: NotNull[Prompt] = None
    voice_call: NotNull[VoiceCall] = None

    @model_validator(mode="after")
    def _some_conversation(self) -> MessagesRequest:
        if not (self.conversation_id or self.external_conversation_id or self.product_id):
            raise broken("", "needs conversationId, externalConversationId or productId; send the last two")
        return self
