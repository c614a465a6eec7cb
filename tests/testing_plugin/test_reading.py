"""What tests read beside the tree: branches, and where an outcome was recorded that belongs to nothing."""

from __future__ import annotations

from greenflash_otel.emulator import Emulator
from greenflash_otel.testing import CapturedConversation
from tests.testing_plugin.project import Project
from tests.viewer.stories import item, say


def read_branches(*items: object) -> list[list[str]]:
    """Send items; return what was said in each branch."""
    with Emulator() as emulator:
        say(emulator.url, "chat", *items)  # type: ignore[arg-type]
        chat = CapturedConversation(emulator.conversation("chat"))
    return [[str(said) for turn in branch for said in turn.messages] for branch in chat.branches]


def test_a_question_that_was_edited_makes_two_branches() -> None:
    """Each is whole: what came before the edit is part of both."""
    begins = [item("q1", "user_message", 1, "hi"), item("a1", "final_response", 2, "ho", parent="q1")]
    first = [
        item("q2", "user_message", 3, "red?", parent="a1"),
        item("a2", "final_response", 4, "no", parent="q2"),
    ]
    second = [
        item("q3", "user_message", 5, "blue?", parent="a1"),
        item("a3", "final_response", 6, "yes", parent="q3"),
    ]
    begun = ["ada: hi", "answer: ho"]
    assert read_branches(*begins, *first, *second) == [
        [*begun, "ada: red?", "answer: no"],
        [*begun, "ada: blue?", "answer: yes"],
    ]


def test_a_talk_without_an_edit_is_one_branch() -> None:
    assert read_branches(item("q1", "user_message", 1, "hi"), item("q2", "user_message", 2, "there")) == [
        ["ada: hi", "ada: there"]
    ]


def test_a_talk_that_the_application_begins_is_one_branch() -> None:
    assert read_branches(item("a1", "final_response", 1, "Hello!")) == [["answer: Hello!"]]


OUTCOMES = """
import asyncio
import warnings
import pytest
import greenflash_otel as greenflash

def upgrade():
    greenflash.record_outcome("upgrade", "1")

def test_unlinked(greenflash_conversations):
    upgrade()

def test_linked(greenflash_conversations):
    with greenflash.conversation("chat", user_id="ada"):
        greenflash.record_message("user", "hi")
        upgrade()
    assert greenflash_conversations.wait_for("chat", outcomes=1)

def test_on_another_thread(greenflash_conversations):
    asyncio.run(greenflash.arecord_outcome("churn"))

@pytest.mark.filterwarnings("ignore::greenflash_otel.testing.UnlinkedOutcomeWarning")
def test_meant(greenflash_conversations):
    upgrade()

def test_fails(greenflash_conversations):
    upgrade()
    greenflash_conversations.wait_for("chat", timeout=0)
"""


def test_an_unlinked_outcome_is_a_warning_at_its_line(project: Project) -> None:
    """Not in the library, and not in the plugin; the report of a failure names the line too."""
    project.write(test_theirs=OUTCOMES)
    run = project.test("-W", "default")
    assert run.counts == {"passed": 4, "failed": 1}, run
    line = OUTCOMES.splitlines().index('    greenflash.record_outcome("upgrade", "1")') + 1
    said = "UnlinkedOutcomeWarning: outcome 'upgrade' belongs to no conversation"
    assert f"test_theirs.py:{line}: {said}" in run.output, run
    assert "outcome 'churn' belongs to no conversation" in run.output
    assert f"in no conversation: outcome upgrade 1 ({project.folder / 'test_theirs.py'}:{line})" in run.output
    assert "test_theirs.py::test_meant" not in run.output


def test_one_server_serves_all_tests(project: Project) -> None:
    """It is emptied for each; one that a test has stopped is replaced; faults are those of the test."""
    project.write(
        test_theirs="""
        import httpx
        import pytest

        BODY = {"externalUserId": "ada", "externalConversationId": "c", "messages": [{"role": "user", "content": "hi"}]}
        urls = []

        def post(emulator):
            return httpx.post(f"{emulator.base_url}/messages", json=BODY, headers={"authorization": "Bearer x"})

        @pytest.mark.parametrize("number", range(4))
        def test_begins_empty(greenflash_emulator, greenflash_servers, number):
            assert greenflash_emulator.conversations() == ()
            assert post(greenflash_emulator).status_code == 201
            assert [request.position for request in greenflash_emulator.requests()] == [1]
            assert greenflash_servers.started == 1

        def test_fails_on_order(greenflash_emulator, greenflash_faults):
            greenflash_faults.reject("/messages", 503)
            assert post(greenflash_emulator).status_code == 503
            greenflash_faults.reject("/messages", 503)

        def test_knows_no_fault_of_the_test_before(greenflash_emulator):
            assert post(greenflash_emulator).status_code == 201
            greenflash_emulator.stop()

        def test_after_one_that_was_stopped(greenflash_emulator, greenflash_servers):
            assert post(greenflash_emulator).status_code == 201
            assert greenflash_servers.started == 2
        """
    )
    run = project.test()
    assert run.counts == {"passed": 7}, run
