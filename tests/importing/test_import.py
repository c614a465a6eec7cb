"""``import`` of every format but OTLP, into a local Greenflash: once, twice, interrupted, redacted, as a dry run."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from greenflash_otel.cli import import_lines, main
from greenflash_otel.cli.parser import FORMATS
from greenflash_otel.importing import file_formats
from greenflash_otel.model.telemetry import SpanRecord
from greenflash_otel.pipeline import Pipeline
from greenflash_otel.testing import Emulator, StoredConversation
from tests.conftest import make_environment
from tests.importing.files import (
    BATCH_INPUT,
    BATCH_OUTPUT,
    CHAT,
    FILES,
    MESSAGES,
    OUTCOMES,
    TRAINING,
    answer,
    completion,
    in_lines,
    said,
)


@pytest.fixture(autouse=True)
def set_up(monkeypatch: pytest.MonkeyPatch, greenflash_emulator: Emulator, tmp_path: Path) -> None:
    """Set everything that an import needs."""
    for name, value in make_environment(greenflash_emulator, tmp_path / "outbox").items():
        monkeypatch.setenv(name, value)


def write(folder: Path, files: Mapping[str, bytes]) -> list[str]:
    """Write files that were changed last on 2024-06-01; return their paths."""
    paths = []
    for name, content in files.items():
        path = folder / name
        path.write_bytes(content)
        os.utime(path, (1717200000, 1717200000))
        paths.append(str(path))
    return paths


def run(paths: Iterable[str], *options: str) -> int:
    """Run the command."""
    return main(["import", "--timeout", "30", *options, *paths])


def told(conversation: StoredConversation) -> list[tuple[str, str | None, str]]:
    """The messages of a conversation: type, content, time."""
    return [
        (message.type, message.content, str(message.created_at)[11:19]) for message in conversation.messages
    ]


def everything(emulator: Emulator) -> list[Any]:
    """All that is stored, so that it can be compared."""
    return [[c.external_id, told(c), [o.body for o in c.outcomes]] for c in emulator.conversations()] + [
        o.body for o in emulator.outcomes()
    ]


def test_the_formats_of_the_command() -> None:
    """The command offers those that are read."""
    assert sorted(FORMATS) == sorted(file_formats.FORMATS)


@pytest.mark.parametrize("format", FILES)
def test_twice_is_once(
    format: str, greenflash_emulator: Emulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The format is found and said. The second run, also with an empty outbox, changes nothing."""
    paths = write(tmp_path, FILES[format])
    assert run(paths) == 0
    reported = capsys.readouterr().err
    assert reported == "".join(f"{path}: read as {format}.\n" for path in paths)
    stored = everything(greenflash_emulator)
    assert stored
    assert run(paths) == 0
    capsys.readouterr()
    assert run(paths, "--outbox", str(tmp_path / "other"), "--format", format) == 0
    assert "read as" not in capsys.readouterr().err
    assert everything(greenflash_emulator) == stored


def test_a_conversation_in_a_line(greenflash_emulator: Emulator, tmp_path: Path) -> None:
    """Whose it is, types, times and parents, as if it had been captured."""
    assert run(write(tmp_path, {"chat.jsonl.gz": gzip.compress(in_lines(CHAT))})) == 0
    trip = greenflash_emulator.conversation("trip")
    assert (trip.external_user_id, trip.external_organization_id, trip.model, trip.system_prompt) == (
        "ada",
        "acme",
        "gpt-4o",
        "Be brief.",
    )
    assert trip.properties == {"plan": "free"}
    assert told(trip) == [
        ("user_message", "Is it warm?", "10:00:00"),
        ("tool_call", None, "10:00:01"),
        ("observation", None, "10:00:02"),
        ("final_response", "Yes.", "10:00:03"),
        ("user_message", "Yes?", "10:00:04"),
        ("assistant_message", "Yes.", "10:00:05"),
    ]


def test_messages_in_lines(greenflash_emulator: Emulator, tmp_path: Path) -> None:
    """Times are the order if each message has one, else lines are. Then the file's time counts."""
    paths = write(tmp_path, {"a.jsonl": in_lines(*MESSAGES[:2]), "b.jsonl": in_lines(*MESSAGES[2:])})
    assert run(paths) == 0
    assert [said[1:] for said in told(greenflash_emulator.conversation("one"))] == [
        ("A?", "10:00:00"),
        ("A again?", "10:00:05"),
        ("A.", "10:00:09"),
    ]
    two = greenflash_emulator.conversation("two").messages
    assert [(message.content, message.created_at) for message in two] == [
        ("B?", "2024-06-01T00:00:00.000000Z"),
        ("B.", "2024-06-01T00:00:00.001000Z"),
    ]


