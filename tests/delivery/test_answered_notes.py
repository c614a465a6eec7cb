"""What Greenflash answered: in a forked child, while another process writes, and where nothing is known."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from greenflash_otel.delivery.answered_ids import AnsweredId
from greenflash_otel.delivery.answered_notes import AnsweredNotes
from greenflash_otel.delivery.outbox import Outbox
from greenflash_otel.delivery.shared_notes import FILE_NAME, SharedNotes
from greenflash_otel.internal_errors import get_internal_errors
from tests.delivery.processes import output_of


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")
@pytest.mark.parametrize("where", ["memory", "disk"])
def test_a_forked_child(where: str, tmp_path: Path) -> None:
    """Its callback sees what the child delivers, and only that; so does its parent's."""
    script = """
from greenflash_otel.delivery.answered_notes import AnsweredNotes
from greenflash_otel.greenflash_api.answer import Answer
outbox, seen = Outbox(sys.argv[1]), []
notes = AnsweredNotes(outbox, lambda delivered: seen.append(delivered.conversation_id))
def deliver(id):
    notes.note(messages(id, "a"), Answer(201, b'{"conversationId": "g", "messages": [{"messageId": "1"}]}'))
    notes.finish(5.0)
deliver("before")
child = os.fork()
deliver("in the " + ("parent" if child else "child"))
if child:
    os.waitpid(child, 0)
id = "in the " + ("parent" if child else "child")
print(seen, notes.find(id, 5.0).greenflash_conversation_id, flush=True)
outbox.close()
os._exit(0)
"""
    assert output_of(script, ":memory:" if where == "memory" else tmp_path).splitlines() == [
        "['before', 'in the child'] g",
        "['before', 'in the parent'] g",
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")
def test_what_the_parent_has_not_written_yet() -> None:
    """The parent writes it; the child neither writes it too nor believes that somebody is about to."""
    script = """
from greenflash_otel.delivery.answered_notes import AnsweredNotes
from greenflash_otel.delivery import fork_hooks
from greenflash_otel.greenflash_api.answer import Answer
import threading
outbox, let_go, begun = Outbox(":memory:"), threading.Event(), threading.Event()
notes = AnsweredNotes(outbox)
answer = Answer(201, b'{"conversationId": "g", "messages": [{"messageId": "1"}]}')
outbox.run_later(lambda: (begun.set(), let_go.wait(30)))
begun.wait(30)
notes.note(messages("before", "a"), answer)
if (child := os.fork()) == 0:
    print(notes.find("before", 5.0), flush=True)
    notes.note(messages("after", "a"), answer)
    print(notes.find("after", 5.0).greenflash_conversation_id, flush=True)
    os._exit(0)
os.waitpid(child, 0)
let_go.set()
print(notes.find("before", 5.0).greenflash_conversation_id, flush=True)
os._exit(0)
"""
    assert output_of(script).splitlines() == ["None", "g", "g"]


def test_reading_while_another_process_writes(tmp_path: Path) -> None:
    """A reader waits for nobody's transaction, and finds what was committed before."""
    notes = SharedNotes(tmp_path)
    notes.note([("response", "chat-1", "message")], [("ada", "chat-1", 7)])
    notes.note_answered([AnsweredId("chat-1", "conversation", "chat-1", "g", "created")])
    before = dict(get_internal_errors())
    with closing(sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("INSERT INTO responses VALUES ('other', 'chat-2', 'message', 1)")
        assert notes.find_response("response") == ("chat-1", "message")
        assert notes.find_latest("ada") == ("chat-1", 7)
        assert [answered.greenflash_id for answered in notes.list_answered("chat-1")] == ["g"]
    assert get_internal_errors() == before


def test_two_processes_that_make_the_file_at_once(tmp_path: Path) -> None:
    """The second one writes into what the first one made."""
    script = """
from pathlib import Path
from greenflash_otel.delivery.shared_notes import FILE_NAME, SharedNotes
from greenflash_otel.internal_errors import get_internal_errors
folder = Path(sys.argv[1])
others = [SharedNotes(folder)]
def other_makes_it(event, arguments):
    if event == "open" and others and str(arguments[0]) == str(folder / FILE_NAME):
        others.pop().note([("first", "chat-1", "message")], [])
sys.addaudithook(other_makes_it)
notes = SharedNotes(folder)
notes.note([("second", "chat-2", "message")], [])
print(len(others), notes.find_response("first"), notes.find_response("second"), dict(get_internal_errors()))
"""
    assert output_of(script, tmp_path) == "0 ('chat-1', 'message') ('chat-2', 'message') {}"


def test_the_file_is_marked_as_ours(tmp_path: Path) -> None:
    """A file of another application with this name is neither written nor read."""
    SharedNotes(tmp_path).note([("response", "chat-1", "message")], [])
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as db:
        db.execute("PRAGMA application_id=1")
    notes = SharedNotes(tmp_path)
    notes.note([("second", "chat-1", "message")], [])
    assert notes.find_response("response") is None
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as db:
        assert db.execute("SELECT response_id FROM responses").fetchall() == [("response",)]


def test_looking_up_writes_nothing(tmp_path: Path) -> None:
    """Where nothing was answered since, the notes are not opened to be written, and no file is made."""
    outbox = Outbox(tmp_path)
    assert AnsweredNotes(outbox).find("chat-1", 5.0) is None
    assert not (tmp_path / FILE_NAME).exists()
    outbox.close()
