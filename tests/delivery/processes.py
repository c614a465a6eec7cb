"""Other processes for tests: they run a script, say a word, and go on when told."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
IMPORTS = """
import os, signal, sys
from greenflash_otel.delivery.outbox import Outbox
from tests.delivery.fakes import messages, outcome, ids_of
"""


@contextmanager
def process(script: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Run a script that prints a line when it is where the test wants it, and kill it at the end."""
    # Newer Pythons warn of every fork beside a thread; what happens then is what these tests are about.
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", IMPORTS + script]
    with subprocess.Popen(
        [*command, *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as running:
        try:
            yield running
        finally:
            running.kill()


def line_of(running: subprocess.Popen[str]) -> str:
    """The next line that a process prints; empty if it ended."""
    assert running.stdout is not None
    return running.stdout.readline().strip()


def output_of(script: str, *arguments: object) -> str:
    """All that a script prints; it must end well."""
    with process(script, *arguments) as running:
        output, _ = running.communicate(timeout=60)
        assert running.returncode == 0
        return output.strip()


def killed(script: str, *arguments: object) -> None:
    """Run a script until it prints a line, then kill it with no chance to say goodbye."""
    with process(script, *arguments) as running:
        assert line_of(running)
