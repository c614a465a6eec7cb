"""A convention may name an operation as no other does: it is one file, one golden span and one row all the same."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from greenflash_otel.conversations.changes import Deferral, DeferralKey, DeferralKind
from greenflash_otel.conversations.persistence import read_waiting, write_waiting
from greenflash_otel.conversations.store import ConversationStore
from greenflash_otel.greenflash_api.request import ApiRequest
from greenflash_otel.ingest.ingest import Ingest
from greenflash_otel.model.operation import ConversationContext, Message, Operation, Text
from greenflash_otel.model.telemetry import OURS, SpanRecord
from greenflash_otel.semconv import genai, registry
from greenflash_otel.semconv.convention import Convention
from greenflash_otel.semconv.conversation_attributes import ConversationAttributes
from greenflash_otel.state_record import StateRecord
from tests.api.wire import ADDRESS
from tests.strategies import span_of

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "adding-a-convention.md"
RERANK = "rerank"
"""A name that occurs nowhere in the package."""
CONTEXT = ConversationContext("chat-42")
SHARED = ("src", "tests/__init__.py", "tests/strategies.py", "tests/semconv")
"""What a checkout needs for the steps of the page."""


class Store:
    """Keeps requests, as an outbox does."""

    def __init__(self) -> None:
        self.requests: list[ApiRequest] = []

    def put(
        self, requests: Iterable[ApiRequest], notes: Sequence[StateRecord] = (), *, converted_id: int = 0
    ) -> Sequence[ApiRequest]:
        """Keep one batch."""
        self.requests += requests
        return ()

    def messages(self) -> list[dict[str, Any]]:
        """Every message that Greenflash would get, in order."""
        return [message for request in self.requests for message in json.loads(request.body)["messages"]]


def read_ranker(span: SpanRecord) -> Operation | None:
    """Read an operation of an invented convention."""
    query, best = span.attributes.get("ranker.query"), span.attributes.get("ranker.best")
    return Operation(
        RERANK,
        input=(Message("user", (Text(str(query)),)),),
        output=(Message("assistant", (Text(str(best)),)),),
    )


RANKER = Convention("Ranker", ("ranker.query",), read_ranker, conversation_attributes=("ranker.chat",))
RANKED = {"ranker.query": "plans?", "ranker.best": "plans.md", "ranker.chat": "chat-42"}


@pytest.fixture
def _has_ranker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Add the row, as the page says."""
    rows = (*registry.CONVENTIONS, RANKER)
    monkeypatch.setattr(registry, "CONVENTIONS", rows)
    monkeypatch.setattr(registry, "MARKERS", {row.name: frozenset(row.marker_attributes) for row in rows})
    monkeypatch.setattr(registry, "MARKER_ATTRIBUTES", registry.MARKER_ATTRIBUTES | {"ranker.query"})
    monkeypatch.setattr(registry, "_CONTEXT", ConversationAttributes(rows))


def chat(number: int, question: str, answer: str) -> SpanRecord:
    """A model call of the conversation."""
    said = (Message("user", (Text(question),)),), (Message("assistant", (Text(answer),)),)
    operation = Operation("chat", CONTEXT, input=said[0], output=said[1])
    return span_of(genai.attributes_of(operation), number=number, trace=number)


@pytest.mark.usefixtures("_has_ranker")
def test_an_operation_with_a_name_of_its_own_is_a_hidden_step() -> None:
    """It follows the question it was made for, and says what it is called."""
    store = Store()
    ingest = Ingest(store, ADDRESS)
    ingest.take([span_of(RANKED, number=1, trace=1), chat(2, "plans?", "Two.")])
    question, step, answer = store.messages()
    assert [message["messageType"] for message in (question, step, answer)] == [
        "user_message",
        "llm",
        "assistant_message",
    ]
    assert step["properties"]["operation"] == RERANK
    assert step["parentExternalMessageId"] == question["externalMessageId"]
    assert "operation" not in answer["properties"]


@pytest.mark.usefixtures("_has_ranker")
def test_of_no_conversation_it_is_counted_and_not_sent() -> None:
    """As any other step: it begins no conversation of its own."""
    store = Store()
    conversations = ConversationStore()
    ingest = Ingest(store, ADDRESS, conversations=conversations)
    attributes = {name: value for name, value in RANKED.items() if name != "ranker.chat"}
    ingest.take([span_of(attributes, number=1, trace=1)])
    ingest.emit_all_waiting()
    assert (store.requests, conversations.dropped_steps) == ([], 1)


def test_it_outlives_the_process_while_it_waits() -> None:
    """State records have it under its name."""
    span = span_of(RANKED)
    operation = replace(read_ranker(span) or Operation(RERANK), conversation_context=CONTEXT)
    key = DeferralKey(DeferralKind.QUESTION, "chat-42")
    found_key, found = read_waiting(write_waiting(key, Deferral(key, span, operation)))
    assert (found_key, isinstance(found, Deferral) and found.operation) == (key, operation)


def test_a_name_of_its_own_is_read_from_our_spans_alone() -> None:
    """Agents and workflows of others have names, too, and say nothing that their model calls do not say."""
    span = span_of(genai.attributes_of(Operation(RERANK, CONTEXT)))
    assert genai.read(span) is None
    assert genai.read(replace(span, scope=OURS)) == Operation(RERANK, CONTEXT)


def test_the_steps_of_the_page_are_all_there_are(tmp_path: Path) -> None:
    """In a copy of the repository: the file, the span and the row, and then the commands of the proof.

    The operation is called `RERANK` there, which needs no fourth file.
    """
    for name in SHARED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        copy(ROOT / name, tmp_path / name)
    page = PAGE.read_text(encoding="utf-8")
    [code] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    golden, operation = map(json.loads, re.findall(r"```json\n(.*?)```", page, re.DOTALL))
    package, spans = tmp_path / "src" / "greenflash_otel" / "semconv", tmp_path / "tests/semconv/golden_spans"
    assert code.count('"chat"') == 1
    (package / "conventions" / "acme.py").write_text(code.replace('"chat"', f'"{RERANK}"'), encoding="utf-8")
    (spans / "acme.json").write_text(json.dumps(golden), encoding="utf-8")
    rows = (package / "registry.py").read_text(encoding="utf-8")
    rows = rows.replace("    adk,\n", "    acme,\n    adk,\n", 1)
    rows = rows.replace("        adk.CONVENTION,\n", "        acme.CONVENTION,\n        adk.CONVENTION,\n", 1)
    (package / "registry.py").write_text(rows, encoding="utf-8")
    run(tmp_path, "-m", "tests.semconv.golden_spans")
    run(
        tmp_path,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-n",
        "0",
        "tests/semconv/test_golden_spans.py",
    )
    found = json.loads((spans / "acme.json").read_text(encoding="utf-8"))["operation"]
    assert found == {**operation, genai.OPERATION_NAME: RERANK}


def run(folder: Path, *arguments: str) -> None:
    """Run Python in the copy, whose package comes before the installed one."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={"PYTHONPATH": f"{folder / 'src'}:{folder}", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
