"""The fixture that users of this library get, as they would use it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from greenflash_otel import testing

CONFTEST = 'pytest_plugins = ["greenflash_otel.testing.plugin"]\n'
A_USERS_TEST = """
import httpx
from greenflash_otel.testing import Emulator, StoredConversation, render

SAID = [{"role": "user", "content": "hi"}]
BODY = {"externalUserId": "ada", "externalConversationId": "c", "messages": SAID}

def post(emulator: Emulator) -> StoredConversation:
    httpx.post(f"{emulator.base_url}/messages", json=BODY, headers={"authorization": "Bearer x"})
    (conversation,) = emulator.conversations()
    return conversation

def test_one(greenflash_emulator):
    assert render(post(greenflash_emulator)) == "conversation c (user ada)\\n  user_message  hi"

def test_another_begins_empty(greenflash_emulator):
    assert len(post(greenflash_emulator).messages) == 1
"""


def test_a_users_tests_run(tmp_path: Path) -> None:
    """A conftest line and the fixture's name are enough; each test gets an empty emulator."""
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_theirs.py").write_text(A_USERS_TEST)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-W",
        "error",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:asyncio",
        ".",
    ]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert "2 passed" in run.stdout, run.stdout + run.stderr


def test_the_public_names_are_there() -> None:
    """Everything that ``__all__`` promises can be had."""
    assert [name for name in testing.__all__ if not hasattr(testing, name)] == []
