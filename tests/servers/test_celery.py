"""A real Celery worker that is stopped."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from greenflash_otel.testing import Emulator
from tests.servers.model import STORY
from tests.servers.serving import ROOT, arrived, environment, is_half_a_story, served, until

SEND = "from tests.servers.tasks import *; stream.delay('open', 3); tell.delay('ended')"


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo"])
def test_nothing_is_lost(pool: str, greenflash_emulator: Emulator, tmp_path: Path) -> None:
    """A call that just ended and a stream that was left open, in a process of a pool and in the worker."""
    env = environment(greenflash_emulator, tmp_path)
    subprocess.run([sys.executable, "-c", SEND], env=env, cwd=ROOT, timeout=60, check=True)
    command = ("celery", "--app", "tests.servers.tasks", "worker", "--pool", pool, "--concurrency", "1")
    with served(command, env) as worker:
        until(lambda: (tmp_path / "told-ended").exists() or None)
        assert worker.end(signal.SIGTERM) == 0
    said = arrived(greenflash_emulator, env, "open", "ended")
    assert said["ended"] == [STORY, "It is short."]
    assert is_half_a_story(said["open"])
