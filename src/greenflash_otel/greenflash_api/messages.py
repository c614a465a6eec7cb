"""Write a conversation update as requests to ``POST /messages``, within size limits. Pure.

Field names, required sets and limits: the Messages API of Greenflash, SDK 1.4.0. No limit on size is
documented; ours keep a request well below what a serverless host would accept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from greenflash_otel.conversations.update import ConversationUpdate, MessageItem
from greenflash_otel.greenflash_api.request import MAX_BYTES, MAX_ITEMS, ApiRequest, encode, name_thing
from greenflash_otel.model.operation import Json, Voice, VoiceCall
from greenflash_otel.model.prompt_templates import write_value
from greenflash_otel.model.prompts import PromptComponent

PATH = "/messages"

PLATFORMS = frozenset(
    {"vapi", "retell", "elevenlabs", "openai_realtime", "livekit", "bland", "synthflow", "simpleai", "other"}
)
"""Who can carry a voice call, in the API's words."""

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_FIRST_MS, _LAST_MS = -62_135_596_800_000, 253_402_300_799_999
"""The years 1 to 9999: a span from elsewhere may claim any time."""


@dataclass(frozen=True, slots=True)
class Address:
    """What every request carries besides its content."""

    product_id: str
    default_user_id: str
    sample_rate: float | None = None
    force_sample: bool | None = None


def requests_of(update: ConversationUpdate, address: Address) -> tuple[ApiRequest, ...]:
    """Return the requests that send an update, in order; none if there is no new message."""
    if not update.messages:
        return ()
    frame = encode({**_write_frame(update, address), "messages": ()}).removesuffix(b"]}")
    return tuple(
        [
            ApiRequest(
                "messages",
                PATH,
                b"%b%b]}" % (frame, b",".join(batch)),  # messages last, so that `merging` can add more
                conversation_id=update.conversation_id,
                items=len(batch),
            )
            for batch in _split_batches([encode(item_of(message)) for message in update.messages])
        ]
    )


def item_of(message: MessageItem) -> dict[str, Json]:
    """Return an entry of ``messages``; what is not known is left out."""
    fields: dict[str, Json] = {
        "externalMessageId": message.id,
        "parentExternalMessageId": message.parent_id,
        "messageType": message.type,
        "content": message.content,
        "input": message.input,
        "output": message.output,
        "context": message.context,
        "toolName": message.tool_name,
        "createdAt": time_of(message.created_at_ms),
        "model": message.model,
        "properties": message.properties or None,
        "voice": _write_voice(message.voice) if message.voice else None,
    }
    return {name: value for name, value in fields.items() if value is not None}


def time_of(unix_ms: int) -> str:
    """Write a time as the API takes it: UTC, milliseconds, ``Z``."""
    moment = _EPOCH + timedelta(milliseconds=min(max(unix_ms, _FIRST_MS), _LAST_MS))
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _write_frame(update: ConversationUpdate, address: Address) -> dict[str, Json]:
    sample_rate, force_sample = _choose_sampling(update, address)
    fields: dict[str, Json] = {
        "productId": address.product_id,
        "externalUserId": update.user_id or address.default_user_id,
        **name_thing("Conversation", update.conversation_id),
        "externalOrganizationId": update.organization_id,
        "model": update.model,
        "systemPrompt": _write_system_prompt(update),
        "voiceCall": _write_voice_call(update.voice_call) if update.voice_call else None,
        "properties": update.properties or None,
        "sampleRate": sample_rate,
        "forceSample": force_sample,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _choose_sampling(update: ConversationUpdate, address: Address) -> tuple[float | None, bool | None]:
    """Return the rate and the force of a conversation; what has a rate was sampled here, and must not be again."""
    if update.sample_rate is None and update.force_sample is None:
        return address.sample_rate, address.force_sample
    rate = address.sample_rate if update.sample_rate is None else update.sample_rate
    is_sampled_here = rate is not None and rate < 1
    return rate, True if is_sampled_here else update.force_sample


def _write_system_prompt(update: ConversationUpdate) -> Json:
    """Return a text; that of a template with its variables, so that it is one prompt however it is filled.

    A named prompt of which only the filled text is known is sent by its name alone, for the same reason.
    """
    text, prompt = update.system_prompt, update.prompt
    if prompt is None or not (prompt.id or prompt.template or prompt.components):
        return text or None
    variables: dict[str, Json] = {name: write_value(value) for name, value in prompt.variables.items()}
    fields: dict[str, Json] = name_thing("Prompt", prompt.id)
    if prompt.components:
        fields["components"] = list(map(_write_component, prompt.components))
    elif prompt.template:
        fields["components"] = [{"content": prompt.template, "isDynamic": False}]
    return {**fields, "variables": variables} if variables else fields


def _write_component(component: PromptComponent) -> dict[str, Json]:
    made_there = component.greenflash_id
    fields: dict[str, Json] = {
        "content": component.content,
        "type": component.type,
        "source": component.source,
        "name": component.name,
        "isDynamic": component.is_dynamic,
        "componentId": made_there,
        "externalComponentId": component.id if made_there is None else None,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _write_voice(voice: Voice) -> Json:
    started, ended = _read_measure(voice.started_at_ms), _read_measure(voice.ended_at_ms)
    if started is not None and ended is not None:
        ended = max(started, ended)
    fields: dict[str, Json] = {
        "startedAt": started,
        "endedAt": ended,
        "durationMs": None if started is None or ended is None else ended - started,
        "responseLatencyMs": _read_measure(voice.response_latency_ms),
        "bargeIn": voice.barge_in or None,
        "wasInterrupted": voice.was_interrupted or None,
        "speaker": voice.speaker,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _write_voice_call(call: VoiceCall) -> Json:
    fields: dict[str, Json] = {
        "platform": call.platform if call.platform in PLATFORMS else "other",
        "platformCallId": call.platform_call_id,
        "durationMs": _read_measure(call.duration_ms),
        "interruptionCount": _read_measure(call.interruption_count),
        "endedReason": call.ended_reason,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _read_measure(value: int | None) -> int | None:
    """Return a time or a count; None for one below zero, by which some producers mean that they do not know."""
    return value if value is not None and value >= 0 else None


def _split_batches(items: Sequence[bytes]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size_bytes = 0
    for item in items:
        if batch and (len(batch) == MAX_ITEMS or size_bytes + len(item) > MAX_BYTES):
            yield batch
            batch, size_bytes = [], 0
        batch.append(item)
        size_bytes += len(item)
    if batch:
        yield batch
