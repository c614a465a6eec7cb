"""How much a gateway takes and delivers. A benchmark, not a test.

``python tests/bench/gateway.py`` runs a gateway as a process of its own, its outbox on disk, sends it chats
of ten turns that resend their history, and prints what it took per second, and how fast that was delivered
to a local Greenflash. It needs Linux. With ``--write`` the table goes into ``docs/scale.md``.
"""

from __future__ import annotations

import gzip
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import httpx
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from greenflash_otel.model.operation import ConversationContext, Message, Operation, Text
from greenflash_otel.semconv.genai import attributes_of
from tests.conftest import PRODUCT

PAGE = Path(__file__).parents[2] / "docs" / "scale.md"
SENDERS = 4
TURNS = 10
SPANS = 3_000
SENTENCE = "The shoes I ordered last week have not arrived yet, and I would like to know where they are. "
MEASURED = re.compile(r"(?<=<!-- measured -->\n).*?(?=\n<!-- /measured -->)", re.DOTALL)
HEADERS = {"content-type": "application/x-protobuf", "content-encoding": "gzip"}


@dataclass(frozen=True)
class Row:
    """What was measured."""

    spans_each: int
    """In a request."""
    body_bytes: int
    """Of all requests, unpacked."""
    requests: int
    taken_s: float
    delivered_s: float
    """From the first request to the last delivery."""
    cpu_s: float
    """Of the gateway alone, for taking and delivering."""
    resident_bytes: int

    def __str__(self) -> str:
        spans = self.spans_each * self.requests
        cells: Sequence[object] = (
            self.spans_each,
            f"{self.requests / self.taken_s:,.0f}",
            f"{spans / self.taken_s:,.0f}",
            f"{self.body_bytes / self.taken_s / 2**20:,.1f}",
            f"{spans / self.delivered_s:,.0f}",
            f"{spans / self.cpu_s:,.0f}",
            f"{self.resident_bytes / 2**20:,.0f}",
        )
        return f"| {' | '.join(map(str, cells))} |"


HEAD = (
    "| spans in a request | requests/s | spans/s taken | MiB/s | spans/s delivered too "
    "| spans per second of CPU | MiB resident |\n|---:|---:|---:|---:|---:|---:|---:|"
)


def main() -> None:
    """Measure, print, and with ``--write`` write it down."""
    table = "\n".join([HEAD, *(str(measure(spans_each)) for spans_each in (1, 10, 100))])
    print(table)
    if "--write" in sys.argv:
        page = PAGE.read_text(encoding="utf-8")
        page = re.sub(
            r"(?<=<!-- measured -->\n).*?(?=\n<!-- /measured -->)", lambda _: table, page, flags=re.DOTALL
        )
        PAGE.write_text(page, encoding="utf-8")


def measure(spans_each: int) -> Row:
    """Send all, then wait until it is delivered."""
    requests = bodies(spans_each)
    packed = [gzip.compress(body, 1) for body in requests]
    with tempfile.TemporaryDirectory() as folder, gateway(folder) as (url, process):
        before_s, started_s = cpu_s(process.pid), time.perf_counter()
        with httpx.Client(base_url=url, headers=HEADERS, timeout=60) as client:

            def send(body: bytes) -> None:
                client.post("/v1/traces", content=body).raise_for_status()

            with ThreadPoolExecutor(SENDERS) as senders:
                list(senders.map(send, packed))
            taken_s = time.perf_counter() - started_s
            wait_until_delivered(client)
        delivered_s = time.perf_counter() - started_s
        size = sum(map(len, requests))
        used = cpu_s(process.pid) - before_s, resident_bytes(process.pid)
        return Row(spans_each, size, len(requests), taken_s, delivered_s, *used)


def bodies(spans_each: int) -> list[bytes]:
    """Requests of so many spans; those of a conversation come in order."""
    spans = [(conversation, turn) for turn in range(TURNS) for conversation in range(SPANS // TURNS)]
    groups = [spans[start : start + spans_each] for start in range(0, len(spans), spans_each)]
    return [body(group) for group in groups]


def body(group: Sequence[tuple[int, int]]) -> bytes:
    """One request."""
    request = ExportTraceServiceRequest()
    into = request.resource_spans.add().scope_spans.add().spans
    for conversation, turn in group:
        number = conversation * TURNS + turn + 1
        span = into.add(
            trace_id=number.to_bytes(16, "big"),
            span_id=number.to_bytes(8, "big"),
            name="chat m",
            start_time_unix_nano=1_700_000_000_000_000_000 + turn * 10**9,
            end_time_unix_nano=1_700_000_000_000_000_001 + turn * 10**9,
        )
        for name, value in attributes_of(operation(f"chat-{conversation}", turn)).items():
            kind = {str: "string_value", int: "int_value"}[type(value)]
            setattr(span.attributes.add(key=name).value, kind, value)
    return request.SerializeToString()


def operation(conversation: str, turn: int) -> Operation:
    """A turn with all that was said before it."""
    said = [
        Message("user" if number % 2 == 0 else "assistant", (Text(f"{number}. {SENTENCE * 3}"),))
        for number in range(2 * turn + 2)
    ]
    whose = ConversationContext(conversation, user_id="ada")
    return Operation("chat", whose, request_model="m", input=tuple(said[:-1]), output=(said[-1],))


@contextmanager
def gateway(folder: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A gateway in front of a local Greenflash, each a process of its own."""
    with command("emulator", "--port", "0") as (emulator, _):
        environment = {
            "GREENFLASH_API_KEY": "gf_bench",
            "GREENFLASH_PRODUCT_ID": PRODUCT,
            "GREENFLASH_BASE_URL": f"{emulator}/api/v1",
            "GREENFLASH_OUTBOX": folder,
        }
        with command("gateway", "--port", "0", **environment) as running:
            yield running


@contextmanager
def command(*words: str, **environment: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A command of ours that serves, and where."""
    line = [sys.executable, "-m", "greenflash_otel", *words]
    with subprocess.Popen(
        line, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        found: Any = re.search(r"(http://[\d.:]+)", process.stdout.readline())
        try:
            yield found[1], process
        finally:
            process.kill()


def wait_until_delivered(client: httpx.Client) -> None:
    """Until nothing is pending."""
    pause = threading.Event()
    while not re.search(r"^greenflash_items_pending\S* 0$", client.get("/metrics").text, re.MULTILINE):
        pause.wait(0.05)


def cpu_s(pid: int) -> float:
    """Time that a process has computed, as Linux tells it."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_bytes(pid: int) -> int:
    """Memory of a process, as Linux tells it."""
    found: Any = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) * 1024


if __name__ == "__main__":
    main()
