"""What a process that simply ends, or that says nothing of its content, leaves behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import greenflash_otel as greenflash
from greenflash_otel.delivery import inspector
from greenflash_otel.testing import Emulator
from tests.chat import client_saying
from tests.conftest import PRODUCT

SECRET = "my card is 4111-1111"


def say(answer: str, question: str) -> None:
    client_saying([answer]).chat.completions.create(
        model="gpt-4o-mini", messages=[{"role": "user", "content": question}]
    )


def start(emulator: Emulator, **settings: Any) -> greenflash.Pipeline:
    return greenflash.instrument(
        api_key="gf_test", product_id=PRODUCT, base_url=emulator.base_url, **settings
    )


def test_a_process_that_ends_without_a_word_has_delivered_everything(
    greenflash_emulator: Emulator, tmp_path: Path
) -> None:
    """Neither flush() nor shutdown() is called; the end of the interpreter is enough."""
    program = (
        "import greenflash_otel as greenflash\n"
        "from tests.test_process import say\n"
        "greenflash.instrument()\n"
        "with greenflash.conversation('c'):\n"
        "    say('ho', 'hi')\n"
        "    greenflash.record_outcome('upgrade')\n"
    )
    environment = {
        **os.environ,
        "GREENFLASH_API_KEY": "gf_test",
        "GREENFLASH_PRODUCT_ID": PRODUCT,
        "GREENFLASH_BASE_URL": greenflash_emulator.base_url,
        "GREENFLASH_OUTBOX": str(tmp_path / "outbox"),
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        env=environment,
        cwd=Path(__file__).parents[1],
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    stored = greenflash_emulator.conversation("c")
    assert [message.content for message in stored.messages] == ["hi", "ho"]
    assert [outcome.event_type for outcome in stored.outcomes] == ["upgrade"]
    [(folder, destination)] = inspector.list_destinations(tmp_path / "outbox")
    with inspector.inspecting(folder, destination) as left:
        assert list(left.list_entries()) == []


def test_with_capture_off_no_text_leaves_the_process(greenflash_emulator: Emulator, tmp_path: Path) -> None:
    """Not to Greenflash and not to the disk; the outcome still arrives."""
    pipeline = start(greenflash_emulator, capture_content=False, outbox=tmp_path / "outbox")
    with greenflash.conversation("c"):
        say(SECRET, SECRET)
        greenflash.record_outcome("upgrade")
    on_disk = b"".join(path.read_bytes() for path in (tmp_path / "outbox").iterdir())
    assert pipeline.flush(10)
    assert SECRET not in str(greenflash_emulator.requests())
    assert SECRET.encode() not in on_disk
    assert [outcome.event_type for outcome in greenflash_emulator.outcomes()] == ["upgrade"]


def test_redaction_comes_before_anything_is_stored(greenflash_emulator: Emulator, tmp_path: Path) -> None:
    """Neither Greenflash nor the disk ever sees the original; a function that fails hides the text."""
    paths = []

    def redact(text: str, path: str) -> str:
        paths.append(path)
        if "broken" in text:
            raise ValueError(text)
        return text.replace(SECRET, "[card]")

    pipeline = start(greenflash_emulator, redact=redact, outbox=tmp_path / "outbox")
    with greenflash.conversation("c", properties={"note": SECRET}):
        say(f"ok {SECRET}", "broken")
        greenflash.record_outcome("upgrade", properties={"note": SECRET})
    on_disk = b"".join(path.read_bytes() for path in (tmp_path / "outbox").iterdir())
    assert pipeline.flush(10)
    stored = greenflash_emulator.conversation("c")
    assert [message.content for message in stored.messages] == ["[redaction failed]", "ok [card]"]
    assert stored.properties == {"note": "[card]"}
    assert [outcome.properties for outcome in stored.outcomes] == [{"note": "[card]"}]
    assert SECRET.encode() not in on_disk
    assert {"messages.content", "properties.note", "outcome.properties.note"} <= set(paths)