def test_a_conversation_that_grew(greenflash_emulator: Emulator, tmp_path: Path) -> None:
    """Only what is new is added."""
    assert run(write(tmp_path, {"chat.jsonl": in_lines(CHAT)})) == 0
    more = {**CHAT, "messages": [*CHAT["messages"], {"role": "user", "content": "Yes."}]}
    assert run(write(tmp_path, {"chat.jsonl": in_lines(more)})) == 0
    messages = greenflash_emulator.conversation("trip").messages
    assert [message.content for message in messages] == [
        "Is it warm?",
        None,
        None,
        "Yes.",
        "Yes?",
        "Yes.",
        "Yes.",
    ]


def test_a_batch(greenflash_emulator: Emulator, tmp_path: Path) -> None:
    """Answers find their requests by ``custom_id``, whatever their order; failures say why."""
    assert run(write(tmp_path, FILES["openai-batch"])) == 0
    found = {c.messages[0].content: c.messages[1] for c in greenflash_emulator.conversations()}
    assert {question: message.content for question, message in found.items()} == {
        "First?": "First.",
        "Second?": "Second.",
        "Third?": None,
        "Fourth?": None,
    }
    first = found["First?"].properties
    assert first is not None
    assert (first["custom_id"], first["input_tokens"], "latency_ms" in first) == ("a", 3, False)
    assert (found["Second?"].properties or {})["latency_ms"] == 2000
    assert (found["Third?"].properties or {})["http_status"] == 400
    assert (found["Fourth?"].properties or {})["error"] == {"type": "batch_expired", "message": "late"}


