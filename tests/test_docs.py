"""Every Python block of the README and the docs runs, and the generated pages are up to date."""

from __future__ import annotations

import json
import re
import runpy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SpanExportResult

import greenflash_otel as greenflash
from greenflash_otel import runtime
from greenflash_otel.demo.replay import Replay
from greenflash_otel.semconv.convention import Convention, sort_by_precedence
from greenflash_otel.semconv.conversation_attributes import ConversationAttributes
from greenflash_otel.semconv.genai import attributes_of
from greenflash_otel.semconv.registry import CONVENTIONS
from greenflash_otel.testing import Emulator
from tests.chat import completion
from tests.conftest import PRODUCT
from tests.instrumentation.openai.replies import message_item, response
from tests.instrumentation.openai.server import Server, document
from tests.semconv.golden_spans import span_in
from tests.test_process import say

ROOT = Path(__file__).parents[1]
ENVIRONMENT = {
    "OPENAI_API_KEY": "sk-test",
    "GREENFLASH_API_KEY": "gf_test",
    "GREENFLASH_PRODUCT_ID": PRODUCT,
}
RECORDED = {"path": "/v1/chat/completions", "status": 200, "content_type": "application/json"}
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("**/*.md")),
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
]


def test_the_readme_block_captures_what_it_says(
    greenflash_emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The block of the README, set up by environment variables, makes the conversation it shows."""
    question, answer = "Can I invite my whole team?", "Yes, on the team plan."
    [code] = re.findall(r"```python\n(.*?)```", PAGES[0].read_text(), re.DOTALL)
    body = completion(answer, "gpt-4o-mini")
    with Replay([{**RECORDED, "to": question, "body": body}]) as openai:
        for name, value in {**ENVIRONMENT, "OPENAI_BASE_URL": openai.base_url}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("GREENFLASH_BASE_URL", greenflash_emulator.base_url)
        space: dict[str, Any] = {}
        exec(compile(code, "README.md", "exec"), space)
        space["client"].close()
    assert greenflash.flush(10)
    stored = greenflash_emulator.conversation("chat-42")
    assert [message.content for message in stored.messages] == [question, answer]
    assert [outcome.value for outcome in stored.outcomes] == ["149.00"]


def test_the_index_begins_as_the_readme() -> None:
    """With the same block, which the test above runs."""
    [code] = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "index.md").read_text(), re.DOTALL)
    assert f"```python\n{code}```" in PAGES[0].read_text()


def test_the_block_about_background_responses(
    greenflash_emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The block of ``openai.md`` makes one turn of an answer that is fetched."""
    [code] = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "openai.md").read_text(), re.DOTALL)
    queued = document(response("queued", background=True))
    fetched = document(response("completed", [message_item("Drops.")], background=True))
    with Server(queued, fetched) as openai:
        for name, value in {**ENVIRONMENT, "OPENAI_BASE_URL": openai.url}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("GREENFLASH_BASE_URL", greenflash_emulator.base_url)
        space: dict[str, Any] = {}
        exec(compile(code, "openai.md", "exec"), space)
        space["client"].close()
    assert greenflash.flush(10)
    said = [message.content for message in greenflash_emulator.conversation("chat-7").messages]
    assert said == ["Write a poem about rain.", "Drops."]


def test_the_blocks_about_langchain(greenflash_emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """The blocks of ``langchain.md`` make the conversations that they name."""
    agent, handler = re.findall(
        r"```python\n(.*?)```", (ROOT / "docs" / "langchain.md").read_text(), re.DOTALL
    )
    question, answer = "What is the capital of Mexico?", "Mexico City."
    with Replay([{**RECORDED, "to": question, "body": completion(answer, "gpt-4o-mini")}]) as openai:
        for name, value in {**ENVIRONMENT, "OPENAI_BASE_URL": openai.base_url}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("GREENFLASH_BASE_URL", greenflash_emulator.base_url)
        for code, talk in ((agent, "chat-8"), (handler, "chat-9")):
            exec(compile(code, "langchain.md", "exec"), {})
            assert greenflash.flush(10)
            stored = greenflash_emulator.conversation(talk)
            assert [message.content for message in stored.messages] == [question, answer]
            greenflash.shutdown()


def test_the_block_about_verifying_delivery(
    greenflash_emulator: Emulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The block of ``reliability.md`` prints what the page says."""
    page = (ROOT / "docs" / "reliability.md").read_text()
    [code] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    for name, value in {**ENVIRONMENT, "GREENFLASH_BASE_URL": greenflash_emulator.base_url}.items():
        monkeypatch.setenv(name, value)
    exec(compile(code, "reliability.md", "exec"), {})
    printed = capsys.readouterr().out.strip()
    assert printed == "True accepted 1 = delivered 1 + pending 0 + rejected 0 + lost 0"
    assert f"prints `{printed}`" in page


def test_the_block_about_conversations(
    greenflash_emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The block of ``usage.md`` records an outcome of the user that its conversation names."""
    [code] = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "usage.md").read_text(), re.DOTALL)
    for name, value in {**ENVIRONMENT, "GREENFLASH_BASE_URL": greenflash_emulator.base_url}.items():
        monkeypatch.setenv(name, value)
    exec(compile(code, "usage.md", "exec"), {})
    assert greenflash.flush(10)
    [outcome] = greenflash_emulator.outcomes()
    assert (outcome.value, outcome.external_user_id) == ("149.00", "ada")


