"""Senders that are slow, greedy or strangers: they get what they deserve, and others are served meanwhile."""

from __future__ import annotations

import asyncio
import gzip
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from importlib import import_module
from statistics import median
from typing import Any

import httpx
import pytest
import zstandard

from greenflash_otel.gateway.limits import SenderLimits
from greenflash_otel.gateway.responses import BUSY, RefusedError
from greenflash_otel.gateway.server import Gateway
from greenflash_otel.gateway.shares import BASE_BYTES, Memory, Turns
from greenflash_otel.gateway.signals import LOGS, TRACES
from tests.gateway.test_gateway import GZIP, JSON, Taker
from tests.gateway.test_otlp import in_json
from tests.gateway.wire import answer, connection, gateway, head, status

grpc: Any = import_module("grpc")  # has no types
MIB = 1 << 20
TOKEN = {**JSON, "authorization": "Bearer good"}


def is_served(running: Gateway) -> bool:
    """Whether an honest sender is served."""
    return httpx.post(f"{running.url}/v1/traces", content=in_json(), headers=TOKEN).status_code == 200


@pytest.mark.parametrize("token", ["", "bad"])
def test_a_stranger_costs_a_head(token: str) -> None:
    """The answer comes before a byte of the body, which nobody reads; the connection ends."""
    with gateway(tokens=("good",)) as running, connection(running.port) as sender:
        sender.sendall(head(MIB, token=token))
        said = answer(sender)
        assert said.startswith(b"HTTP/1.1 401")
        assert b"connection: close" in said.lower()


def test_a_wrong_token_on_a_kept_connection() -> None:
    """Each request is asked for its own."""
    with gateway(tokens=("good",)) as running, connection(running.port) as sender:
        for token, expected in (("good", 200), ("bad", 401)):
            sender.sendall(head(2, token=token) + b"{}")
            assert status(sender) == expected


PAGE = b"GET /healthz HTTP/1.1\r\nhost: x\r\n"
SLOW: dict[str, tuple[bytes, bytes]] = {
    "nothing": (b"", b""),
    "half a head": (b"POST /v1/traces HTTP/1.1\r\nhost: x\r\nx-slow: ", b"HTTP/1.1 408"),
    "half a head after a request": (
        b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\nGET / HTTP/1.1\r\nx-slow: ",
        b"HTTP/1.1 200",
    ),
    "half a body": (head(10, token="good") + b"{", b"HTTP/1.1 429"),
    "half a chunked body": (head(token="good") + b"1\r\n{\r\n", b"HTTP/1.1 429"),
    "half the body of a page": (
        b"GET /healthz HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n",
        b"HTTP/1.1 200",
    ),
    "nothing after a request": (b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n", b"HTTP/1.1 200"),
}


@pytest.mark.parametrize("name", SLOW)
def test_who_stops_in_the_middle(name: str) -> None:
    """Whatever was begun has a deadline, and the connection ends with it."""
    sent, expected = SLOW[name]
    limits: dict[str, Any] = {"head_s": 0.3, "idle_s": 0.3, "stall_s": 0.3, "request_s": 5}
    with gateway(tokens=("good",), **limits) as running, connection(running.port) as sender:
        sender.sendall(sent)
        assert answer(sender).startswith(expected)
        assert is_served(running)


@pytest.mark.parametrize(("sent", "drop"), [(head()[:-2], b"a: b\r\n"), (head(99, token="good"), b" ")])
def test_who_drips(sent: bytes, drop: bytes) -> None:
    """A byte now and then puts no deadline off."""
    limits: dict[str, Any] = {"head_s": 0.5, "stall_s": 5.0, "body_s": 0.5}
    with gateway(tokens=("good",), **limits) as running, connection(running.port) as sender:
        sender.sendall(sent)
        sender.settimeout(0.05)
        began, said = time.monotonic(), b""
        while not said and time.monotonic() - began < 8:
            sender.sendall(drop)
            try:
                said = sender.recv(100)
            except TimeoutError:
                continue
        assert said[:12] in (b"HTTP/1.1 408", b"HTTP/1.1 429")


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 20_000,
        b"GET / HTTP/1.1\r\nx: " + b"y" * 100_000,
        b"GET /" + b"y" * 100_000,
        b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n" * 100,
    ],
)
def test_heads_that_are_too_large(sent: bytes) -> None:
    """And more requests ahead than anybody has: the connection ends."""
    with gateway() as running, connection(running.port) as sender:
        with suppress(ConnectionError):
            sender.sendall(sent)
        assert b" 431 " in (said := answer(sender)) or b" 400 " in said or not said
        assert is_served(running)


