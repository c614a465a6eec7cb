"""Flat values of ours as JSON objects on a span, both ways: voice, voice call, stored prompt, facts of a call. Pure.

Field names are those of the classes in `operations`. What is not known is left out; what a span contains in
another shape than we write is passed over.
"""

from __future__ import annotations

from collections.abc import Mapping

from greenflash_otel.model.operation import CallFacts, Json, PromptTemplate, Voice, VoiceCall
from greenflash_otel.model.prompts import (
    COMPONENT_SOURCES,
    COMPONENT_TYPES,
    PromptComponent,
)


def write_record(
    record: Voice | VoiceCall | PromptTemplate | PromptComponent | CallFacts,
) -> dict[str, Json]:
    """Write the fields of ``record`` that say something."""
    values = {name: getattr(record, name) for name in record.__dataclass_fields__}
    if isinstance(record, PromptTemplate):
        values["components"] = [write_record(component) for component in record.components]
    return {
        name: value
        for name, value in values.items()
        if not (value is None or value is False or value in ({}, []))
    }


def read_voice(value: Json) -> Voice | None:
    """Read how a message was spoken; None if ``value`` does not say."""
    if not isinstance(value, Mapping):
        return None
    return Voice(
        started_at_ms=_count_at(value, "started_at_ms"),
        ended_at_ms=_count_at(value, "ended_at_ms"),
        response_latency_ms=_count_at(value, "response_latency_ms"),
        barge_in=value.get("barge_in") is True,
        was_interrupted=value.get("was_interrupted") is True,
        speaker=_find_text(value, "speaker"),
    )


def read_voice_call(value: Json) -> VoiceCall | None:
    """Read the spoken conversation an operation belongs to; None if it belongs to none."""
    if not isinstance(value, Mapping) or not (platform := _find_text(value, "platform")):
        return None
    return VoiceCall(
        platform=platform,
        platform_call_id=_find_text(value, "platform_call_id"),
        duration_ms=_count_at(value, "duration_ms"),
        interruption_count=_count_at(value, "interruption_count"),
        ended_reason=_find_text(value, "ended_reason"),
    )


def read_call(value: Json) -> CallFacts | None:
    """Read what is known of the call that said a message; None if ``value`` does not say."""
    if not isinstance(value, Mapping):
        return None
    return CallFacts(
        model=_find_text(value, "model"),
        provider=_find_text(value, "provider"),
        response_id=_find_text(value, "response_id"),
        finish_reason=_find_text(value, "finish_reason"),
        input_tokens=_count_at(value, "input_tokens"),
        output_tokens=_count_at(value, "output_tokens"),
        cached_input_tokens=_count_at(value, "cached_input_tokens"),
        reasoning_output_tokens=_count_at(value, "reasoning_output_tokens"),
        latency_ms=_count_at(value, "latency_ms"),
        time_to_first_chunk_ms=_count_at(value, "time_to_first_chunk_ms"),
        streamed=value.get("streamed") is True,
    )


def read_prompt(value: Json) -> PromptTemplate | None:
    """Read the prompt an operation was given; None if ``value`` neither names it nor has its text."""
    if not isinstance(value, Mapping):
        return None
    id, template = _find_text(value, "id"), _find_text(value, "template")
    written = value.get("components")
    components = tuple(map(_read_component, written)) if isinstance(written, (list, tuple)) else ()
    if id is None and template is None and not components:
        return None
    variables = value.get("variables")
    return PromptTemplate(
        id=id,
        version=_find_text(value, "version"),
        template=template,
        variables=variables if isinstance(variables, Mapping) else {},
        components=tuple(component for component in components if component is not None),
    )


def _read_component(value: Json) -> PromptComponent | None:
    if not isinstance(value, Mapping) or (content := _find_text(value, "content")) is None:
        return None
    type, source = _find_text(value, "type"), _find_text(value, "source")
    return PromptComponent(
        content,
        type=type if type in COMPONENT_TYPES else None,
        source=source if source in COMPONENT_SOURCES else None,
        name=_find_text(value, "name"),
        is_dynamic=value.get("is_dynamic") is True,
        id=_find_text(value, "id"),
        greenflash_id=_find_text(value, "greenflash_id"),
    )


def _find_text(fields: Mapping[str, Json], name: str) -> str | None:
    value = fields.get(name)
    return value if isinstance(value, str) and value else None


def _count_at(fields: Mapping[str, Json], name: str) -> int | None:
    value = fields.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
