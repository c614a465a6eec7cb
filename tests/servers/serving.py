"""A real server in a process of its own, and a browser that leaves when it likes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from greenflash_otel.testing import Emulator
from tests.conftest import PRODUCT
from tests.servers.model import STORY

ROOT = Path(__file__).parents[2]
WAIT_S = 30.0

T = TypeVar("T")


def environment(emulator: Emulator, folder: Path) -> dict[str, str]:
    """The settings of a process that delivers to ``emulator`` and keeps its outbox in ``folder``."""
    return {
        **os.environ,
        "GREENFLASH_API_KEY": "gf_test",
        "GREENFLASH_PRODUCT_ID": PRODUCT,
        "GREENFLASH_BASE_URL": emulator.base_url,
        "GREENFLASH_OUTBOX": str(folder / "outbox"),
        "PYTHONPATH": str(ROOT),
    }


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(asked: Callable[[], T | None]) -> T:
    """What ``asked`` gives, once it gives something."""
    deadline = time.monotonic() + WAIT_S
    while (found := asked()) is None:
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
    return found


class Served:
    """A server that runs."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process = process
        self.port = port

    def ask(self, path: str) -> socket.socket:
        """Send a request; the answer is still to be read."""
        tab = until(self._connected)
        tab.settimeout(WAIT_S)
        tab.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        return tab

    def get(self, path: str) -> bytes:
        """The whole answer to a request."""
        with self.ask(path) as tab:
            return read_until(tab, None)

    def _connected(self) -> socket.socket | None:
        assert self.process.poll() is None, "the server is gone"
        try:
            return socket.create_connection(("127.0.0.1", self.port), timeout=2)
        except OSError:
            return None

    def end(self, signum: int = signal.SIGTERM) -> int:
        """Send a signal; the exit status."""
        self.process.send_signal(signum)
        return self.process.wait(WAIT_S)


def read_until(tab: socket.socket, word: bytes | None) -> bytes:
    """What comes, to ``word`` or to the end."""
    read = b""
    while word is None or word not in read:
        try:
            piece = tab.recv(65536)
        except ConnectionError:
            break
        if not piece:
            break
        read += piece
    return read


@contextmanager
def served(command: Sequence[str], env: dict[str, str]) -> Iterator[Served]:
    """Start ``python -m`` with ``command``, in which ``{port}`` stands for a free one."""
    port = free_port()
    arguments = [sys.executable, "-m", *(part.format(port=port) for part in command)]
    process = subprocess.Popen(
        arguments,
        env=env,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield Served(process, port)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(WAIT_S)


def arrived(emulator: Emulator, env: dict[str, str], *conversations: str) -> dict[str, list[str]]:
    """What each conversation says, at the latest when the next process has delivered what this one left."""
    if not {conversation.external_id for conversation in emulator.conversations()} >= set(conversations):
        command = [sys.executable, "-m", "greenflash_otel", "outbox", "flush", "--timeout", "10"]
        subprocess.run(command, env=env, cwd=ROOT, timeout=60, check=True, capture_output=True)
    return {
        id: [str(message.content) for message in emulator.conversation(id).messages] for id in conversations
    }


def is_a_story(said: list[str], words: int) -> bool:
    """Whether a conversation has the question and an answer of so many words."""
    return said == [STORY, "".join(f"word{number} " for number in range(words))]


def is_half_a_story(said: list[str]) -> bool:
    """Whether a conversation has the question and the beginning of the answer."""
    return len(said) == 2 and said[0] == STORY and said[1].startswith("word0 word1")
