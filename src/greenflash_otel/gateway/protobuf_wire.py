"""Walk protobuf on the wire: split a request into its records, count what is in them, repair text. Pure.

protobuf's own library reads a whole request in one step, which builds every object in it, takes Python's lock
throughout, and refuses everything for one string that is not UTF-8. So the gateway splits a request first,
which costs little, and has the library read one record at a time. Source: protobuf's encoding page;
opentelemetry-proto 1.9, where traces and logs number their levels alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from google.protobuf.message import DecodeError, Message

from greenflash_otel.gateway.encoding import Content
from greenflash_otel.gateway.limits import ContentLimits, TooLargeError

MAX_DEPTH = 90
"""Of nested messages. protobuf's own library refuses a message beyond 100."""
MAX_VARINT_BYTES = 10
VARINT, FIXED64, TEXT, FIXED32 = 0, 1, 2, 5
TOO_MANY_RECORDS = "larger than allowed: it has too many records"
FIELDS_AROUND = 16
"""Fields that are no records: resources, scopes, URLs of schemas."""
GROUPS, RESOURCE, SCOPES, SCOPE, RECORDS = 1, 1, 2, 1, 2


class WireError(ValueError):
    """This is not protobuf."""


class Field(NamedTuple):
    """A field of a message, as positions in the content."""

    number: int
    wire_type: int
    start: int
    value_start: int
    end: int


def read_fields(content: Content, start: int, end: int) -> Iterator[Field]:
    """Yield the fields of the message that lies between two positions. Raises `WireError`."""
    position = start
    while position < end:
        tag, value_start = _read_varint(content, position, end)
        wire_type = tag & 7
        if wire_type == TEXT:
            size, value_start = _read_varint(content, value_start, end)
            next_position = value_start + size
        elif wire_type == VARINT:
            _, next_position = _read_varint(content, value_start, end)
        elif wire_type == FIXED64:
            next_position = value_start + 8
        elif wire_type == FIXED32:
            next_position = value_start + 4
        else:  # groups, which OTLP has none of
            raise WireError(f"wire type {wire_type}")
        if next_position > end or not tag >> 3:
            raise WireError("a field ends behind its message, or has no number")
        yield Field(tag >> 3, wire_type, position, value_start, next_position)
        position = next_position


def _read_varint(content: Content, position: int, end: int) -> tuple[int, int]:
    number = shift = 0
    for at in range(position, min(end, position + MAX_VARINT_BYTES)):
        byte = content[at]
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at + 1
        shift += 7
    raise WireError("a number does not end")


@dataclass(slots=True)
class Group:
    """The records of one resource and scope, as positions in the content."""

    resource: bytes
    scope: bytes
    records: list[Field]


def split_request(content: Content, limits: ContentLimits) -> list[Group | None]:
    """Return the records of a request by resource and scope; None for a part that cannot be read.

    Raises:
        WireError: The content is no request at all.
        TooLargeError: The request has more records than allowed.
    """
    all_groups: list[Group | None] = []
    left = limits.max_records
    for outer in _limit_records(read_fields(content, 0, len(content)), left):
        if (outer.number, outer.wire_type) != (GROUPS, TEXT):
            continue
        try:
            groups = _split_resource(content, outer, left)
        except WireError:
            all_groups.append(None)
        else:
            all_groups += groups
            left -= sum(max(len(group.records), 1) for group in groups)
            if left < 0:
                raise TooLargeError(TOO_MANY_RECORDS)
    return all_groups


def _split_resource(content: Content, outer: Field, max_records: int) -> list[Group]:
    fields = list(_limit_records(read_fields(content, outer.value_start, outer.end), max_records))
    resource = _join_occurrences(content, fields, RESOURCE)
    groups = []
    for field in fields:
        if (field.number, field.wire_type) == (SCOPES, TEXT):
            inner = list(_limit_records(read_fields(content, field.value_start, field.end), max_records))
            records = [record for record in inner if (record.number, record.wire_type) == (RECORDS, TEXT)]
            max_records -= max(len(records), 1)
            groups.append(Group(resource, _join_occurrences(content, inner, SCOPE), records))
    return groups


