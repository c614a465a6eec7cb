"""Write any value of an application as JSON, and say what that changed. Pure.

Whatever an application passes must reach Greenflash or cost only itself. So nothing here raises: a value that
cannot be read becomes the name of its type, and the values around it are retained. Iterators are never consumed,
because the application still needs them.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import math
import operator
import re
import sys
from collections import deque
from collections.abc import Iterable, Iterator, KeysView, Mapping, Sequence, Set, ValuesView
from dataclasses import dataclass
from datetime import date, datetime, time
from enum import Enum
from json import dumps
from typing import Any

from greenflash_otel import internal_errors
from greenflash_otel.json_values import TEXTUAL
from greenflash_otel.model.operation import Json

MAX_DEPTH = 50
"""Levels of nesting that are written."""
MAX_ENTRIES = 10_000
"""Entries of all objects and lists of one value together."""
MAX_TEXT_BYTES = 1_500_000
"""Of all texts of one value together, as JSON. With a megabyte of messages a request stays below what hosts take."""
MAX_NAME = 512
"""Characters of a key or an id."""

_LISTS = (list, tuple, Set, Sequence, deque, KeysView, ValuesView)
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
"""In the text of an object that says nothing but where it is in memory."""
_SURROGATE = re.compile("[\ud800-\udfff]")
_LAYOUT = str.maketrans("", "", "\t\n\r")
_LONG_INTEGER_BITS = 2_000
"""Integers below this always have a decimal form; Python refuses to write very long ones."""


@dataclass(frozen=True, slots=True)
class JsonValue:
    """A value as JSON."""

    value: Json
    converted: tuple[str, ...] = ()
    """Types that JSON does not know and whose values were written in another form, nothing lost."""
    losses: tuple[str, ...] = ()
    """What could not be written, each as a clause that quotes nothing."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much of one value is written."""

    depth: int = MAX_DEPTH
    entries: int = MAX_ENTRIES
    text_bytes: int = MAX_TEXT_BYTES


UNBOUNDED = Bounds(4 * MAX_DEPTH, sys.maxsize, sys.maxsize)
"""For what has bounds of its own, such as the messages of a call."""


def write_any_json(value: object) -> str:
    """Encode any value compactly; what is no JSON, deep within it, is repaired and counted."""
    try:
        return dumps(value, ensure_ascii=False, separators=(",", ":"))
    except Exception:  # noqa: BLE001 - a value of the application's that JSON does not know, or that raises
        internal_errors.count_repaired()
        return dumps(repair_json(value, UNBOUNDED).value, ensure_ascii=False, separators=(",", ":"))


def repair_json(value: object, bounds: Bounds = Bounds()) -> JsonValue:
    """Write `value` as JSON. Never raises, and never consumes an iterator.

    Dates become ISO 8601, enums their values, exact numbers and ids text, bytes text or base64, sets lists,
    dataclasses, attrs classes and pydantic models objects; what is left, ``str()`` or the name of its type.
    """
    writer = _JsonWriter(bounds)
    written = writer.write(value, 0)
    return JsonValue(written, tuple(writer.converted), tuple(writer.losses))


