"""The processes of the end-to-end tests: they are started, killed, and started again on the same ports."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tests.conftest import PRODUCT

PATIENCE_S = 60.0
POLL_S = 0.02
PORTS = range(15_000, 30_000)
"""Below those that the system hands out: a port stays ours while the program that listened on it is down."""


def until(happened: Callable[[], bool], what: str, timeout_s: float = PATIENCE_S) -> None:
    """Wait for something that another process does."""
    end_s, pause = time.monotonic() + timeout_s, threading.Event()
    while not happened():
        assert time.monotonic() < end_s, f"in {timeout_s} s not: {what}"
        pause.wait(POLL_S)


def free_port() -> int:
    """A port that nobody listens on."""
    while True:
        port = secrets.choice(PORTS)
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


def answers(port: int) -> bool:
    """Whether somebody listens on a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Server:
    """A program that listens. As a context it runs, and is killed at the end."""

    def __init__(
        self,
        command: Sequence[str | Path],
        log: Path,
        *ports: int,
        environment: Mapping[str, str] | None = None,
        ready: bytes = b"",
    ) -> None:
        self._command = [str(word) for word in command]
        self._environment = {"PATH": os.environ["PATH"], **(environment or {})}
        self._ports = ports
        self._ready = ready
        """What it logs when it has started, if that it listens is not enough of a sign."""
        self.log = log
        """What it says."""
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Run it; returns once it listens, and says that it is ready."""
        with self.log.open("ab") as log:
            end = log.tell()
            process = subprocess.Popen(self._command, env=self._environment, stdout=log, stderr=log)
        self._process = process

        def has_started() -> bool:
            assert process.poll() is None, self.log.read_text()
            return self._ready in self.log.read_bytes()[end:] and all(map(answers, self._ports))

        until(has_started, f"{self._command[0]} listens on {self._ports}")

    def kill(self) -> None:
        """End it without a warning, as a machine that fails does."""
        self._end(subprocess.Popen.kill)

    def stop(self) -> None:
        """Tell it to end, and wait until it has."""
        self._end(subprocess.Popen.terminate)

    def _end(self, how: Callable[[subprocess.Popen[bytes]], None]) -> None:
        process, self._process = self._process, None
        if process is not None:
            how(process)
            process.wait(PATIENCE_S)

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.kill()


def gateway(
    folder: Path, base_url: str, port: int, grpc_port: int, *options: str, name: str = "gateway"
) -> Server:
    """``greenflash-otel gateway`` with its outbox in a folder."""
    command = [sys.executable, "-m", "greenflash_otel", "gateway"]
    command += ["--port", str(port), "--grpc-port", str(grpc_port), *options]
    environment = {
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "GREENFLASH_API_KEY": "gf_test",
        "GREENFLASH_PRODUCT_ID": PRODUCT,
        "GREENFLASH_BASE_URL": base_url,
        "GREENFLASH_OUTBOX": str(folder / name),
        "GREENFLASH_GATEWAY_TOKENS": TOKEN,
    }
    return Server(command, folder / f"{name}.log", port, grpc_port, environment=environment)


TOKEN = "a-long-random-text"
