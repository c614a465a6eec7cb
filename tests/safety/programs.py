"""Run a program that uses the library as an application does, in a process and an environment of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.conftest import PRODUCT

ROOT = Path(__file__).parents[2]
LONG_S = 90
"""Longer than anything here takes on a busy machine: a program that takes it hangs."""
NOWHERE = "http://127.0.0.1:9/api/v1"


def environment(
    outbox: Path | None = None,
    *,
    base_url: str = NOWHERE,
    key: str | None = "gf_test",
    product: str = PRODUCT,
) -> dict[str, str]:
    """The settings of a program."""
    settings = {"GREENFLASH_BASE_URL": base_url, "GREENFLASH_PRODUCT_ID": product}
    if key is not None:
        settings["GREENFLASH_API_KEY"] = key
    if outbox is not None:
        settings["GREENFLASH_OUTBOX"] = str(outbox)
    return {**os.environ, "PYTHONPATH": str(ROOT), **settings}


def run(script: str, *arguments: object, folder: Path | None = None, **settings: Any) -> str:
    """Run a script to its end, which must be good; return what it printed."""
    return run_command("-c", script, *arguments, folder=folder, env=environment(**settings))


def run_cli(*arguments: str, code: int = 0, **settings: Any) -> str:
    """Run the command line; return what it printed."""
    return run_command("-m", "greenflash_otel", *arguments, code=code, env=environment(**settings))


def run_command(*arguments: object, env: dict[str, str], folder: Path | None = None, code: int = 0) -> str:
    """Run Python; it ends with a status, in bounded time."""
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=folder or ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=LONG_S,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return done.stdout