def repair_surrogates(text: str) -> str:
    """Return `text` as one that can be encoded: halves of surrogate pairs are joined or replaced."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def shorten(text: str, limit: int = MAX_NAME) -> str:
    """Bound a name; different long names stay different, because each ends with a hash of the whole."""
    if len(text) <= limit:
        return text
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return f"{text[: limit - 33]}…{digest}"


def name_type(value: object) -> str:
    """Return the name of the type of `value`; ``object`` if even that cannot be read."""
    try:
        name = type(value).__name__
    except Exception:  # noqa: BLE001 - a metaclass of the application
        return "object"
    return repair_surrogates(name[:100]) if type(name) is str else "object"


class _JsonWriter:
    """Writes one value, within bounds."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self.converted: dict[str, None] = {}
        self.losses: dict[str, None] = {}
        self._entries_left = bounds.entries
        self._bytes_left = bounds.text_bytes
        self._open: set[int] = set()
        """The containers that are being written: one of them within itself is a cycle."""

    def write(self, value: object, depth: int) -> Json:
        kind = type(value)
        if value is None or kind is bool:
            return value  # type: ignore[return-value]  # None or a bool
        if kind is str:
            return self._write_text(value)  # type: ignore[arg-type]  # a str
        try:
            return self._write_any(value, depth)
        except Exception:  # noqa: BLE001 - whatever an object of the application raises
            return self._lose(value, f"a value of type {name_type(value)} could not be read")

    def _write_any(self, value: object, depth: int) -> Json:
        match value:
            case Enum():
                self._convert(value)
                return (
                    self.write(value.value, depth + 1)
                    if depth < self._bounds.depth
                    else self._cut_text(value)
                )
            case str():
                return self._write_text(str.__str__(value))
            case int():
                return self._write_integer(int.__int__(value))
            case float():
                return self._write_float(float.__float__(value))
            case datetime() | date() | time():
                self._convert(value)
                return self._write_text(value.isoformat())
            case bytes() | bytearray() | memoryview():
                self._convert(value)
                return self._write_bytes(bytes(value[: self._bounds.text_bytes]))
        if isinstance(value, TEXTUAL):
            self._convert(value)
            return self._write_text(str(value))
        if isinstance(value, Mapping):
            return self._write_container(value, depth, self._write_mapping)
        if isinstance(value, _LISTS):
            return self._write_container(value, depth, self._list)
        return self._write_object(value, depth)

    def _write_object(self, value: object, depth: int) -> Json:
        kind: Any = type(value)
        if (fields := _fields_of(value)) is not None:
            self._convert(value)
            return self._write_container(fields, depth, self._write_mapping, owner=value)
        if hasattr(kind, "tolist") and (size := getattr(value, "size", 1)) is not None:  # numpy and its like
            if not isinstance(size, int) or size > self._bounds.entries or depth >= self._bounds.depth:
                return self._cut_text(value)
            self._convert(value)
            return self.write(value.tolist(), depth + 1)  # type: ignore[attr-defined]  # it has one
        if (number := _number_of(value)) is not None:
            self._convert(value)
            return self.write(number, depth + 1)
        text = str(value)
        if isinstance(value, type) or _ADDRESS.search(text[:1_000]):
            return self._lose(value, f"a value of type {name_type(value)} was replaced by its name")
        self._convert(value)
        return self._write_text(text)

    def _write_container(self, value: Any, depth: int, write: Any, owner: object = None) -> Json:
        """Write a container, unless it is too deep or contains itself."""
        own_id = id(value if owner is None else owner)
        if own_id in self._open:
            return self._lose(value, "a value that contains itself was cut", "<cycle>")
        if depth >= self._bounds.depth:
            return self._cut_text(value if owner is None else owner)
        self._open.add(own_id)
        try:
            written: Json = write(value, depth + 1)
        finally:
            self._open.discard(own_id)
        return written

    def _write_mapping(self, value: Mapping[Any, Any], depth: int) -> Json:
        written: dict[str, Json] = {}
        times: dict[str, int] = {}
        for key, item in self._read_items(value):
            name = text = self._write_key(key, depth)
            while name in written:
                self.losses["two keys became the same text, so one was renamed"] = None
                times[text] = times.get(text, 1) + 1
                name = f"{text} ({times[text]})"
            written[name] = self._write_property(item, depth) if depth == 1 else self.write(item, depth)
        return written

    def _write_property(self, value: object, depth: int) -> Json:
        """Write one of several properties: however large it is, it leaves room for those after it."""
        entries, text_bytes = self._entries_left // 2, self._bytes_left // 4
        self._entries_left -= entries
        self._bytes_left -= text_bytes
        written = self.write(value, depth)
        self._entries_left += entries
        self._bytes_left += text_bytes
        return written

    def _list(self, values: Any, depth: int) -> Json:
        if type(values) not in (list, tuple):
            self._convert(values)
        written = [self.write(item, depth) for item in self._iterate_bounded(values)]
        return _sort_set(written) if isinstance(values, Set) else written

    def _read_items(self, value: Mapping[Any, Any]) -> Iterator[tuple[Any, Any]]:
        """Read the entries of a mapping, each for itself: one that raises costs only itself."""
        if type(value) is dict:
            yield from self._iterate_bounded(list(value.items()))
            return
        for key in self._iterate_bounded(value):
            try:
                item = value[key]
            except Exception:  # noqa: BLE001 - a mapping of the application
                self.losses["an entry that could not be read was left out"] = None
                continue
            yield key, item

    def _iterate_bounded(self, values: Iterable[Any]) -> Iterator[Any]:
        """Iterate as far as the bound on entries, or an error of the application, allows."""
        iterator = iter(values)
        while True:
            try:
                item = next(iterator)
            except StopIteration:
                return
            except Exception:  # noqa: BLE001 - a container of the application
                self.losses["entries that could not be read were left out"] = None
                return
            if self._entries_left <= 0:
                self.losses["entries beyond the limit were cut"] = None
                return
            self._entries_left -= 1
            yield item

    def _write_key(self, key: object, depth: int) -> str:
        written = key if type(key) is str else self.write(key, depth)
        text = written if isinstance(written, str) else write_key(written)
        if len(text) > MAX_NAME:
            self.losses["a key that was too long was cut"] = None
            text = shorten(text)
        return self._write_text(text)

    def _write_text(self, text: str) -> str:
        clean = repair_surrogates(text)
        if clean is not text and "\ufffd" in clean:
            self.losses["half a character was replaced"] = None
        while (size := _size_of(clean)) > self._bytes_left and clean:
            self.losses["texts beyond the limit were cut"] = None
            clean = clean[: len(clean) * max(self._bytes_left, 0) // size * 9 // 10]
        self._bytes_left -= size
        return clean

    def _write_integer(self, number: int) -> Json:
        if number.bit_length() > _LONG_INTEGER_BITS:
            try:
                str(number)
            except ValueError:
                return self._lose(number, "an integer with thousands of digits was left out")
        return number

    def _write_float(self, number: float) -> Json:
        if math.isfinite(number):
            return number
        self._convert(number)
        return repr(number)

    def _write_bytes(self, content: bytes) -> str:
        try:
            text = content.decode()
        except UnicodeDecodeError:
            return self._write_text(base64.b64encode(content).decode())
        is_text = not text or text.translate(_LAYOUT).isprintable()
        return self._write_text(text if is_text else base64.b64encode(content).decode())

    def _convert(self, value: object) -> None:
        self.converted[name_type(value)] = None

    def _cut_text(self, value: object) -> str:
        return self._lose(
            value, f"what was nested deeper than {self._bounds.depth} levels, or too large, was cut"
        )

    def _lose(self, value: object, loss: str, text: str | None = None) -> str:
        self.losses[loss] = None
        return f"<{name_type(value)}>" if text is None else text


def _fields_of(value: object) -> Mapping[str, Any] | None:
    """Return the fields of a pydantic model, a dataclass or an attrs class; None for anything else.

    A model writes itself, because it knows which of its fields are not to leave the process.
    """
    kind = type(value)
    if callable(getattr(kind, "model_dump", None)):
        dumped = value.model_dump(mode="json")  # type: ignore[attr-defined]  # it has one
        return dumped if isinstance(dumped, Mapping) else None
    if dataclasses.is_dataclass(kind):
        return {field.name: getattr(value, field.name, None) for field in dataclasses.fields(kind)}
    if isinstance(attributes := getattr(kind, "__attrs_attrs__", None), tuple):
        return {attribute.name: getattr(value, attribute.name, None) for attribute in attributes}
    return None


def _number_of(value: Any) -> int | float | None:
    """Return what numpy's scalars and their like are worth."""
    kind = type(value)
    if hasattr(kind, "__index__"):
        return operator.index(value)
    return float(value) if hasattr(kind, "__float__") else None


def _size_of(text: str) -> int:
    """Return how many bytes a text takes in a request."""
    return len(dumps(text, ensure_ascii=False).encode())


def write_key(written: Json) -> str:
    if written is None or isinstance(written, (bool, int, float)):
        return str(written)
    return dumps(written, ensure_ascii=False, separators=(",", ":"))


def _sort_set(written: list[Json]) -> list[Json]:
    """Put the members of a set into an order that is the same in every process."""
    return sorted(written, key=lambda item: (type(item).__name__, dumps(item, ensure_ascii=False)))
