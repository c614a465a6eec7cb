"""Real web servers that are stopped: what ended arrives, and what was under way as far as it came."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from greenflash_otel.testing import Emulator
from tests.servers.model import STORY
from tests.servers.serving import arrived, environment, is_a_story, is_half_a_story, read_until, served

UVICORN = ("uvicorn", "--port", "{port}", "--timeout-graceful-shutdown")
GUNICORN = ("gunicorn", "--bind", "127.0.0.1:{port}", "--graceful-timeout", "10")
HYPERCORN = ("hypercorn", "--bind", "127.0.0.1:{port}", "--graceful-timeout", "1")

SERVERS: Mapping[str, Sequence[str]] = {
    "uvicorn": (*UVICORN, "10", "tests.servers.asgi:app"),
    "uvicorn without a lifespan": (*UVICORN, "10", "tests.servers.asgi:bare"),
    "uvicorn with workers": (*UVICORN, "10", "--workers", "2", "tests.servers.asgi:app"),
    "gunicorn, uvicorn worker": (*GUNICORN, "-k", "uvicorn.workers.UvicornWorker", "tests.servers.asgi:bare"),
    "gunicorn, sync": (*GUNICORN, "--workers", "3", "tests.servers.wsgi:app"),
    "gunicorn, sync, preloaded": (*GUNICORN, "--workers", "3", "--preload", "tests.servers.wsgi:app"),
    "gunicorn, threads": (*GUNICORN, "-k", "gthread", "--threads", "4", "tests.servers.wsgi:app"),
    "gunicorn, gevent": (*GUNICORN, "-k", "gevent", "tests.servers.wsgi:app"),
    "hypercorn": (*HYPERCORN, "tests.servers.asgi:app"),
}

BREAKING_OFF: Mapping[str, Sequence[str]] = {
    "uvicorn": (*UVICORN, "1", "tests.servers.asgi:app"),
    "uvicorn without a lifespan": (*UVICORN, "1", "tests.servers.asgi:bare"),
    "uvicorn with workers": (*UVICORN, "1", "--workers", "2", "tests.servers.asgi:app"),
    "uvicorn, reloading": (*UVICORN, "1", "--reload", "--reload-dir", "docs", "tests.servers.asgi:app"),
    "hypercorn": (*HYPERCORN, "tests.servers.asgi:app"),
    "hypercorn with workers": (*HYPERCORN, "--workers", "2", "tests.servers.asgi:app"),
}
"""Servers that do not wait for a stream to its end."""


@pytest.mark.parametrize("name", SERVERS)
def test_what_ended_arrives(name: str, greenflash_emulator: Emulator, tmp_path: Path) -> None:
    """A tab closed in the middle, a call that just ended, a stream that ends after the SIGTERM."""
    env = environment(greenflash_emulator, tmp_path)
    with served(SERVERS[name], env) as server:
        with server.ask("/stream/closed/600") as tab:
            assert b"word1" in read_until(tab, b"word1")
        with server.ask("/stream/open/8") as tab:
            assert b"word1" in read_until(tab, b"word1")
            assert b"It is short." in server.get("/tell/ended")
            server.process.send_signal(signal.SIGTERM)
            assert b"word7" in read_until(tab, None)
        server.process.wait(30)
    said = arrived(greenflash_emulator, env, "ended", "closed", "open")
    assert said["ended"] == [STORY, "It is short."]
    assert is_half_a_story(said["closed"])
    assert is_a_story(said["open"], 8)


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("name", BREAKING_OFF)
def test_what_is_broken_off_arrives(
    name: str, signum: int, greenflash_emulator: Emulator, tmp_path: Path
) -> None:
    """A stream that is longer than the server's patience."""
    env = environment(greenflash_emulator, tmp_path)
    with served(BREAKING_OFF[name], env) as server, server.ask("/stream/open/600") as tab:
        assert b"word1" in read_until(tab, b"word1")
        server.end(signum)
    assert is_half_a_story(arrived(greenflash_emulator, env, "open")["open"])


def test_a_worker_that_hangs(greenflash_emulator: Emulator, tmp_path: Path) -> None:
    """gunicorn ends it by SIGABRT, which its workers answer by exiting."""
    env = environment(greenflash_emulator, tmp_path)
    command = ("gunicorn", "--bind", "127.0.0.1:{port}", "--timeout", "2", "tests.servers.wsgi:app")
    with served(command, env) as server, server.ask("/stream/open/600") as tab:
        assert b"word1" in read_until(tab, None)
        server.end()
    assert is_half_a_story(arrived(greenflash_emulator, env, "open")["open"])
