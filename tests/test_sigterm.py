"""SIGTERM: what is open is recorded, and the process ends as it would without us."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

import greenflash_otel as greenflash
from greenflash_otel import sigterm
from greenflash_otel.testing import Emulator
from tests.conftest import PRODUCT
from tests.servers.serving import ROOT, arrived, environment, is_half_a_story

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")

START = """
import asyncio, multiprocessing, os, signal, subprocess, sys, threading, time
import greenflash_otel as greenflash
from tests.servers.model import asked, async_client, client

def begin(id):
    with greenflash.conversation(id):
        stream = client().chat.completions.create(**asked(stream=True, max_tokens=600))
    read = ""
    while "word1" not in read:
        read += next(stream).choices[0].delta.content
    return stream

def tell(id):
    with greenflash.conversation(id):
        client().chat.completions.create(**asked())

def term():
    print("SIGTERM at", time.time(), flush=True)
    os.kill(os.getpid(), signal.SIGTERM)

def soon(delay_s=0.2):
    threading.Timer(delay_s, term).start()

"""


def run(program: str, env: Mapping[str, str], timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    return subprocess.run(
        [sys.executable, "-c", START + program],
        env=env,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


DIES = {
    "in a computation": "stream = begin('a'); soon()\nwhile True: sum(range(1000))",
    "asleep": "stream = begin('a'); soon(); time.sleep(60)",
    "waiting for a lock": (
        "stream = begin('a'); soon(); threading.Lock().acquire() or threading.Event().wait()"
    ),
    "reading the stream": "stream = begin('a'); soon()\nfor chunk in stream: pass",
    "joining a thread that streams": (
        "def read():\n"
        "    for chunk in begin('a'): ready.set()\n"
        "ready = threading.Event()\n"
        "thread = threading.Thread(target=read, daemon=True); thread.start(); "
        "ready.wait(); term(); thread.join()"
    ),
    "in an event loop": (
        "async def main():\n"
        "    with greenflash.conversation('a'):\n"
        "        stream = await async_client().chat.completions.create("
        "**asked(stream=True, max_tokens=600))\n"
        "    read = ''\n"
        "    async for chunk in stream:\n"
        "        read += chunk.choices[0].delta.content\n"
        "        if 'word1' in read: term()\n"
        "asyncio.run(main())"
    ),
    "asked twice": "stream = begin('a'); soon(); soon(0.201); time.sleep(60)",
    "asked by a handler that was set later": (
        "stream = begin('a')\n"
        "before = signal.getsignal(signal.SIGTERM)\n"
        "signal.signal(signal.SIGTERM, lambda *arguments: before(*arguments))\n"
        "soon(); time.sleep(60)"
    ),
    "in a call of a function that a block decorates": (
        "stream = begin('a')\n@greenflash.conversation('b')\ndef work(): soon(); time.sleep(60)\nwork()"
    ),
    "while code may hold a lock of OpenTelemetry's": (
        "stream = begin('a')\n"
        "exec('term(); time.sleep(0.3)', "
        "{'__name__': 'opentelemetry.sdk.trace', 'term': term, 'time': time})\n"
        "time.sleep(60)"
    ),
    "in a generator that is suspended in another thread": (
        "def words():\n"
        "    with greenflash.conversation('a'):\n"
        "        for chunk in client().chat.completions.create(**asked(stream=True, max_tokens=600)):\n"
        "            yield chunk.choices[0].delta.content\n"
        "def read(): next(told), next(told); ready.set(); threading.Event().wait()\n"
        "told, ready = words(), threading.Event()\n"
        "threading.Thread(target=read, daemon=True).start(); ready.wait(); term(); time.sleep(60)"
    ),
    "in a process that multiprocessing forked": (
        "def child(): stream = begin('a'); ready.set(); time.sleep(60)\n"
        "fork = multiprocessing.get_context('fork'); ready = fork.Event()\n"
        "process = fork.Process(target=child); process.start(); ready.wait()\n"
        "process.terminate(); process.join(); assert process.exitcode == -15, process.exitcode\n"
        "greenflash.shutdown(); term()"
    ),
}


@pytest.mark.parametrize("name", DIES)
def test_it_dies_of_the_signal(name: str, greenflash_emulator: Emulator, tmp_path: Path) -> None:
    """Question and what was read are recorded, once, and the exit status is the signal's."""
    env = environment(greenflash_emulator, tmp_path)
    done = run("greenflash.instrument()\n" + DIES[name], env)
    assert (done.returncode, done.stderr) == (-signal.SIGTERM, "")
    assert is_half_a_story(arrived(greenflash_emulator, env, "a")["a"])


