"""Files of spans: every format, broken lines, going on where it stopped; and the command for them."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

from greenflash_otel.gateway.otlp_files import parts_of, size_of
from greenflash_otel.model.operation import ConversationContext, Message, Operation, Text
from greenflash_otel.semconv.genai import attributes_of
from greenflash_otel.testing import Emulator
from tests.conftest import make_environment
from tests.gateway.test_gateway import attributes
from tests.gateway.test_otlp import in_json, made


def line(number: int) -> bytes:
    """A request with one span, on a line."""
    return in_json(spanId=f"{number:016x}") + b"\n"


LINES = line(1) + b"\n" + line(2) + line(3)
FILES: dict[str, tuple[bytes, int]] = {
    "lines": (LINES, 3),
    "lines without a last break": (LINES[:-1], 3),
    "a document": (in_json(name="x").replace(b", ", b",\n  "), 1),
    "protobuf": (encode_spans(made({})).SerializeToString(), 2),
    "nothing": (b"", 0),
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", FILES)
def test_formats(name: str, packed: bool, tmp_path: Path) -> None:
    """All spans of a file, and how far it was read."""
    content, spans = FILES[name]
    path = tmp_path / "spans"
    path.write_bytes(gzip.compress(content) if packed else content)
    parts = list(parts_of(path))
    assert sum(len(part.spans.records) for part in parts) == spans
    assert parts[-1].end == len(content)
    assert size_of(path) == (None if packed else len(content))


def test_a_broken_line(tmp_path: Path) -> None:
    """It is told, and the others are read."""
    path = tmp_path / "spans"
    path.write_bytes(line(1) + b'{"resourceSpans": [\n' + line(2))
    parts = list(parts_of(path))
    assert [(len(part.spans.records), bool(part.problem)) for part in parts] == [
        (1, False),
        (0, True),
        (1, False),
    ]


def test_going_on(tmp_path: Path) -> None:
    """From the end of any part on, the rest comes."""
    path = tmp_path / "spans"
    path.write_bytes(LINES)
    whole = list(parts_of(path))
    for done, part in enumerate(whole[:-1], 1):
        assert list(parts_of(path, part.end)) == whole[done:]


def import_(emulator: Emulator, outbox: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    return subprocess.run(
        [sys.executable, "-m", "greenflash_otel", "import", *map(str, arguments)],
        env=make_environment(emulator, outbox),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def said(number: int, text: str) -> dict[str, Any]:
    """A span in which somebody says something, at a time of its own."""
    operation = Operation("chat", ConversationContext("old"), input=(Message("user", (Text(text),)),))
    time_ns = 1_600_000_000_000_000_000 + number * 10**9
    return {
        "spanId": f"{number:016x}",
        "startTimeUnixNano": str(time_ns),
        "endTimeUnixNano": str(time_ns + 1),
        "attributes": attributes(attributes_of(operation)),
    }


def test_the_command(greenflash_emulator: Emulator, tmp_path: Path) -> None:
    """History arrives with its times; once more adds nothing; a broken line and a missing file are told."""
    path, outbox = tmp_path / "spans.jsonl", tmp_path / "outbox"
    path.write_bytes(b"\n".join(in_json(**said(n, text)) for n, text in enumerate(["one", "two"], 1)))
    for told in (2, 0):
        done = import_(greenflash_emulator, outbox, path)
        assert (done.returncode, done.stdout) == (0, done.stdout)
        assert f"accepted {told} = delivered {told}" in done.stdout
    messages = greenflash_emulator.conversation("old").messages
    assert [message.content for message in messages] == ["one", "two"]
    assert str(messages[0].created_at).startswith("2020-09-13")
    path.write_bytes(path.read_bytes() + b"\n{\n")
    broken = import_(greenflash_emulator, outbox, "--from", 1, path)
    assert (broken.returncode, "not JSON" in broken.stderr) == (1, True)
    missing = import_(greenflash_emulator, outbox, tmp_path / "nowhere")
    assert (missing.returncode, "No such file" in missing.stderr) == (2, True)
