"""``outbox list``, ``show``, ``export``, ``retry`` and ``drop``: what lies there, and what to do about it."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from greenflash_otel.cli import main
from tests.conftest import PRODUCT
from tests.delivery.fakes import ids_of, messages, outcome
from tests.delivery.making import leave, outbox_for
from tests.delivery.test_outbox import claimed

BASE_URL = "https://a/api/v1"
REASON = "HTTP 400: messages[0] has no content"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An outbox of a process that is gone: two requests wait, two were refused."""
    folder = tmp_path / "outbox"
    with closing(outbox_for(folder, BASE_URL, PRODUCT)) as outbox:
        outbox.put([messages("bad", "b1", "b2"), outcome("bad", "o1"), messages("good", "g1")])
        outbox.put([outcome("", "o2")])
        for _ in range(2):
            entry = claimed(outbox)
            while entry.request.conversation_id != "bad":
                entry = claimed(outbox)
            outbox.reject(entry, REASON, now_s=0.0)
    monkeypatch.setenv("GREENFLASH_OUTBOX", str(folder))
    return folder


def _names(printed: str) -> list[str]:
    return [line.partition("\t")[0] for line in printed.splitlines()]


def _said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    assert main(["outbox", *arguments]) == code
    said = capsys.readouterr()
    return said.out if code == 0 else said.err


def _kept(folder: Path) -> tuple[list[str], int]:
    """The ids that wait, in the order of sending, and how many items are set aside."""
    with closing(outbox_for(folder, BASE_URL, PRODUCT)) as outbox:
        rejected, ids = outbox.get_stats().rejected, []
        while (entry := outbox.claim_next(0.0)) is not None:
            ids += ids_of(entry.request)
            outbox.acknowledge(entry)
        return ids, rejected


def test_list(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line each: name, size, what it is, and why it lies there. Nothing that anybody said."""
    lines = [line.split("\t")[1:] for line in _said(capsys, "list").splitlines()]
    assert lines == [
        ["1 item", "messages of good", "waits"],
        ["1 item", "outcome of no conversation", "waits"],
        ["2 items", "messages of bad", REASON],
        ["1 item", "outcome of bad", REASON],
    ]


def test_show(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All of a request: its body as it would be sent, and how often it was."""
    name = _names(_said(capsys, "list"))[2]
    assert json.loads(_said(capsys, "show", name)) == {
        "name": name,
        "reason": REASON,
        "attempts": 1,
        "kind": "messages",
        "path": "/messages",
        "conversation": "bad",
        "body": json.loads(messages("bad", "b1", "b2").body),
    }


def test_show_all_that_was_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without naming them."""
    shown = _said(capsys, "show", "--rejected")
    assert [shown.count(f'"name": "{state}') for state in "wr"] == [0, 2]


def test_export(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One JSON object per line, in the order of the list."""
    exported = [json.loads(line) for line in _said(capsys, "export").splitlines()]
    assert [one["name"] for one in exported] == _names(_said(capsys, "list"))
    assert [one["body"].get("insertId") for one in exported] == [None, "o2", None, "o1"]


def test_looking_changes_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not even the names."""
    before = _said(capsys, "list")
    for action in ("status", "export", "list"):
        _said(capsys, action)
    assert _said(capsys, "list") == before
    assert _kept(folder) == (["g1", "o2"], 3)


def test_retry(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What was refused waits again, in its old order, with the same bytes."""
    assert _said(capsys, "retry", "--rejected").startswith("2 wait again")
    assert _kept(folder) == (["g1", "o2", "b1", "b2", "o1"], 0)


def test_retry_of_one(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The other one stays."""
    name = _names(_said(capsys, "list"))[3]
    _said(capsys, "retry", name)
    assert _kept(folder) == (["g1", "o2", "o1"], 2)


def test_retry_of_what_waits_already(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It says that nothing was done."""
    name = _names(_said(capsys, "list"))[0]
    assert _said(capsys, "retry", name, code=1).startswith("1 stay")
    assert _kept(folder) == (["g1", "o2"], 3)


def test_drop(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Refused or waiting: it is gone."""
    waiting, _, refused, _ = _names(_said(capsys, "list"))
    assert _said(capsys, "drop", waiting, refused) == "2 removed.\n"
    assert _kept(folder) == (["o2"], 1)


@pytest.mark.parametrize("action", ["show", "retry", "drop"])
@pytest.mark.parametrize(("names", "said"), [([], "name what you mean"), (["w1"], "there is no w1 here")])
def test_nothing_is_done_to_nothing(
    action: str, names: list[str], said: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a name, or with a wrong one, it says what to write, and all stays."""
    assert said in _said(capsys, action, *names, code=2)
    assert _kept(folder) == (["g1", "o2"], 3)


def test_a_damaged_request_is_shown_and_cannot_be_retried(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its bytes are not those that were kept; it can be dropped."""
    [path] = folder.glob("*.sqlite3")
    content = path.read_bytes()
    assert content.count(b'"b2"') == 1
    path.write_bytes(content.replace(b'"b2"', b'"xx"'))
    refused = _names(_said(capsys, "list"))[2]
    shown: dict[str, Any] = json.loads(_said(capsys, "show", refused))
    assert (shown["body"], shown["reason"]) == (None, REASON)
    assert _said(capsys, "retry", refused, code=1).startswith("1 stay: they are damaged")
    assert _said(capsys, "drop", refused) == "1 removed.\n"


def test_files_of_running_processes_are_left_to_them(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are counted, and nothing of theirs is listed."""
    with closing(outbox_for(folder, BASE_URL, PRODUCT)) as running:
        assert running.get_stats().pending == 2
        assert _said(capsys, "list") == ""
        assert "1 more files belong to running processes" in _said(capsys, "status")


@pytest.mark.parametrize("action", ["list", "show", "export", "retry", "drop", "status"])
def test_memory_has_nothing_to_look_at(
    action: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says that a folder is needed."""
    monkeypatch.setenv("GREENFLASH_OUTBOX", ":memory:")
    assert "name a folder" in _said(capsys, action, code=2)


def test_several_destinations(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All are shown; what changes something wants to know which one, and says which there are."""
    other = "7" + PRODUCT[1:]
    leave(folder, BASE_URL, other, messages("theirs", "t1"))
    shown = _said(capsys, "status")
    assert f"{folder}: accepted 5 = delivered 0 + pending 2 + rejected 3" in shown
    assert (
        f"accepted 1 = delivered 0 + pending 1 + rejected 0 + lost 0; for {BASE_URL} product {other}" in shown
    )
    assert len(_said(capsys, "list").splitlines()) == 5
    refused = _said(capsys, "drop", "--rejected", code=2)
    assert "name one with --destination" in refused
    assert refused.count(BASE_URL) == 2
    assert _said(capsys, "drop", "--rejected", "--destination", other) == "0 removed.\n"
    assert _said(capsys, "drop", "--rejected", "--destination", PRODUCT) == "2 removed.\n"
    assert len(_said(capsys, "export", "--destination", other).splitlines()) == 1
    assert "there is no destination" in _said(capsys, "list", "--destination", "nobody", code=2)