def _limit_records(fields: Iterator[Field], max_records: int) -> Iterator[Field]:
    """Pass on fields while they are no more than records may be, and the few fields around them."""
    for count, field in enumerate(fields):
        if count > max_records + FIELDS_AROUND:
            raise TooLargeError(TOO_MANY_RECORDS)
        yield field


def _join_occurrences(content: Content, fields: list[Field], number: int) -> bytes:
    """Join the occurrences of a message, which is how protobuf merges them."""
    return b"".join(
        slice_of(content, field) for field in fields if (field.number, field.wire_type) == (number, TEXT)
    )


def slice_of(content: Content, field: Field) -> bytes:
    """Return the value of a field."""
    return memoryview(content)[field.value_start : field.end].tobytes()


class Schema:
    """Which fields of a message are texts, and which are messages."""

    _known: dict[str, Schema] = {}  # noqa: RUF012 - messages of OTLP refer to themselves

    def __init__(self, descriptor: Any) -> None:  # the generated classes have no types
        self._known[descriptor.full_name] = self
        self.texts: set[int] = set()
        self.messages: dict[int, Schema] = {}
        for field in descriptor.fields:
            if field.type == field.TYPE_STRING:
                self.texts.add(field.number)
            elif field.type == field.TYPE_MESSAGE:
                self.messages[field.number] = Schema.read_descriptor(field.message_type)

    @classmethod
    def read_descriptor(cls, descriptor: Any) -> Schema:
        """Return the schema of a message's descriptor."""
        return cls._known.get(descriptor.full_name) or cls(descriptor)

    def count(self, content: Content, start: int, end: int, most: int, depth: int = 0) -> int:
        """Count the messages nested in a message, to a little more than `most`. Raises `WireError`."""
        count = 0
        for field in read_fields(content, start, end):
            inner = self.messages.get(field.number) if field.wire_type == TEXT else None
            if inner is not None:
                count += 1
                if inner.messages and depth < MAX_DEPTH:
                    count += inner.count(content, field.value_start, field.end, most - count, depth + 1)
                if count > most:
                    break
        return count

    def repair(self, content: bytes, depth: int = 0) -> bytes:
        """Return a message with its texts in UTF-8, without what is nested too deep. Raises `WireError`."""
        parts = []
        for field in read_fields(content, 0, len(content)):
            value = content[field.value_start : field.end]
            inner = self.messages.get(field.number) if field.wire_type == TEXT else None
            if inner is not None:
                if depth < MAX_DEPTH:
                    parts.append(_write_field(field.number, inner.repair(value, depth + 1)))
            elif field.wire_type == TEXT and field.number in self.texts:
                parts.append(_write_field(field.number, value.decode("utf-8", "replace").encode()))
            else:
                parts.append(content[field.start : field.end])
        return b"".join(parts)


def _write_field(number: int, value: bytes) -> bytes:
    return _write_varint(number << 3 | TEXT) + _write_varint(len(value)) + value


def _write_varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])


def check_values(content: Content, groups: list[Group | None], schema: Schema, limits: ContentLimits) -> None:
    """Raise `TooLargeError` if the records of a request have too many values together."""
    if len(content) // 2 <= limits.max_values:  # a nested message has at least two bytes
        return
    left = limits.max_values
    for group in groups:
        for record in group.records if group is not None else ():
            with suppress(WireError):  # that costs the record alone, later
                left -= schema.count(content, record.value_start, record.end, limits.max_record_values)
            if left < 0:
                raise TooLargeError("larger than allowed: its records have too many values")


def read_message(content: bytes, kind: type[Message], limits: ContentLimits) -> tuple[Any, bool]:
    """Return a message as protobuf's own library reads it, and whether it had to be repaired.

    Raises:
        WireError: The content is no such message.
        TooLargeError: The message has too many values.
    """
    schema = Schema.read_descriptor(kind.DESCRIPTOR)
    most = limits.max_record_values
    if len(content) // 2 > most and schema.count(content, 0, len(content), most) > most:
        raise TooLargeError("a record has too many values")
    message = kind()
    try:
        message.ParseFromString(content)
    except DecodeError:
        message = kind()
        try:
            message.ParseFromString(schema.repair(content))
        except DecodeError as error:
            raise WireError(str(error)) from None
        return message, True
    return message, False