def test_a_batch_that_is_not_whole(
    greenflash_emulator: Emulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A request without its answer, an answer without its request, and a name that is there twice are reported."""
    files = {
        "in.jsonl": in_lines(*BATCH_INPUT, BATCH_INPUT[0]),
        "out.jsonl": in_lines(*BATCH_OUTPUT, answer("z", completion("?", "chatcmpl-z")), BATCH_OUTPUT[0]),
    }
    inputs, outputs = write(tmp_path, files)
    assert run([outputs, inputs]) == 1
    reported = capsys.readouterr().err
    assert f"{inputs}, line 3: no answer to it, nor to 1 others" in reported
    assert f"{inputs}, line 5: its custom_id is that of {inputs}, line 1" in reported
    assert f"{outputs}, line 3: its request is in none of the files" in reported
    assert f"{outputs}, line 4: its request" in reported
    assert len(greenflash_emulator.conversations()) == 2


def test_training_files(greenflash_emulator: Emulator, tmp_path: Path) -> None:
    """A line is a conversation, named by what is said in it; ``--at`` says when it was."""
    lines = in_lines(TRAINING, {"input": {}, "preferred_output": [], "non_preferred_output": []}, TRAINING)
    assert run(write(tmp_path, {"train.jsonl": lines}), "--at", "2023-01-01") == 1
    [conversation] = greenflash_emulator.conversations()
    assert str(conversation.external_id).startswith("import-")
    assert [(message.content, str(message.created_at)[:10]) for message in conversation.messages] == [
        ("How?", "2023-01-01"),
        ("So.", "2023-01-01"),
    ]


def test_outcomes(greenflash_emulator: Emulator, tmp_path: Path) -> None:
    """Rows of CSV and lines of JSON are outcomes, linked and at their times."""
    assert run(write(tmp_path, {"chat.jsonl": in_lines(CHAT), **FILES["outcomes"]})) == 0
    bodies = [outcome.body for outcome in greenflash_emulator.outcomes()]
    upgrade = next(body for body in bodies if body.get("properties") == {"plan": "pro"})
    assert (upgrade["value"], upgrade["valueType"], upgrade["externalConversationId"]) == (
        "149.00",
        "currency",
        "trip",
    )
    assert upgrade["eventAt"] == "2024-05-02T06:00:00.000Z"
    assert str(upgrade["insertId"]).startswith("import-")
    lead = next(body for body in bodies if body["eventType"] == "lead")
    assert (lead["insertId"], lead["externalUserId"], lead["properties"]) == ("lead-1", "bob", {"from": "ad"})
    assert lead["eventAt"] == "2024-06-01T00:00:00.000Z"
    assert len(greenflash_emulator.conversation("trip").outcomes) == 2


def test_a_wrong_header(
    greenflash_emulator: Emulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, and nothing of the file is imported."""
    [path] = write(tmp_path, {"o.csv": OUTCOMES.replace(b"value_type", b"kind")})
    assert run([path]) == 2
    assert f"{path}: 'kind' is no column" in capsys.readouterr().err
    assert greenflash_emulator.outcomes() == ()


@pytest.mark.parametrize("format", ["chat", "fine-tuning", "outcomes"])
def test_an_import_that_was_interrupted(
    format: str,
    greenflash_emulator: Emulator,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It ends in the middle, says what to do, and the next run brings the rest, nothing twice."""
    lines = {
        "chat": [said(f"c{n}", "user", "Hello?", 1) for n in range(9)],
        "fine-tuning": [{"messages": [{"role": "user", "content": f"Number {n}?"}]} for n in range(9)],
        "outcomes": [{"event_type": "lead", "user_id": f"u{n}"} for n in range(9)],
    }
    paths = write(tmp_path, {"file.jsonl": in_lines(*lines[format])})
    monkeypatch.setattr(import_lines, "BATCH", 2)
    name, calls = ("take_outcomes" if format == "outcomes" else "take"), 0
    take = getattr(Pipeline, name)

    def take_three(pipeline: Pipeline, records: Iterable[SpanRecord]) -> bool:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        return bool(take(pipeline, records))

    with monkeypatch.context() as patch:
        patch.setattr(Pipeline, name, take_three)
        assert run(paths) == 130
    assert "Run the same command again" in capsys.readouterr().err
    assert run(paths) == 0
    if format == "outcomes":
        assert sorted(str(o.external_user_id) for o in greenflash_emulator.outcomes()) == [
            f"u{n}" for n in range(9)
        ]
    else:
        conversations = greenflash_emulator.conversations()
        assert (len(conversations), {len(each.messages) for each in conversations}) == (9, {1})


def test_a_dry_run(greenflash_emulator: Emulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It says what would be sent. Nothing is sent, and no outbox is made."""
    paths = write(tmp_path, {name: text for files in FILES.values() for name, text in files.items()})
    assert run(paths, "--dry-run") == 0
    assert capsys.readouterr().out == (
        "Would send 21 messages of 8 conversations, 4 outcomes and 0 ratings in 12 requests."
        " Nothing was sent or stored.\n"
    )
    assert run(paths, "--dry-run", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["schema"], said["messages"], said["outcomes"], said["exit"]) == ("import/1", 21, 4, 0)
    assert greenflash_emulator.requests() == ()
    assert not (tmp_path / "outbox").exists()
    assert run(paths, "--json") == 0
    assert json.loads(capsys.readouterr().out)["delivered"] == 25


def test_what_settings_say(greenflash_emulator: Emulator, tmp_path: Path) -> None:
    """Redaction and content capture apply as in capture; with a key nobody can guess ids."""
    mail = {"messages": [{"role": "user", "content": "I am ada@example.com."}]}
    paths = write(tmp_path, {"train.jsonl": in_lines(mail)})
    assert run(paths, "--redact", "emails") == 0
    assert run(paths, "--id-key-file", *write(tmp_path, {"key": b"secret"})) == 0
    names = {conversation.external_id for conversation in greenflash_emulator.conversations()}
    texts = [str(c.messages[0].content) for c in greenflash_emulator.conversations()]
    assert (len(names), sum("ada@example.com" in text for text in texts)) == (2, 1)
    silent = write(tmp_path, {"chat.jsonl": in_lines(CHAT)})
    assert run(silent, "--capture-content", "false") == 0
    sent = json.dumps([request.body for request in greenflash_emulator.requests()])
    assert ("trip" in sent, "Is it warm?" in sent, "20 degrees" in sent) == (True, False, False)
    assert run(write(tmp_path, {"o.jsonl": in_lines(said("x", "user", "Hm?"))}), "--sample-rate", "0") == 0
    assert "Hm?" not in json.dumps([request.body for request in greenflash_emulator.requests()])


def test_from_is_for_spans(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, and what to do."""
    assert run(write(tmp_path, FILES["chat"]), "--from", "9") == 2
    assert "Run the same command without it" in capsys.readouterr().err
