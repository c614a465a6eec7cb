"""Tokens of a model call, wherever they are recorded: in an answer, or in attributes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from greenflash_otel.json_values import NOTHING, JsonObject, read_count, read_json_object
from greenflash_otel.model.operation import Usage

INPUT = ("input_tokens", "prompt_tokens", "input")
OUTPUT = ("output_tokens", "completion_tokens", "output")
INPUT_DETAILS = ("input_tokens_details", "prompt_tokens_details", "input_token_details")
OUTPUT_DETAILS = ("output_tokens_details", "completion_tokens_details", "output_token_details")
CACHED = ("cached_tokens", "cache_read")
REASONING = ("reasoning_tokens", "reasoning")
"""What Responses, Chat Completions, LangChain and Langfuse call them; the first that is a number counts."""


def read_usage(value: object) -> Usage | None:
    """Read the ``usage`` of an answer; None if it says nothing."""
    fields = read_json_object(value)
    if not fields:
        return None
    return _make_usage(
        _find_count(fields, INPUT),
        _find_count(fields, OUTPUT),
        _find_count(_find_details(fields, INPUT_DETAILS), CACHED),
        _find_count(_find_details(fields, OUTPUT_DETAILS), REASONING),
    )


def read_usage_attributes(attributes: Mapping[str, Any], *names: Iterable[str]) -> Usage | None:
    """Read tokens from attributes: input, output, cached, reasoning, each under the first name there is."""
    return _make_usage(*(_find_count(attributes, either) for either in names))


def read_named_usage(attributes: Mapping[str, Any], names: Iterable[str]) -> Usage | None:
    """Read tokens from attributes: input, output, cached, reasoning, each under its only name."""
    values = [attributes.get(name) for name in names]
    counts = [value if isinstance(value, int) and not isinstance(value, bool) else None for value in values]
    return None if counts.count(None) == len(counts) else Usage(*counts)


def _make_usage(*tokens: int | None) -> Usage | None:
    return None if tokens.count(None) == len(tokens) else Usage(*tokens)


def _find_count(fields: Mapping[str, Any], names: Iterable[str]) -> int | None:
    for name in names:
        value = fields.get(name)
        if value is not None and (count := read_count(value)) is not None:
            return count
    return None


def _find_details(fields: JsonObject, names: Iterable[str]) -> JsonObject:
    return next((details for name in names if (details := read_json_object(fields.get(name)))), NOTHING)
