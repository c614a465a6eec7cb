"""How a command ends whose reader goes away, or that is interrupted: by its exit code, and without a word."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from greenflash_otel.emulator import Emulator
from tests.cli.conftest import Stories
from tests.cli.running import PROGRAM, make_command_environment
from tests.conftest import PRODUCT
from tests.delivery.fakes import messages
from tests.delivery.making import leave
from tests.viewer.stories import say

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pipes and signals are POSIX's")

LONG = "so long " * 40_000
"""More than a pipe has room for."""


@pytest.fixture(scope="module")
def talkative() -> Iterator[Emulator]:
    """An emulator whose conversations are longer than a pipe."""
    with Emulator() as emulator:
        for number in range(3):
            say(emulator.url, f"chat-{number}", {"role": "user", "content": LONG})
        yield emulator


def leave_pipe_after(lines: int, *arguments: str, url: str = "", **variables: str) -> tuple[int, str]:
    """Run a command into a pipe whose reader takes some lines and goes; return its exit code and its errors."""
    with subprocess.Popen(
        [*PROGRAM, *arguments],
        env=make_command_environment(url, **variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        for _ in range(lines):
            assert process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read().decode()
        return process.wait(60), said


@pytest.mark.parametrize("command", ["show chat-1", "show --last 3 --raw", "tail --since 1h"])
def test_who_reads_goes_after_a_line(talkative: Emulator, command: str) -> None:
    """As ``| head -1`` does."""
    code, said = leave_pipe_after(1, *command.split(), url=talkative.url)
    assert (code, said.replace(f"Watching {talkative.url} until Ctrl+C.\n", "")) == (141, "")


@pytest.mark.parametrize("command", ["conversations", "conversations --json", "show chat-1 --json"])
def test_nobody_reads_a_list(talkative: Emulator, command: str) -> None:
    """Its lines may all fit into the pipe, so that only the flush finds out."""
    assert leave_pipe_after(0, *command.split(), url=talkative.url) == (141, "")


def test_who_reads_an_export_goes_after_a_line(tmp_path: Path) -> None:
    """Nothing of the outbox changes."""
    waiting = [messages(f"chat-{number}", "a", size=len(LONG)) for number in range(3)]
    leave(tmp_path, "https://a/api/v1", PRODUCT, *waiting)
    code, said = leave_pipe_after(1, "outbox", "export", GREENFLASH_OUTBOX=str(tmp_path))
    assert (code, said) == (141, "")


@pytest.mark.parametrize("command", ["--help", "", "--version", "outbox", "completion bash", "show --help"])
def test_nobody_reads_the_help(command: str) -> None:
    """It fits into the pipe, so that only the flush at the end finds out."""
    assert leave_pipe_after(0, *command.split()) == (141, "")


def test_nobody_reads_what_is_wrong(unused_address: str) -> None:
    """``2>&1 | true``: the error cannot be printed either, and that is said by the exit code alone."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [*PROGRAM, "conversations", "--json", "--url", unused_address],
            env=make_command_environment(""),
            stdout=writer,
            stderr=writer,
            timeout=60,
        )
    finally:
        os.close(writer)
    assert done.returncode == 141


def test_a_pipe_of_a_shell(stories: Stories) -> None:
    """The exit code stands in ``PIPESTATUS``; ``head`` has its line."""
    program = " ".join(PROGRAM)
    listing = f"{program} conversations --json | head -1 | wc -l"
    done = subprocess.run(
        ["bash", "-c", f"{listing}; {program} --help | true; echo ${{PIPESTATUS[0]}}"],
        env=make_command_environment(stories.emulator.url),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.stdout.split(), done.stderr) == (["1", "141"], "")


@pytest.mark.parametrize("command", ["conversations", "show chat-42 --json", "outbox flush"])
def test_a_command_that_is_interrupted(command: str, tmp_path: Path) -> None:
    """Ctrl+C while it waits for an answer: nothing is printed, and the exit code says it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(60)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        leave(tmp_path, f"{url}/api/v1", PRODUCT, messages("chat-42", "a"))
        settings = {"API_KEY": "gf_test", "PRODUCT_ID": PRODUCT, "OUTBOX": str(tmp_path)}
        variables = {f"GREENFLASH_{name}": value for name, value in settings.items()}
        with subprocess.Popen(
            [*PROGRAM, *command.split()],
            env=make_command_environment(url, **variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            connection, _ = listener.accept()
            with connection:
                assert connection.recv(1)  # it has asked
                process.send_signal(signal.SIGINT)
                assert process.communicate(timeout=60) == (b"", b"")
                assert process.returncode == 130
