"""When nothing answers, for whatever reason: the application is not held up, and ends when it should."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from greenflash_otel.delivery.delivery import Delivery
from greenflash_otel.delivery.outbox import Outbox
from greenflash_otel.greenflash_api.client import Client
from tests.conftest import PRODUCT
from tests.delivery.fakes import messages
from tests.delivery.making import make_delivery, outbox_for
from tests.delivery.processes import ROOT, line_of, process
from tests.delivery.server import Reply, Server
from tests.delivery.test_outbox import drained
from tests.faults import proxy

FLUSH_S = 0.3
SLACK_S = 1.5
"""For a machine that has other things to do."""


@contextmanager
def delivering(url: str) -> Iterator[tuple[Outbox, Delivery]]:
    """An outbox in memory, and a worker that sends to a URL."""
    outbox = Outbox(":memory:")
    worker = make_delivery(outbox, Client(url, "gf_test", timeout_s=0.5), gather=lambda batch: None)
    try:
        yield outbox, worker
    finally:
        worker.close(0)


def flush_in_vain(outbox: Outbox, worker: Delivery) -> None:
    """Put and flush: neither takes long, nothing is delivered, and nothing is lost."""
    began_s = time.monotonic()
    outbox.put([messages("c", "a")])
    assert time.monotonic() - began_s < FLUSH_S
    assert not worker.flush(FLUSH_S)
    assert time.monotonic() - began_s < FLUSH_S + SLACK_S
    assert outbox.get_stats().pending == 1
    assert not outbox.get_stats().lost


def test_a_name_that_is_not_found_out(monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    """A resolver that hangs, then says that there is no such host, then knows it."""
    answers, asked = threading.Event(), []
    resolve = socket.getaddrinfo

    def slow(*arguments: Any, **named: Any) -> Any:
        answers.wait()
        asked.append(arguments)
        if len(asked) == 1:
            raise socket.gaierror("no such host")
        return resolve(*arguments, **named)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    with delivering(server.url) as (outbox, worker):
        flush_in_vain(outbox, worker)
        answers.set()
        assert worker.flush(10)


def test_a_route_that_leads_nowhere() -> None:
    """Packets are swallowed: here by a listener whose queue is full, as a black hole would."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        port = listener.getsockname()[1]
        outbox, worker = stack.enter_context(delivering(f"http://127.0.0.1:{port}/api/v1"))
        flush_in_vain(outbox, worker)


FROZEN = """
from greenflash_otel.greenflash_api.client import Client
from greenflash_otel.delivery.delivery import Delivery
from tests.delivery.making import make_delivery
outbox = Outbox(sys.argv[1])
worker = make_delivery(outbox, Client(sys.argv[2], "gf_test"), gather=lambda batch: None)
outbox.put([messages("c", "a")])
print(worker.flush(10), flush=True)
sys.stdin.readline()
outbox.put([messages("c", "b")])
print("put", flush=True)
sys.stdin.readline()
print(worker.flush(20), flush=True)
"""


def test_a_process_that_stands_still(server: Server, tmp_path: Path) -> None:
    """Its connections are closed meanwhile, nobody takes its file, and it goes on where it was."""
    with (
        proxy.Proxy(
            lambda: int(server.url.split(":")[2].split("/")[0]), lambda: proxy.answer_and_hang_up
        ) as bad,
        process(FROZEN, tmp_path, f"http://127.0.0.1:{bad.port}/api/v1") as running,
        closing(Outbox(tmp_path)) as other,
    ):
        assert running.stdin is not None
        assert line_of(running) == "True"
        running.stdin.write("\n")
        running.stdin.flush()
        assert line_of(running) == "put"
        running.send_signal(signal.SIGSTOP)
        other.adopt()
        assert other.get_stats().accepted == 0
        running.send_signal(signal.SIGCONT)
        running.stdin.write("\n")
        running.stdin.flush()
        assert line_of(running) == "True"
    assert [len(server.received), other.get_stats().accepted] == [2, 0]


ENDS = """
import sys, time
import greenflash_otel as greenflash
greenflash.instrument(frameworks=())
for number in range(5):
    greenflash.record_outcome("upgrade", str(number))
print(time.monotonic(), flush=True)
"""


@pytest.mark.parametrize("timeout_s", [0.0, 1.0])
def test_an_end_while_the_server_hangs(timeout_s: float, server: Server, tmp_path: Path) -> None:
    """The process ends when its setting says; what it recorded is on disk."""
    server.default = Reply(wait_for=threading.Event())
    environment = {
        **os.environ,
        "GREENFLASH_API_KEY": "gf_test",
        "GREENFLASH_PRODUCT_ID": PRODUCT,
        "GREENFLASH_BASE_URL": server.url,
        "GREENFLASH_OUTBOX": str(tmp_path),
        "GREENFLASH_SHUTDOWN_TIMEOUT": str(timeout_s),
    }
    done = subprocess.run(
        [sys.executable, "-c", ENDS],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert time.monotonic() - float(done.stdout) < timeout_s + SLACK_S
    with closing(outbox_for(tmp_path, server.url, PRODUCT)) as outbox:
        assert len(drained(outbox)) == 5
