"""Read, write and copy JSON, whatever form it comes in. Pure; nothing of ours is below.

`read_str`, `read_json_object`, `read_list` and `read_count` give an empty value where something else was found, so that
readers need no ladder of checks. Nothing here changes or consumes what it reads.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from ipaddress import IPv4Address, IPv6Address
from pathlib import PurePath
from typing import Any, TypeAlias, cast
from uuid import UUID

Json: TypeAlias = bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"] | None
"""A decoded JSON value."""

JsonObject: TypeAlias = Mapping[str, Any]
"""A JSON object as somebody else built it: its values have to be looked at before use."""

NOTHING: JsonObject = {}

TEXTUAL = (Decimal, UUID, PurePath, Fraction, IPv4Address, IPv6Address, timedelta, complex)
"""Types whose ``str()`` says all that there is to say."""
NUMBERS = 1_000
"""Numpy's arrays of fewer are copied."""


# --- text ------------------------------------------------------------------------------------------


def write_json(value: Json) -> str:
    """Encode any JSON value compactly."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def read_json(value: object) -> Json:
    """Decode JSON text; text that is not JSON, and values that are not text, come back as they are."""
    if not isinstance(value, str):
        return cast(Json, value)
    try:
        return cast(Json, _DECODER.decode(value))
    except (ValueError, RecursionError):
        return value


def read_json_unchanged(value: object) -> Json:
    """Decode JSON text, except a number that JSON would write otherwise: ``3.10`` and ``1e3`` stay texts."""
    decoded = read_json(value)
    if isinstance(value, str) and isinstance(decoded, (int, float)) and not isinstance(decoded, bool):
        return decoded if write_json(decoded) == value else value
    return decoded


def read_text_bytes(content: bytes) -> str | bytes:
    """Return bytes that are text as text, with what a cut left of a character replaced; media stays bytes."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        text = content.decode("utf-8", "replace")
    replaced = text.count("\ufffd")
    is_text = replaced * 8 <= len(text) + 8 and text.translate(_LAYOUT).isprintable()
    return text if is_text else content


def read_structure(value: object) -> Json:
    """Decode text that contains a JSON object or list; leave any other value as it is.

    Tool arguments come as text or decoded, depending on who recorded them.
    """
    if isinstance(value, str) and value[:1] in ("{", "["):
        return read_json(value)
    return cast(Json, value)


def _read_float(text: str) -> float | str:
    number = float(text)
    return number if math.isfinite(number) else text


_LAYOUT = str.maketrans("", "", "\t\n\r")
_DECODER = json.JSONDecoder(parse_float=_read_float, parse_constant=str)
"""Numbers that JSON has no form for (``NaN``, ``1e999``) stay text: no request could carry them."""


# --- looking at a value ----------------------------------------------------------------------------


def read_str(value: object) -> str | None:
    """Return a text that is not empty."""
    return value if isinstance(value, str) and value else None


