"""Run the real command in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

PROGRAM = (sys.executable, "-m", "greenflash_otel")


def make_command_environment(url: str, **variables: str) -> dict[str, str]:
    """Return the environment of a command that reads the emulator at an address."""
    inherited = {
        name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "SSL_CERT_DIR") if name in os.environ
    }
    named = {"GREENFLASH_BASE_URL": f"{url}/api/v1"} if url else {}
    return {**inherited, **named, "PYTHONUTF8": "1", **variables}


def run_command(*arguments: str, url: str = "", code: int = 0, **variables: str) -> tuple[str, str]:
    """Run a command; return what it printed on standard output and on standard error."""
    done = subprocess.run(
        [*PROGRAM, *arguments],
        env=make_command_environment(url, **variables),
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout, done.stderr


def read_json_lines(text: str) -> list[Mapping[str, Any]]:
    """Read a text that has one object on each line, and nothing else."""
    return [json.loads(line) for line in text.splitlines()]