def test_bodies_in_tiny_chunks() -> None:
    """They are read like others."""
    body = in_json()
    with gateway() as running, connection(running.port) as sender:
        sender.sendall(head() + b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n")
        assert status(sender) == 200


def test_more_connections_than_there_may_be() -> None:
    """The oldest that say nothing give way."""
    with ExitStack() as stack:
        running = stack.enter_context(gateway(max_connections=10))
        idle = [stack.enter_context(connection(running.port)) for _ in range(50)]
        for entry in idle:
            entry.sendall(b"POST /v1/traces HTTP/1.1\r\n")
        assert is_served(running)
        ended = 0
        for entry in idle:
            entry.settimeout(0.01)
            try:
                ended += entry.recv(1) == b""
            except ConnectionResetError:
                ended += 1
            except TimeoutError:
                pass
        assert ended >= 40


def test_bodies_that_stall_give_way() -> None:
    """Who needs the room that others only hold gets it."""
    size = 100_000
    with ExitStack() as stack:
        limits: dict[str, Any] = {"stall_s": 1.0, "body_s": 60.0}
        running = stack.enter_context(gateway(tokens=("good",), content={"max_bytes": size}, **limits))
        for _ in range(4):
            stalled = stack.enter_context(connection(running.port))
            stalled.sendall(head(size, token="good") + b" " * (size - 10))
        body = in_json(name="x" * (size // 2))
        statuses: list[int] = []
        while 200 not in statuses and len(statuses) < 100:
            statuses.append(httpx.post(f"{running.url}/v1/traces", content=body, headers=TOKEN).status_code)
        assert statuses[-1] == 200
        assert set(statuses) <= {200, 429}


WIDE = zstandard.ZstdCompressor(
    compression_params=zstandard.ZstdCompressionParameters(window_log=27)
).compressobj()
MANY = in_json().replace(b'[{"traceId"', b"[" + b"{}," * 500_000 + b'{"traceId"')
BOMBS = {
    "gzip": (gzip.compress(bytes(64 * MIB)), "gzip", 413),
    "zstd": (zstandard.compress(bytes(64 * MIB)), "zstd", 413),
    "a window of 128 MiB": (WIDE.compress(in_json()) + WIDE.flush(), "zstd", 400),
    "members": (gzip.compress(b"") * 5000, "gzip", 400),
    "spans": (gzip.compress(MANY), "gzip", 413),
    "deep": (gzip.compress(b"[" * 3 * MIB), "gzip", 413),
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs(name: str) -> None:
    """They are refused while they grow; health is answered throughout."""
    body, encoding, expected = BOMBS[name]
    headers = {**GZIP, "content-encoding": encoding}
    with gateway() as running, health(running) as waits:
        url = f"{running.url}/v1/traces"
        assert httpx.post(url, content=body, headers=headers, timeout=30).status_code == expected
    assert max(waits) < 1  # seconds; a tenth of that where nothing else runs


@contextmanager
def health(running: Gateway) -> Iterator[list[float]]:
    """How long health checks take meanwhile."""
    waits, over = [0.0], threading.Event()

    def ask() -> None:
        with httpx.Client() as client:
            while not over.wait(0.02):
                began = time.monotonic()
                client.get(f"{running.url}/healthz", timeout=10).raise_for_status()
                waits.append(time.monotonic() - began)

    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(ask)
        try:
            yield waits
        finally:
            over.set()
            asking.result()


class SlowTaker(Taker):
    """Takes nothing until it may."""

    def __init__(self) -> None:
        super().__init__(True)
        self.may = threading.Event()

    def take(self, spans: Any, failed: Any = None) -> bool:
        """Wait."""
        if not any(span.name == "quick" for span in spans):
            self.may.wait(20)
        return super().take(spans, failed)


def test_one_sender_cannot_have_all_turns() -> None:
    """While one token has as many conversions under way as it may, another is served."""
    taker = SlowTaker()
    with gateway(taker, tokens=("good", "greedy")) as running, ThreadPoolExecutor(20) as pool:
        greedy = {**JSON, "authorization": "Bearer greedy"}
        url = f"{running.url}/v1/traces"
        asked = [
            pool.submit(httpx.post, url, content=in_json(), headers=greedy, timeout=30) for _ in range(20)
        ]
        try:
            quick = httpx.post(url, content=in_json(name="quick"), headers=TOKEN, timeout=10)
            assert quick.status_code == 200
        finally:
            taker.may.set()
        assert {call.result().status_code for call in asked} == {200}


def test_memory_is_shared() -> None:
    """The largest share gives way; who has the largest cannot take from others; all of it is given back."""

    async def share() -> None:
        memory = Memory(10_000 + 3 * BASE_BYTES, SenderLimits(max_requests=2))
        with memory.body("large") as one, memory.body("large") as two:
            one.append(bytes(4000))
            two.append(bytes(5000))
            with memory.body("small") as small:
                small.append(bytes(3000))
                assert (one.is_evicted, two.is_evicted, len(two.content)) == (False, True, 0)
                with pytest.raises(RefusedError) as evicted:
                    two.append(b"more")
                with pytest.raises(RefusedError) as full:
                    one.append(bytes(9000))
                assert evicted.value.status is full.value.status is BUSY
            with pytest.raises(RefusedError), memory.body("large"):
                pass
        with memory.body("another") as all_of_it:
            all_of_it.append(bytes(10_000))

    asyncio.run(share())


def test_turns_go_round() -> None:
    """A sender with many waits behind one with few; a cancelled one leaves its turn to others."""

    async def order() -> list[str]:
        turns, had = Turns(1, 1), []

        async def have(sender: str) -> None:
            async with turns.turn(sender):
                had.append(sender)
                await asyncio.sleep(0)

        tasks = [asyncio.create_task(have(sender)) for sender in "aaaab"]
        cancelled = asyncio.create_task(have("c"))
        await asyncio.sleep(0)
        cancelled.cancel()
        await asyncio.gather(*tasks)
        await have("d")
        return had

    assert "".join(asyncio.run(order())) == "aabaad"


@pytest.mark.parametrize("service", [TRACES.service, LOGS.service, "no.such.Service"])
@pytest.mark.parametrize("metadata", [[], [("authorization", "Bearer bad")]])
def test_strangers_over_grpc(service: str, metadata: list[tuple[str, str]]) -> None:
    """A call is turned away without its message, which is never sent here."""
    with (
        gateway(tokens=("good",), grpc=True) as running,
        grpc.insecure_channel(f"127.0.0.1:{running.grpc_port}") as channel,
    ):
        never = threading.Event()

        def messages() -> Iterator[bytes]:
            never.wait(20)
            yield b""

        with pytest.raises(grpc.RpcError) as caught:
            channel.stream_unary(f"/{service}/Export")(messages(), metadata=metadata, timeout=10)
        never.set()
        code = "UNIMPLEMENTED" if service.startswith("no") else "UNAUTHENTICATED"
        assert caught.value.code().name == code


def test_who_stops_in_the_middle_over_grpc() -> None:
    """A message has a deadline; others are served meanwhile, also while bombs come."""
    with (
        gateway(tokens=("good",), grpc=True, message_s=0.5) as running,
        grpc.insecure_channel(f"127.0.0.1:{running.grpc_port}") as channel,
        health(running) as waits,
    ):
        metadata, never = [("authorization", "Bearer good")], threading.Event()

        def messages() -> Iterator[bytes]:
            never.wait(20)
            yield b""

        call = channel.stream_unary(f"/{TRACES.service}/Export")
        stalled = [call.future(messages(), metadata=metadata, timeout=20) for _ in range(6)]
        unary = channel.unary_unary(f"/{TRACES.service}/Export")
        packed = {"metadata": metadata, "compression": grpc.Compression.Gzip, "timeout": 20}
        bombs = [unary.future(bytes(60 * MIB), **packed) for _ in range(3)]
        assert unary(b"", metadata=metadata, timeout=10) == b""
        assert {bomb.exception().code().name for bomb in bombs} == {"RESOURCE_EXHAUSTED"}
        assert {call.exception().code().name for call in stalled} == {"UNAVAILABLE"}
        never.set()
        while len(waits) < 20:
            assert unary(b"", metadata=metadata, timeout=10) == b""
    assert median(waits) < 0.1  # seconds
    assert max(waits) < 1


def test_a_bomb_over_grpc() -> None:
    """gRPC's own library does not unpack it."""
    with (
        gateway(grpc=True) as running,
        grpc.insecure_channel(f"127.0.0.1:{running.grpc_port}") as channel,
        pytest.raises(grpc.RpcError) as caught,
    ):
        call = channel.unary_unary(f"/{TRACES.service}/Export")
        call(bytes(60 * MIB), compression=grpc.Compression.Gzip, timeout=20)
    assert caught.value.code().name == "RESOURCE_EXHAUSTED"
    assert "unpack" in caught.value.details()


def test_a_reset_in_the_middle() -> None:
    """Whoever goes away in the middle leaves nothing behind."""
    with gateway(max_connections=20) as running:
        for sent in (b"", b"GET", head(100), head(100) + b"{", head(2) + b"{}"):
            for _ in range(10):
                with connection(running.port) as sender:
                    sender.sendall(sent)
                    sender.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        assert is_served(running)


def test_health_under_every_attack_at_once() -> None:
    """Bodies that stall, heads that never end, too many connections, bombs, and conversions that take long."""
    body, encoding, expected = BOMBS["spans"]
    limits: dict[str, Any] = {"max_connections": 60, "head_s": 1.0, "stall_s": 1.0}
    taker = SlowTaker()
    with ExitStack() as stack:
        running = stack.enter_context(gateway(taker, tokens=("good", "greedy"), **limits))
        url, greedy = f"{running.url}/v1/traces", {**JSON, "authorization": "Bearer greedy"}
        waits = stack.enter_context(health(running))
        pool = stack.enter_context(ThreadPoolExecutor(9))
        stack.callback(taker.may.set)
        for number in range(90):
            with suppress(ConnectionError):  # it had to give way to a later one
                sent = (head(MIB, token="good") + b" ", head()[:-2], b"GET /healthz HTTP/1.1\r\n")[number % 3]
                stack.enter_context(connection(running.port)).sendall(sent)
        for _ in range(3):
            pool.submit(httpx.post, url, content=in_json(), headers=greedy, timeout=30)
        packed = {**TOKEN, "content-encoding": encoding}
        bombs = [pool.submit(httpx.post, url, content=body, headers=packed, timeout=30) for _ in range(6)]
        assert {bomb.result().status_code for bomb in bombs} <= {expected, 429}
        while len(waits) < 30:
            quick = httpx.post(url, content=in_json(name="quick"), headers=TOKEN, timeout=10)
            assert quick.status_code == 200
        assert median(waits) < 0.1  # seconds
        assert max(waits) < 1