def read_count(value: object) -> int | None:
    """Return a whole number."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def read_json_object(value: object) -> JsonObject:
    """Return a mapping as it is, a pydantic model dumped, of anything else an empty object."""
    if isinstance(value, dict):
        return value
    if isinstance(value, Mapping):
        return value
    return dump_model(value) or NOTHING


def read_list(value: object) -> Sequence[Any]:
    """Return a list or a tuple, else nothing; an iterator is not touched: only its owner may consume it."""
    return value if isinstance(value, (list, tuple)) else ()


# --- copying ---------------------------------------------------------------------------------------


def dump_model(value: object) -> JsonObject | None:
    """Return the fields of a pydantic model as the SDKs send them; None for anything else."""
    if isinstance(value, type) or not callable(dump := getattr(value, "model_dump", None)):
        return None
    dumped = dump(mode="json", by_alias=True, exclude_unset=True)
    return dumped if isinstance(dumped, dict) else None


def refer_to_fields(value: object) -> JsonObject | None:
    """Return the fields of a pydantic model or a dataclass without asking it; None for anything else."""
    names: Any = getattr(type(value), "model_fields", None) or getattr(
        type(value), "__dataclass_fields__", None
    )
    if not isinstance(names, Mapping):
        attributes = getattr(type(value), "__attrs_attrs__", None)
        names = [attribute.name for attribute in attributes] if isinstance(attributes, tuple) else None
    if names is None:
        return None
    extra = getattr(value, "__pydantic_extra__", None) or {}
    return {**{name: getattr(value, name, None) for name in names}, **extra}


def write_scalar(value: object) -> Json:
    """Return a value as people write it: a date, an exact number, an id, numpy's numbers; None if it has no text.

    Objects of the application are not asked to describe themselves: that could take long, or change them.
    """
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, TEXTUAL):
        return str(value)
    if isinstance(value, BaseException):
        return f"{type(value).__name__}: {value}"
    if isinstance(value, (bytes, bytearray)) and value:
        return _read_utf8(bytes(value))
    module = getattr(type(value), "__module__", "")
    if module == "numpy" and getattr(value, "size", NUMBERS) < NUMBERS:
        return cast(Json, cast(Any, value).tolist())
    return str(value) if module.startswith(("pydantic_core", "pydantic.")) else None


def _read_utf8(content: bytes) -> str | None:
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return None
    return text if text.replace("\n", "").replace("\r", "").replace("\t", "").isprintable() else None


@dataclass(frozen=True, slots=True)
class Copier:
    """Copies a value of the application as JSON, each as people write it, what has no text as its type's name."""

    read_fields: Callable[[object], JsonObject | None] = dump_model
    """Gives the fields of an object that is no mapping."""
    read_text: Callable[[str], str] = str
    levels: int = 100
    """Of nesting that are copied."""
    entries: int | None = None
    """Of a list or a mapping that are copied; None for all."""

    def copy(self, value: object, depth: int = 0) -> Json:
        """Copy a value; what is deeper than `levels` is left out."""
        if isinstance(value, Enum):
            return self.copy(value.value, depth + 1) if depth < self.levels else value.name
        if isinstance(value, str):
            return self.read_text(value)
        if value is None or isinstance(value, (bool, int)):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else json.dumps(value)
        if depth >= self.levels:
            return f"<{type(value).__name__}>"
        if isinstance(value, Mapping):
            return {
                self._copy_name(name): self.copy(inner, depth + 1)
                for name, inner in self._take_first(value.items())
            }
        if isinstance(value, (list, tuple, set, frozenset)):
            if isinstance(names := getattr(type(value), "_fields", None), tuple):
                return self.copy(dict(zip(names, value, strict=False)), depth)
            return [self.copy(item, depth + 1) for item in self._take_first(value)]
        return self._copy_object(value, depth)

    def _copy_name(self, name: object) -> str:
        if isinstance(name, Enum):
            name = name.value
        return str(name)

    def _copy_object(self, value: object, depth: int) -> Json:
        if (fields := self.read_fields(value)) is not None:
            wrapped = getattr(type(value), "__pydantic_root_model__", False) is True
            return self.copy(fields.get("root") if wrapped else fields, depth)
        try:
            written = write_scalar(value)
        except Exception:  # noqa: BLE001 - an object of the application: it costs only itself
            written = None
        return f"<{type(value).__name__}>" if written is None else self.copy(written, depth)

    def _take_first(self, values: Any) -> Sequence[Any]:
        return list(values)[: self.entries]


def to_json(value: object) -> Json:
    """Copy a value that may be anything as JSON. Inline media becomes its digest."""
    return _WHOLE.copy(value)


def iterate_texts(value: Json) -> Iterator[str]:
    """Yield the texts in a value, without the keys of objects, in their order."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from iterate_texts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from iterate_texts(item)


# --- media -----------------------------------------------------------------------------------------


def digest_of(base64_content: str) -> tuple[str, int]:
    """Compute digest and size in bytes of inline media; of the text itself where it is not base64."""
    try:
        content = base64.b64decode(base64_content, validate=False)
    except (binascii.Error, ValueError):
        content = base64_content.encode("utf-8", "replace")
    return digest_of_bytes(content)


def digest_of_bytes(content: bytes) -> tuple[str, int]:
    """Compute digest and size of media that came as bytes."""
    return "sha256:" + hashlib.sha256(content).hexdigest(), len(content)


def split_data_url(url: str) -> tuple[str | None, str] | None:
    """Split a ``data:`` URL into media type and base64 text; None if it is no such URL."""
    if not url.startswith("data:"):
        return None
    head, _, content = url.partition(",")
    mime_type = head[len("data:") :].partition(";")[0]
    return mime_type or None, content


def _replace_media(text: str) -> str:
    if text.startswith("data:") and (inline := split_data_url(text)):
        return digest_of(inline[1])[0]
    return text


_WHOLE = Copier(read_text=_replace_media)
