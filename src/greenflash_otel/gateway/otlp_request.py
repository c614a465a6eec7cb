"""Read a request record by record, so that a bad record costs only itself.

Pure but for counting our own errors.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic

from google.protobuf.message import Message
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from greenflash_otel import internal_errors
from greenflash_otel.gateway.encoding import Content
from greenflash_otel.gateway.json_wire import JsonReader
from greenflash_otel.gateway.limits import ContentLimits, TooLargeError
from greenflash_otel.gateway.otlp_values import (
    TOO_LARGE,
    UNREADABLE,
    UNUSABLE_IDS,
    Object,
    OtlpRequest,
    Record,
    iterate_objects,
    json_attributes_of,
    read_attributes,
    read_list,
    read_object,
    read_text,
)
from greenflash_otel.gateway.protobuf_wire import (
    Field,
    Group,
    Schema,
    WireError,
    check_values,
    read_message,
    slice_of,
    split_request,
)
from greenflash_otel.model.telemetry import Attributes

DAY_NS = 86_400 * 10**9
LAST_NS = 253_402_214_400 * 10**9
"""The last day of the year 9999, behind which calendars end."""


class UnusableIdsError(ValueError):
    """A span without ids cannot be distinguished from another one."""


@dataclass(slots=True)
class Times:
    """Keeps times within a range: one in the far future would let everything that waits expire.

    Args:
        now_ns: Replaces a time that is more than a day later.
    """

    now_ns: int = LAST_NS
    clamped: int = 0
    """How many times were out of range."""

    def clamp(self, time_ns: int) -> int:
        """Return a time in Unix nanoseconds that is neither negative nor in the future."""
        if 0 <= time_ns <= self.now_ns + DAY_NS:
            return time_ns
        self.clamped += 1
        return self.now_ns if time_ns > 0 else 0


@dataclass(frozen=True, slots=True)
class Layout(Generic[Record]):
    """How the requests of a signal are built, and what becomes of a record."""

    request: str
    """What an error calls it."""
    kind: type[Message]
    groups: str
    scopes: str
    records: str
    """Names of the levels in JSON."""
    from_protobuf: Callable[[Any, str, Attributes, Times], Record | None]
    from_json: Callable[[Object, str, Attributes, Times], Record | None]
    """Return None for a record that is of no use. Raises ValueError."""


class _Collected(Generic[Record]):
    """The records of one request so far."""

    def __init__(self, times: Times) -> None:
        self._times = times
        self._records: list[Record] = []
        self._unused = 0
        self.repaired = 0
        self.rejected: Counter[str] = Counter()

    def add(self, build: Callable[[], Record | None]) -> None:
        before, reason = self._times.clamped, UNREADABLE
        with internal_errors.guarded("read a span or log record"):
            try:
                record = build()
            except TooLargeError:
                reason = TOO_LARGE
            except UnusableIdsError:
                reason = UNUSABLE_IDS
            except (ValueError, RecursionError):
                pass  # not what it claims to be
            else:
                self._keep(record, is_clamped=self._times.clamped > before)
                return
        self.rejected[reason] += 1

    def _keep(self, record: Record | None, *, is_clamped: bool) -> None:
        if record is None:
            self._unused += 1
        else:
            self._records.append(record)
            self.repaired += is_clamped

    def make_request(self) -> OtlpRequest[Record]:
        return OtlpRequest(tuple(self._records), dict(self.rejected), self._unused, self.repaired)


def read_protobuf_request(
    body: Content, layout: Layout[Record], limits: ContentLimits, now_ns: int
) -> OtlpRequest[Record]:
    """Return the records of a protobuf request.

    Raises:
        ValueError: The body is no such request.
        TooLargeError: The request contains more than allowed.
    """
    try:
        groups = split_request(body, limits)
    except WireError as error:
        raise ValueError(f"not an {layout.request}: {error}") from None
    check_values(body, groups, Schema.read_descriptor(layout.kind.DESCRIPTOR), limits)
    times = Times(now_ns)
    collected: _Collected[Record] = _Collected(times)
    for group in groups:
        if group is None:
            collected.rejected[UNREADABLE] += 1
            continue
        try:  # never without its resource: that says whose records these are
            resource, scope = _read_origin(group, limits)
        except ValueError:
            collected.rejected[UNREADABLE] += len(group.records)
            continue
        for record in group.records:

            def build(
                field: Field = record, resource: Attributes = resource, scope: str = scope
            ) -> Record | None:
                if field.end - field.value_start > limits.max_record_bytes:
                    raise TooLargeError("a record has too many bytes")
                message, is_repaired = read_message(slice_of(body, field), layout.kind, limits)
                collected.repaired += is_repaired
                return layout.from_protobuf(message, scope, resource, times)

            collected.add(build)
    return collected.make_request()


def _read_origin(group: Group, limits: ContentLimits) -> tuple[Attributes, str]:
    """Return the attributes of a group's resource and the name of its scope. Raises ValueError."""
    resource, _ = read_message(group.resource, Resource, limits)
    scope, _ = read_message(group.scope, InstrumentationScope, limits)
    return read_attributes(resource.attributes), str(scope.name)


def read_json_request(
    body: Content, layout: Layout[Record], limits: ContentLimits, now_ns: int
) -> OtlpRequest[Record]:
    """Return the records of a JSON request. Raises as `read_protobuf_request` does."""
    times = Times(now_ns)
    collected: _Collected[Record] = _Collected(times)
    try:
        reader = JsonReader(body, limits)
        request = reader.read_outer()
    except TooLargeError:
        raise
    except ValueError as error:
        raise ValueError(f"not JSON: {error}") from None
    if not isinstance(request, dict):
        raise ValueError(f"not an {layout.request}: no object")
    for group in iterate_objects(request.get(layout.groups)):
        resource = json_attributes_of(read_object(group.get("resource")).get("attributes"))
        for inner in iterate_objects(group.get(layout.scopes)):
            scope = read_text(read_object(inner.get("scope")).get("name"))
            for number in read_list(inner.get(layout.records)):
                collected.add(
                    lambda number=number, scope=scope, resource=resource: layout.from_json(  # type: ignore[misc]
                        reader.read_record(number), scope, resource, times
                    )
                )
    collected.repaired += reader.repaired
    return collected.make_request()