def test_the_block_about_arguments(greenflash_emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """The block of ``arguments.md`` records an outcome of a user whose id is a number."""
    [code] = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "arguments.md").read_text(), re.DOTALL)
    for name, value in {**ENVIRONMENT, "GREENFLASH_BASE_URL": greenflash_emulator.base_url}.items():
        monkeypatch.setenv(name, value)
    space: dict[str, Any] = {}
    exec(compile(code, "arguments.md", "exec"), space)
    assert greenflash.flush(10)
    [outcome] = greenflash_emulator.outcomes()
    assert (outcome.value, outcome.external_user_id) == ("149.00", "4711")
    assert outcome.insert_id == str(space["order_id"])


def test_the_blocks_about_outcomes(greenflash_emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """The blocks of ``outcomes.md``, and the calls of its table, record what they name."""
    page = (ROOT / "docs" / "outcomes.md").read_text()
    for name, value in {**ENVIRONMENT, "GREENFLASH_BASE_URL": greenflash_emulator.base_url}.items():
        monkeypatch.setenv(name, value)
    space: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(compile(block, "outcomes.md", "exec"), space)
    assert greenflash.flush(10)
    bodies = [request.body for request in greenflash_emulator.requests()]
    linked = [body["eventType"] for body in bodies if body.get("externalConversationId") == "chat-42"]
    assert linked == ["upgrade", "renewal", "upgrade"]
    assert len(bodies) == 6
    table = "\n".join(re.findall(r"`(record_\w+\(.*?\))`", page.partition("## Four applications")[2]))
    with greenflash.conversation("chat-43", user_id="ada"):
        exec(compile(table, "outcomes.md", "exec"), {**vars(greenflash)})
    assert greenflash.flush(10)
    assert len(greenflash_emulator.requests()) == 6 + len(table.splitlines())


def test_the_blocks_about_what_your_code_records(
    greenflash_emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The blocks of ``recording.md``, run one after the other, make the conversation they show."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "recording.md").read_text(), re.DOTALL)
    question, answer = "May I return my bike?", "Yes, within 30 days."
    replies = {question: answer, "And a used one?": "Yes, too."}
    recorded = [{**RECORDED, "to": to, "body": completion(reply, "m")} for to, reply in replies.items()]
    space: dict[str, Any] = {}
    with Replay(recorded) as openai:
        for name, value in {**ENVIRONMENT, "OPENAI_BASE_URL": openai.base_url}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("GREENFLASH_BASE_URL", greenflash_emulator.base_url)
        for block in blocks:
            exec(compile(block, "recording.md", "exec"), space)
        space["client"].close()
    assert greenflash.flush(10)
    stored = greenflash_emulator.conversation(space["conversation_id"])
    assert stored.properties == {"channel": "web", "topic": "returns"}
    bea = "Hi, this is Bea from support."
    said = [message.content for message in stored.messages if message.content]
    assert said == [question, answer, bea, "And a used one?", "Yes, too."]
    prompt = next(
        request.body["systemPrompt"]
        for request in greenflash_emulator.requests()
        if "systemPrompt" in request.body
    )
    assert (prompt["externalPromptId"], prompt["variables"]) == ("support", {"name": "Ada"})
    assert [message.type for message in stored.messages if not message.content] == ["retrieval"]
    assert [(rating.rating, rating.message) for rating in stored.ratings] == [
        (rating, stored.messages[1].external_id) for rating in (1, 0)
    ]
    assert space["found"] == [space["conversation_id"]] * 2


def test_the_worked_example_of_the_conversation_model(capsys: pytest.CaptureFixture[str]) -> None:
    """The block of ``conversation-model.md`` prints what the page shows, and each named test exists."""
    page = (ROOT / "docs" / "conversation-model.md").read_text()
    [code] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(compile(code, "conversation-model.md", "exec"), {})
    assert f"```\n{capsys.readouterr().out}```" in page
    tests = "".join(
        path.read_text() for path in (ROOT / "tests").glob("**/test_*.py") if "node_modules" not in path.parts
    )
    missing = [name for name in re.findall(r"`(test_\w+)`", page) if f"def {name}(" not in tests]
    assert missing == []


def test_the_convention_of_the_page_about_adding_one() -> None:
    """The example of ``adding-a-convention.md`` reads its golden span as it says."""
    page = (ROOT / "docs" / "adding-a-convention.md").read_text()
    [code] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    golden, told = map(json.loads, re.findall(r"```json\n(.*?)```", page, re.DOTALL))
    space: dict[str, Any] = {"__name__": "acme"}
    exec(compile(code, "adding-a-convention.md", "exec"), space)
    convention: Convention = space["CONVENTION"]
    span = span_in(golden)
    operation = convention.read(span)
    assert operation
    context = ConversationAttributes([convention]).read(span.attributes)
    assert attributes_of(replace(operation, conversation_context=context)) == told
    assert convention.read(replace(span, attributes={"acme.kind": "chain"})) is None
    assert convention in sort_by_precedence([*CONVENTIONS, convention])


def test_the_blocks_about_redaction(greenflash_emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first block of ``redaction.md`` redacts for Greenflash, the second for other exporters too."""
    page = (ROOT / "docs" / "redaction.md").read_text()
    own, others = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    for name, value in {**ENVIRONMENT, "GREENFLASH_BASE_URL": greenflash_emulator.base_url}.items():
        monkeypatch.setenv(name, value)
    exec(compile(own, "redaction.md", "exec"), {})
    with greenflash.conversation("chat-1"):
        say("It is late.", "Where is 1234 5678?")
    assert greenflash.flush(10)
    assert greenflash_emulator.conversation("chat-1").messages[0].content == "Where is [booking]?"
    greenflash.shutdown()
    space: dict[str, Any] = {}
    exported: list[str] = []

    def export(_: object, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        exported.extend(span.to_json() for span in spans)
        return SpanExportResult.SUCCESS

    monkeypatch.setattr(ConsoleSpanExporter, "export", export)
    exec(compile(others, "redaction.md", "exec"), space)
    with greenflash.conversation("chat-2"):
        say("I wrote to ada@example.com.", "Who was it?")
    space["provider"].shutdown()
    assert greenflash.flush(10)
    [span] = exported
    assert "[email]" in span
    assert "ada@example.com" not in span
    assert greenflash_emulator.conversation("chat-2").messages[1].content == "I wrote to [email]."


async def test_the_blocks_about_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lifespan of ``servers.md`` ends the pipeline; the hook of Celery is one."""
    page = (ROOT / "docs" / "servers.md").read_text()
    asgi, celery, middleware, frozen = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    for name, value in {**ENVIRONMENT, "GREENFLASH_OUTBOX": ":memory:"}.items():
        monkeypatch.setenv(name, value)
    space: dict[str, Any] = {}
    exec(compile(asgi, "servers.md", "exec"), space)
    async with space["app"].router.lifespan_context(space["app"]):
        assert runtime.find_active_pipeline() is not None
    assert runtime.find_active_pipeline() is None
    with pytest.MonkeyPatch.context() as patch:
        ended: list[bool] = []
        patch.setattr(greenflash, "shutdown", lambda: ended.append(True))
        exec(compile(celery, "servers.md", "exec"), space)
        space["worker_process_shutdown"].send(None)
    assert ended == [True]
    for block in (middleware, frozen):
        exec(compile(block, "servers.md", "exec"), space)
    found = space["find_conversation"]({"headers": [(b"x-chat", b"chat-1")]})
    assert found == {"id": "chat-1", "user_id": None}
    assert space["handle"]({}, None) == {"statusCode": 200}


def test_links_between_pages_lead_somewhere() -> None:
    """A relative link in the docs names a file that exists."""
    broken = [
        (page.name, target)
        for page in PAGES
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
        if not (page.parent / target).exists()
    ]
    assert broken == []


@pytest.mark.parametrize("name", ["settings.md", "command-line.md", "doctor.md"])
def test_generated_pages_are_up_to_date(name: str) -> None:
    """``make docs`` would change nothing."""
    pages = runpy.run_path(str(ROOT / "docs" / "generate.py"))["PAGES"]
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == pages[name]()
