"""`greenflash-otel import` of spans and of the log records that say what was said in them."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from greenflash_otel.gateway.imported_logs import BATCH_CHARS, ImportedLogs
from greenflash_otel.gateway.otlp_files import CUT, log_parts_of, parts_of
from greenflash_otel.model.telemetry import LogRecord, SpanRecord
from greenflash_otel.testing import Emulator
from tests.conftest import make_environment
from tests.gateway.test_files import import_
from tests.gateway.test_gateway import attributes
from tests.gateway.test_logs import IDS, in_protobuf, logs_in_json
from tests.gateway.test_otlp import in_json

START_NS = 1_600_000_000_000_000_000
MINUTE_NS = 60 * 10**9


def span_line(number: int, conversation: str = "old") -> bytes:
    """A model call that says nothing of what was said, on a line."""
    begin = START_NS + number * MINUTE_NS
    named = {
        "gen_ai.operation.name": "chat",
        "gen_ai.system": "openai",
        "gen_ai.conversation.id": conversation,
    }
    return in_json(
        traceId=f"{number:032x}",
        spanId=f"{number:016x}",
        startTimeUnixNano=str(begin),
        endTimeUnixNano=str(begin + 10**9),
        attributes=attributes(named),
    )


def log_lines(number: int, question: str, answer: str) -> list[bytes]:
    """The two log records of a call, each on a line."""
    ids = {"traceId": f"{number:032x}", "spanId": f"{number:016x}"}

    def line(name: str, body: list[dict[str, Any]], at_s: int) -> bytes:
        time_ns = START_NS + number * MINUTE_NS + at_s * 10**8
        values = {"kvlistValue": {"values": body}}
        return logs_in_json(**ids, eventName=name, timeUnixNano=str(time_ns), body=values, attributes=[])

    return [
        line("gen_ai.user.message", attributes({"content": question}), 1),
        line("gen_ai.choice", [*attributes({"index": 0, "finish_reason": "stop"}), _message(answer)], 9),
    ]


def _message(text: str) -> dict[str, Any]:
    fields = attributes({"role": "assistant", "content": text})
    return {"key": "message", "value": {"kvlistValue": {"values": fields}}}


SPANS = [span_line(1), span_line(2)]
LOGS = [*log_lines(1, "When?", "In May."), *log_lines(2, "By train?", "Yes.")]
SAID = ["When?", "In May.", "By train?", "Yes."]


def write(folder: Path, **files: list[bytes]) -> list[Path]:
    """Write files of lines; return their paths in this order."""
    paths = []
    for name, lines in files.items():
        paths.append(folder / name)
        paths[-1].write_bytes(b"".join(line + b"\n" for line in lines))
    return paths


def told(emulator: Emulator, conversation: str = "old") -> list[str | None]:
    """What arrived of a conversation."""
    return [message.content for message in emulator.conversation(conversation).messages]


FILES: dict[str, dict[str, list[bytes]]] = {
    "spans first": {"spans": SPANS, "logs": LOGS},
    "log records first": {"logs": LOGS, "spans": SPANS},
    "one file": {"both": [LOGS[3], SPANS[1], LOGS[0], LOGS[2], SPANS[0], LOGS[1]]},
    "many files": {"a": LOGS[:1], "b": SPANS[:1], "c": LOGS[1:3], "d": SPANS[1:], "e": LOGS[3:]},
    "twice": {"spans": SPANS, "logs": LOGS + LOGS, "more": SPANS},
    "one line": {
        "both": [json.dumps({**json.loads(SPANS[0]), **json.loads(LOGS[0])}).encode(), *LOGS[1:], SPANS[1]]
    },
}


@pytest.mark.parametrize("name", FILES)
def test_one_call_imports_both(name: str, greenflash_emulator: Emulator, tmp_path: Path) -> None:
    """The whole conversation arrives, in order, whichever file comes first; importing it again adds nothing."""
    paths = write(tmp_path, **FILES[name])
    for number in (4, 0):
        done = import_(greenflash_emulator, tmp_path / "outbox", *paths)
        assert (done.returncode, done.stderr) == (0, "")
        assert f"accepted {number} = delivered {number}" in done.stdout
    assert sorted(map(str, told(greenflash_emulator))) == sorted(SAID)


def test_logs_in_a_call_of_their_own(greenflash_emulator: Emulator, tmp_path: Path) -> None:
    """Log records whose spans are in no file are no failure, and wait for spans of the next import."""
    logs, spans = write(tmp_path, logs=LOGS, spans=SPANS)
    first = import_(greenflash_emulator, tmp_path / "outbox", logs)
    assert (first.returncode, first.stderr) == (0, "The spans of 4 log records are in none of the files.\n")
    done = import_(greenflash_emulator, tmp_path / "outbox", spans)
    assert (done.returncode, told(greenflash_emulator)) == (0, SAID)
    again = import_(greenflash_emulator, tmp_path / "outbox", logs, spans)
    assert (again.returncode, told(greenflash_emulator)) == (0, SAID)


def test_spans_in_a_call_before(greenflash_emulator: Emulator, tmp_path: Path) -> None:
    """Spans that say nothing wait for the log records of the next import."""
    logs, spans = write(tmp_path, logs=LOGS, spans=SPANS)
    assert import_(greenflash_emulator, tmp_path / "outbox", spans).returncode == 0
    assert import_(greenflash_emulator, tmp_path / "outbox", logs).returncode == 0
    assert told(greenflash_emulator) == SAID


def test_lines_that_are_cut(greenflash_emulator: Emulator, tmp_path: Path) -> None:
    """A cut line costs itself: in a file of log records, at the end, or as the first of a file."""
    spans, logs = write(tmp_path, spans=[SPANS[0][40:], *SPANS], logs=[*LOGS, LOGS[0][:-30]])
    logs.write_bytes(logs.read_bytes()[:-1])
    done = import_(greenflash_emulator, tmp_path / "outbox", spans, logs)
    assert (done.returncode, done.stderr.count("not JSON")) == (1, 2)
    assert told(greenflash_emulator) == SAID


def test_packed_and_cut(tmp_path: Path) -> None:
    """Of a packed file that ends in the middle, what is whole is read."""
    path = tmp_path / "both.gz"
    lines = b"\n".join([*SPANS, *LOGS]) + b"\n"
    packed = gzip.compress(lines + os.urandom(30_000).hex().encode())
    path.write_bytes(packed[: len(packed) - 12_000])
    parts = list(parts_of(path))
    assert [len(part.spans.records) for part in parts][:2] == [1, 1]
    assert [part.problem for part in parts if part.problem] == [CUT]
    assert sum(len(part.logs.records) for part in log_parts_of(path)) == len(LOGS)


def test_protobuf(tmp_path: Path) -> None:
    """A protobuf file of log records is distinguished from one of spans."""
    path = tmp_path / "logs.binpb"
    path.write_bytes(in_protobuf(**IDS, event_name="gen_ai.user.message", time_unix_nano=7))
    assert [len(part.logs.records) for part in log_parts_of(path)] == [1]
    assert [(len(part.spans.records), part.problem, part.spans.rejected) for part in parts_of(path)] == [
        (0, "", {})
    ]
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add()
    span.trace_id, span.span_id = IDS["trace_id"], IDS["span_id"]
    path.write_bytes(request.SerializeToString())
    assert [len(part.spans.records) for part in parts_of(path)] == [1]
    assert list(log_parts_of(path)) == []


def test_the_records_of_a_large_file(tmp_path: Path) -> None:
    """Spans with large log records come in groups; each has its own, and what no span has is listed."""
    text = "x" * (BATCH_CHARS // 3)
    spans = [SpanRecord("a" * 32, f"{number:016x}", "chat", 1, 2) for number in range(10)]
    with ImportedLogs() as logs:
        for span in [*spans, SpanRecord("b" * 32, "b" * 16, "chat", 1, 2)]:
            logs.add([LogRecord(span.trace_id, span.span_id, "gen_ai.user.message", 1, {"content": text})])
        groups = list(logs.join(spans))
        assert [len(group) for group in groups] == [3, 3, 3, 1]
        joined = [span for group in groups for span in group]
        assert [span.span_id for span in joined] == [span.span_id for span in spans]
        assert all(len(span.events) == 1 for span in joined)
        assert [log.trace_id for some in logs.list_unjoined() for log in some] == ["b" * 32]


def start_import(emulator: Emulator, outbox: Path, *paths: Path) -> subprocess.Popen[bytes]:
    """Run the command and do not wait."""
    return subprocess.Popen(
        [sys.executable, "-m", "greenflash_otel", "import", *map(str, paths)],
        env=make_environment(emulator, outbox),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


MANY = 400
MANY_SPANS = [span_line(number, f"c{number // 4}") for number in range(1, MANY + 1)]
MANY_LOGS = [
    line for number in range(1, MANY + 1) for line in log_lines(number, f"Q{number}?", f"Answer {number}.")
]


def expect_all(emulator: Emulator) -> None:
    """Every conversation has each of its messages once, in order."""
    for conversation in range(MANY // 4 + 1):
        numbers = [number for number in range(1, MANY + 1) if number // 4 == conversation]
        said = [text for number in numbers for text in (f"Q{number}?", f"Answer {number}.")]
        assert told(emulator, f"c{conversation}") == said


@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGINT])
def test_an_import_that_is_interrupted(
    stop: signal.Signals, greenflash_emulator: Emulator, tmp_path: Path
) -> None:
    """Run again, it sends the rest, and nothing twice."""
    paths = write(tmp_path, spans=MANY_SPANS, logs=MANY_LOGS)
    running = start_import(greenflash_emulator, tmp_path / "outbox", *paths)
    deadline = time.monotonic() + 60
    while not greenflash_emulator.conversations() and time.monotonic() < deadline:
        assert running.poll() is None
    running.send_signal(stop)
    _, said = running.communicate(timeout=60)
    if stop == signal.SIGINT and b"To go on: " in said:
        command = said.decode().split("To go on: ")[1].split()
        assert command[:3] == ["greenflash-otel", "import", "--from"]
        assert command[4:6] == [str(path) for path in paths]
        done = import_(greenflash_emulator, tmp_path / "outbox", *command[2:6])
    else:
        done = import_(greenflash_emulator, tmp_path / "outbox", *paths)
    assert (done.returncode, done.stderr) == (0, "")
    expect_all(greenflash_emulator)


def test_two_imports_at_once(greenflash_emulator: Emulator, tmp_path: Path) -> None:
    """Two processes that import the same files send the same messages."""
    paths = write(tmp_path, spans=MANY_SPANS, logs=MANY_LOGS)
    both = [start_import(greenflash_emulator, tmp_path / "outbox", *paths) for _ in range(2)]
    assert [running.communicate(timeout=120) and running.returncode for running in both] == [0, 0]
    expect_all(greenflash_emulator)
