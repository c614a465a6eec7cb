"""Limit how much a sender may demand of the gateway. Pure.

A request is bounded in bytes and in objects: a few kilobytes can describe millions of empty spans. Senders
are bounded in time, so that none occupies memory or a connection without sending.
"""

from __future__ import annotations

from dataclasses import dataclass


class TooLargeError(ValueError):
    """A request is larger than allowed, in bytes or in objects."""


@dataclass(frozen=True, slots=True)
class ContentLimits:
    """What one request may contain. Everything is counted before an object is built of it."""

    max_bytes: int = 64 << 20
    """Packed, and unpacked. As the OTLP specification proposes; more than the Collector sends."""
    max_ratio: int = 250
    """How many times larger a request may become when it is unpacked. Resent histories reach about 100."""
    free_bytes: int = 4 << 20
    """Up to this size no ratio counts."""
    max_records: int = 10_000
    """Spans or log records in a request. The Collector sends 8,192 by default."""
    max_values: int = 400_000
    """Nested messages in a request: an attribute has two, an array element one."""
    max_record_values: int = 40_000
    """The same in a single span or log record; one that has more is rejected alone."""
    max_record_bytes: int = 16 << 20
    """A span or log record, which Python reads in one step while nothing else runs."""
    max_json_outer_bytes: int = 4 << 20
    """All that is in no record of a request in JSON: resources and scopes."""


FILE_LIMITS = ContentLimits(
    max_bytes=1 << 30,
    max_ratio=1 << 30,
    max_records=1 << 30,
    max_values=1 << 40,
    max_record_bytes=1 << 30,
    max_json_outer_bytes=1 << 30,
)
"""For files, which the operator of the command chose to read."""


@dataclass(frozen=True, slots=True)
class SenderLimits:
    """How long a sender may take, and how many may be there."""

    head_s: float = 10.0
    """For the head of a request, from the connection or from its first byte."""
    idle_s: float = 75.0
    """Between two requests of a connection. Longer than the pool of a Collector's exporter pauses."""
    stall_s: float = 5.0
    """Without a byte of a body that has begun."""
    body_s: float = 60.0
    """For a whole body."""
    message_s: float = 20.0
    """For a message over gRPC, of which the gateway sees nothing until it is whole."""
    request_s: float = 180.0
    """From the head of a request to its answer, whatever happens."""
    max_head_bytes: int = 16 << 10
    """Request line and headers."""
    max_connections: int = 1_000
    """At once, over HTTP and over gRPC each. Fewer where the process may open fewer files."""
    conversions: int = 4
    """Requests that are unpacked and converted at once; one sender has at most one fewer."""
    readings: int = 8
    """Messages that are read at once over gRPC; one sender has at most two fewer."""
    max_requests: int = 512
    """Requests of one sender that are under way."""
