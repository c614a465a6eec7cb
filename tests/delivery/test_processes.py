"""However a process ends, what it had captured is delivered or waits on disk."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from greenflash_otel.testing import Emulator
from tests.conftest import PRODUCT
from tests.delivery.making import outbox_for
from tests.delivery.processes import ROOT

START = """
import multiprocessing, os, signal, sys, threading
import greenflash_otel as greenflash
from tests.test_process import say
def capture(text):
    with greenflash.conversation(text):
        say("ho", text)
"""


def _script(*lines: str) -> str:
    return START + "if __name__ == '__main__':\n" + "".join(f"    {line}\n" for line in lines)


ENDINGS = {
    "returns": ["greenflash.instrument()", "capture('a')"],
    "sys.exit": ["greenflash.instrument()", "capture('a')", "sys.exit(3)"],
    "an exception": ["greenflash.instrument()", "capture('a')", "raise SystemError"],
    "SIGINT": ["greenflash.instrument()", "capture('a')", "os.kill(os.getpid(), signal.SIGINT)"],
    "SIGTERM, told to exit": [
        "greenflash.instrument()",
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))",
        "capture('a')",
        "os.kill(os.getpid(), signal.SIGTERM)",
    ],
    "a daemon thread still runs": [
        "greenflash.instrument()",
        "threading.Thread(target=threading.Event().wait, daemon=True).start()",
        "capture('a')",
    ],
    "multiprocessing, fork": [
        "greenflash.instrument()",
        "child = multiprocessing.get_context('fork').Process(target=capture, args=('a',))",
        "child.start(); child.join()",
    ],
    "multiprocessing, instrumented in a fork": [
        "def run(): greenflash.instrument(); capture('a')",
        "child = multiprocessing.get_context('fork').Process(target=run)",
        "child.start(); child.join()",
    ],
    "os.fork, flush, os._exit": [
        "greenflash.instrument()",
        "child = os.fork()",
        "if child == 0: capture('a'); greenflash.flush(); os._exit(0)",
        "os.waitpid(child, 0)",
    ],
}


@pytest.mark.parametrize("lines", [pytest.param(lines, id=name) for name, lines in ENDINGS.items()])
def test_what_was_captured_arrives(lines: list[str], greenflash_emulator: Emulator, tmp_path: Path) -> None:
    """Both messages, once, without a word in the program unless Python itself passes over `atexit`."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", _script(*lines)],
        cwd=ROOT,
        capture_output=True,
        timeout=60,
        check=False,
        env={
            "PATH": "",
            "GREENFLASH_API_KEY": "gf_test",
            "GREENFLASH_PRODUCT_ID": PRODUCT,
            "GREENFLASH_BASE_URL": greenflash_emulator.base_url,
            "GREENFLASH_OUTBOX": str(tmp_path / "outbox"),
        },
    )
    (conversation,) = greenflash_emulator.conversations()
    assert [message.content for message in conversation.messages] == ["a", "ho"], done.stderr.decode()
    with closing(outbox_for(tmp_path / "outbox", greenflash_emulator.base_url, PRODUCT)) as outbox:
        assert outbox.get_stats().accepted == 0