LIVES: Mapping[str, tuple[str, int]] = {
    "a handler that was set later": (
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(3)); stream = begin('a'); term()",
        3,
    ),
    "a handler of an event loop": (
        "async def main():\n"
        "    over = asyncio.Event()\n"
        "    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)\n"
        "    stream = begin('a'); soon(); await over.wait()\n"
        "asyncio.run(main()); sys.exit(4)",
        4,
    ),
    "a handler that ends us and goes on": (
        "signal.signal(signal.SIGTERM, lambda *_: greenflash.shutdown())\n"
        "stream = begin('a'); term(); read = next(stream); sys.exit(0 if read.choices else 1)",
        0,
    ),
    "SIGTERM is ignored": ("signal.signal(signal.SIGTERM, signal.SIG_IGN); stream = begin('a'); term()", 0),
    "SIGINT": (
        "stream = begin('a')\n"
        "try: os.kill(os.getpid(), signal.SIGINT); time.sleep(60)\n"
        "except KeyboardInterrupt: sys.exit(6)",
        6,
    ),
    "SIGINT while reading": (
        "stream = begin('a')\n"
        "threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT)).start()\n"
        "try:\n"
        "    for chunk in stream: pass\n"
        "except KeyboardInterrupt: sys.exit(5)",
        5,
    ),
    "a thread that streams at the end": (
        "def read():\n"
        "    for chunk in begin('a'): ready.set()\n"
        "ready = threading.Event(); threading.Thread(target=read, daemon=True).start(); ready.wait()",
        0,
    ),
}


@pytest.mark.parametrize("name", LIVES)
def test_it_ends_otherwise(name: str, greenflash_emulator: Emulator, tmp_path: Path) -> None:
    """Whoever takes the signal has it; what was open is recorded all the same."""
    program, status = LIVES[name]
    env = environment(greenflash_emulator, tmp_path)
    done = run("greenflash.instrument()\n" + program, env)
    assert done.returncode == status, done.stderr
    assert is_half_a_story(arrived(greenflash_emulator, env, "a")["a"])


QUICK = {
    "the server does not answer": "stream = begin('a'); tell('b'); term(); time.sleep(60)",
    "while instrument() is under way": (
        "from greenflash_otel import runtime\n"
        "install = runtime.sigterm.install\n"
        "def at_once(*arguments): install(*arguments); term()\n"
        "runtime.sigterm.install = at_once\n"
        "greenflash.shutdown(0); greenflash.instrument(); time.sleep(60)"
    ),
    "while shutdown() is under way": "tell('b'); soon(); greenflash.shutdown(); time.sleep(60)",
    "while shutdown() is under way in a thread": (
        "tell('b'); threading.Thread(target=greenflash.shutdown).start(); soon(); time.sleep(60)"
    ),
    "while flush() is under way": "tell('b'); soon(); greenflash.flush(60)",
    "while a lock of OpenTelemetry's is held for ever": (
        "exec('term(); time.sleep(60)', {'__name__': 'opentelemetry.sdk.trace', 'term': term, 'time': time})"
    ),
    "after shutdown() in a thread": (
        "thread = threading.Thread(target=greenflash.shutdown, args=(0,)); thread.start(); thread.join()\n"
        "term(); time.sleep(60)"
    ),
}


@pytest.mark.parametrize("name", QUICK)
def test_it_keeps_its_time(name: str, tmp_path: Path) -> None:
    """Whatever is under way, and though nobody accepts anything, it dies of the signal in time."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        env = {
            **environment(Emulator(), tmp_path),
            "GREENFLASH_BASE_URL": f"http://127.0.0.1:{silent.getsockname()[1]}/api/v1",
            "GREENFLASH_SHUTDOWN_TIMEOUT": "1",
        }
        done = run("greenflash.instrument()\n" + QUICK[name], env, 30)
        ended_s = time.time()
    assert done.returncode == -signal.SIGTERM, done.stderr
    assert ended_s - float(done.stdout.split()[-1]) < 5


def test_it_is_there_only_while_it_is_needed(tmp_path: Path) -> None:
    """It is set by `instrument()`, looks like the default action, and goes with `shutdown()`."""
    default = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        greenflash.instrument(product_id=PRODUCT, outbox=":memory:", frameworks=())
        ours = signal.getsignal(signal.SIGTERM)
        assert isinstance(ours, sigterm.Terminator)
        assert ours == signal.SIG_DFL
        assert ours == signal.SIG_DFL
        assert ours in (None, signal.SIG_DFL)
        assert ours != signal.SIG_IGN
        greenflash.uninstrument()
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        greenflash.instrument(product_id=PRODUCT, outbox=":memory:", frameworks=(), handle_sigterm=False)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        greenflash.shutdown(0)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        greenflash.instrument(product_id=PRODUCT, outbox=":memory:", frameworks=())
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, default)


def test_a_handler_that_was_set_later_stays(tmp_path: Path) -> None:
    """`shutdown()` takes off only our own."""
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def handler(*_: object) -> None: ...

    try:
        greenflash.instrument(product_id=PRODUCT, outbox=":memory:", frameworks=())
        signal.signal(signal.SIGTERM, handler)
        greenflash.shutdown(0)
        assert signal.getsignal(signal.SIGTERM) is handler
    finally:
        signal.signal(signal.SIGTERM, before)


def test_other_processes_are_not_touched(greenflash_emulator: Emulator, tmp_path: Path) -> None:
    """A program that we start dies of SIGTERM, pools end at once, a wake-up descriptor gets its byte."""
    program = """
