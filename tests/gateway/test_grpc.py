"""The gateway over gRPC: it answers as over HTTP, in the words of gRPC."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import pytest
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from greenflash_otel.errors import ConfigurationError
from greenflash_otel.gateway.limits import ContentLimits
from greenflash_otel.gateway.receiver import OtlpReceiver, Tenant
from greenflash_otel.gateway.server import Gateway
from greenflash_otel.gateway.signals import LOGS, TRACES
from tests.conftest import PRODUCT
from tests.gateway.test_gateway import Taker
from tests.gateway.test_otlp import made

grpc: Any = import_module("grpc")  # has no types
rpc: Any = status_pb2
details: Any = error_details_pb2
SPANS = encode_spans(made({})).SerializeToString()


@contextmanager
def serving(taker: Taker, **options: Any) -> Iterator[Any]:
    """A channel to a gateway for a taker."""
    receiver = OtlpReceiver([Tenant(PRODUCT, taker)], limits=ContentLimits(max_bytes=10_000), **options)
    with (
        Gateway(receiver, port=0, grpc_port=0) as gateway,
        grpc.insecure_channel(f"127.0.0.1:{gateway.grpc_port}") as channel,
    ):
        yield channel


def export(channel: Any, body: bytes, service: str = TRACES.service, **options: Any) -> bytes:
    """One request."""
    answer: bytes = channel.unary_unary(f"/{service}/Export")(body, timeout=10, **options)
    return answer


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_taken(compression: Any) -> None:
    """All is kept before it is answered."""
    taker = Taker(True)
    with serving(taker) as channel:
        answer = export(channel, SPANS, compression=compression)
    assert not ExportTraceServiceResponse.FromString(answer).HasField("partial_success")
    assert [span.name for span in taker.taken] == ["inner", "outer"]


def test_log_records() -> None:
    """They have a service of their own."""
    with serving(Taker(True)) as channel:
        assert export(channel, b"", LOGS.service) == b""


REFUSED = {
    "malformed": (Taker(True), b"\x0a\xff", "INVALID_ARGUMENT"),
    "too large": (Taker(True), bytes(20_000), "RESOURCE_EXHAUSTED"),
    "full": (Taker(False), SPANS, "UNAVAILABLE"),
    "a bug of ours": (Taker(ZeroDivisionError()), SPANS, "UNAVAILABLE"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    """With the code that says whether to come back; if so, with the time."""
    taker, body, code = REFUSED[name]
    with serving(taker) as channel, pytest.raises(grpc.RpcError) as caught:
        export(channel, body)
    assert caught.value.code().name == code
    told = dict(caught.value.trailing_metadata()).get("grpc-status-details-bin")
    assert (told is not None) == (code == "UNAVAILABLE")
    if told is not None:
        status, info = rpc.Status.FromString(told), details.RetryInfo()
        assert (status.code, status.message) == (14, "cannot be stored at present")
        assert status.details[0].Unpack(info)
        assert info.retry_delay.seconds == 5


def test_a_bomb() -> None:
    """What is small only while it is packed is refused."""
    with serving(Taker(True)) as channel, pytest.raises(grpc.RpcError) as caught:
        export(channel, bytes(50_000_000), compression=grpc.Compression.Gzip)
    assert caught.value.code().name == "RESOURCE_EXHAUSTED"


@pytest.mark.parametrize("metadata", [[], [("authorization", "Bearer two")], [("authorization", "one")]])
def test_without_the_token(metadata: list[tuple[str, str]]) -> None:
    """It comes as metadata."""
    with serving(Taker(True), tokens=["one"]) as channel:
        assert export(channel, SPANS, metadata=[("authorization", "Bearer one")]) == b""
        with pytest.raises(grpc.RpcError) as caught:
            export(channel, SPANS, metadata=metadata)
    assert caught.value.code().name == "UNAUTHENTICATED"


def test_a_port_in_use() -> None:
    """It is told before anything is served."""
    receiver = OtlpReceiver([Tenant(PRODUCT, Taker(True))])
    with Gateway(receiver, port=0, grpc_port=0) as gateway, pytest.raises(ConfigurationError, match="gRPC"):
        Gateway(receiver, port=0, grpc_port=gateway.grpc_port)