greenflash.instrument()
sleeping = subprocess.Popen(["sleep", "60"]); sleeping.terminate(); assert sleeping.wait() == -15
pool = multiprocessing.get_context("fork").Pool(2)
assert pool.map(abs, [-1, -2]) == [1, 2]
began = time.monotonic(); pool.terminate(); pool.join(); assert time.monotonic() - began < 3
reading, writing = os.pipe()
os.set_blocking(writing, False)
signal.set_wakeup_fd(writing)
signal.signal(signal.SIGUSR1, lambda *_: None)
os.kill(os.getpid(), signal.SIGUSR1)
assert os.read(reading, 1) == bytes([signal.SIGUSR1])
greenflash.shutdown(0)
thread = threading.Thread(target=greenflash.instrument); thread.start(); thread.join()
assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
"""
    done = run(program, environment(greenflash_emulator, tmp_path))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("delay_s", [0.3, 0.37, 0.41])
def test_wherever_it_comes(delay_s: float, greenflash_emulator: Emulator, tmp_path: Path) -> None:
    """Every call that had ended before the signal came arrives, whatever code it interrupts."""
    program = f"""
greenflash.instrument()
soon({delay_s})
for number in range(100_000):
    tell(f"c{{number}}")
    print(number, flush=True)
"""
    env = environment(greenflash_emulator, tmp_path)
    done = run(program, env)
    assert done.returncode == -signal.SIGTERM, done.stderr
    told = [f"c{number}" for number in done.stdout.split() if number.isdigit()]
    assert all(len(said) == 2 for said in arrived(greenflash_emulator, env, *told).values())


GEVENT = """
from gevent import monkey
monkey.patch_all()
import gevent, os, signal, sys, time
import greenflash_otel as greenflash
from gevent.pywsgi import WSGIServer
from tests.servers import wsgi

def read(application):
    told = application({"PATH_INFO": "/stream/a/600"}, lambda *_: None)
    next(told), next(told)
    application({"PATH_INFO": "/tell/b"}, lambda *_: None)
    os.kill(os.getpid(), signal.SIGTERM)
    for _ in told: pass

gevent.spawn(read, wsgi.app)
WSGIServer(("127.0.0.1", 0), wsgi.app, log=None).serve_forever()
"""


def test_under_gevent(greenflash_emulator: Emulator, tmp_path: Path) -> None:
    """Threads are greenlets there, and signals arrive in the hub, which must not wait."""
    env = environment(greenflash_emulator, tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", GEVENT],
        env=env,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (-signal.SIGTERM, "")
    said = arrived(greenflash_emulator, env, "a", "b")
    assert is_half_a_story(said["a"])
    assert len(said["b"]) == 2


UNSHARE = ["unshare", "--pid", "--fork", "--kill-child"]


def _can_unshare() -> bool:
    with contextlib.suppress(OSError):
        return subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode == 0
    return False


@pytest.mark.skipif(not _can_unshare(), reason="needs root, or a kernel that lets others make namespaces")
def test_the_first_process_of_a_container(greenflash_emulator: Emulator, tmp_path: Path) -> None:
    """The kernel passes it no SIGTERM with the default action: it goes on, but has delivered."""
    program = """
greenflash.instrument()
stream = begin("a"); term(); tell("b"); term()
print("living", next(stream).choices != [], flush=True)
os.kill(os.getpid(), signal.SIGKILL)
os._exit(7)  # the kernel passes it no SIGKILL from within either
"""
    env = environment(greenflash_emulator, tmp_path)
    done = subprocess.run(
        [*UNSHARE, sys.executable, "-c", START + program],
        env=env,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout.splitlines()[-1], done.stderr) == (7, "living True", "")
    said = arrived(greenflash_emulator, env, "a", "b")
    assert is_half_a_story(said["a"])
    assert len(said["b"]) == 2
