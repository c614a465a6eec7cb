"""``outbox list``, ``show``, ``export``, ``retry`` and ``drop``: what lies there, and what to do about it."""

from __future__ import annotations

import io
import json
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from greenflash_otel.cli import main
from greenflash_otel.greenflash_api.request import ApiRequest
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
    """One line each, the newest first: name, age, tries, size, what it is, and why it lies there."""
    lines = [line.split("\t") for line in _said(capsys, "list").splitlines()]
    assert [line[2:] for line in lines] == [
        ["-", "1 item", "outcome of no conversation", "waits"],
        ["-", "1 item", "messages of good", "waits"],
        ["1 try", "1 item", "outcome of bad", REASON],
        ["1 try", "2 items", "messages of bad", REASON],
    ]
    assert [line[0][0] for line in lines] == ["w", "w", "r", "r"]


def test_list_says_how_old_a_request_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the newest thing in it; where nothing says, there is a dash."""
    now = datetime.now(timezone.utc)
    texts = [(now - timedelta(hours=hours, minutes=1)).isoformat() for hours in (50, 3)]
    bodies = [
        {"messages": [{"createdAt": texts[0]}, {"createdAt": texts[1]}]},
        {"eventAt": texts[0].replace("+00:00", "Z")},
        {"ratedAt": "yesterday"},
        {"externalUserId": "ada"},
    ]
    with closing(outbox_for(tmp_path, BASE_URL, PRODUCT)) as outbox:
        outbox.put([ApiRequest("messages", "/messages", json.dumps(body).encode(), "", 1) for body in bodies])
    monkeypatch.setenv("GREENFLASH_OUTBOX", str(tmp_path))
    ages = [line.split("\t")[1] for line in _said(capsys, "list").splitlines()]
    assert ages == ["-", "-", "2 d", "3 h"]


def test_list_is_bounded(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It says how many more there are, and how to see them."""
    whole = _names(_said(capsys, "list"))
    assert main(["outbox", "list", "--limit", "3"]) == 0
    said = capsys.readouterr()
    assert (_names(said.out), said.err) == (whole[:3], "1 older ones are not shown; --limit 0 shows all.\n")
    assert main(["outbox", "list", "--limit", "0"]) == 0
    said = capsys.readouterr()
    assert (_names(said.out), said.err) == (whole, "")


@pytest.mark.parametrize("action", ["list", "export"])
def test_an_empty_outbox_is_a_sentence(
    action: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On standard error: what a program reads stays empty."""
    monkeypatch.setenv("GREENFLASH_OUTBOX", str(tmp_path))
    assert main(["outbox", action]) == 0
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", f"No request is in the outbox {tmp_path}.\n")


@pytest.mark.parametrize("action", ["status", "list", "export", "show"])
def test_json_is_all_that_is_printed(action: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every line of standard output is one object with a schema; without content where nobody asked for it."""
    names = ["--rejected"] if action == "show" else []
    lines = [json.loads(line) for line in _said(capsys, action, "--json", *names).splitlines()]
    expected = {
        "status": (1, "outbox-status/1"),
        "list": (4, "outbox-list/1"),
        "export": (4, "outbox-entry/1"),
    }
    count, schema = expected.get(action, (2, "outbox-entry/1"))
    assert [line["schema"] for line in lines] == [schema] * count
    assert ("body" in lines[0]) is (action in ("export", "show"))
    if action == "status":
        [destination] = lines[0]["destinations"]
        assert (destination["pending"], destination["rejected"], destination["product_id"]) == (2, 3, PRODUCT)


@pytest.mark.parametrize("arguments", [["show", "w1"], ["list", "--destination", "nobody"]])
def test_json_of_what_cannot_be_done(
    arguments: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The reason for a program is the one for people."""
    assert main(["outbox", *arguments, "--json"]) == 2
    said = capsys.readouterr()
    printed = json.loads(said.out)
    assert (printed["schema"], printed["exit"]) == ("error/1", 2)
    assert said.err.endswith(f"{printed['error']}\n")


def test_show(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All of a request: its body as it would be sent, and how often it was."""
    name = _names(_said(capsys, "list"))[3]
    shown = json.loads(_said(capsys, "show", name))
    del shown["age_s"]
    assert shown == {
        "schema": "outbox-entry/1",
        "name": name,
        "state": "rejected",
        "reason": REASON,
        "attempts": 1,
        "items": 2,
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
    """One JSON object per line, what waits first, the oldest first."""
    exported = [json.loads(line) for line in _said(capsys, "export").splitlines()]
    assert sorted(span["name"] for span in exported) == sorted(_names(_said(capsys, "list")))
    assert [span["body"].get("insertId") for span in exported] == [None, "o2", None, "o1"]


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
    name = _names(_said(capsys, "list"))[2]
    _said(capsys, "retry", name)
    assert _kept(folder) == (["g1", "o2", "o1"], 2)


def test_retry_of_what_waits_already(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It says that nothing was done."""
    name = _names(_said(capsys, "list"))[0]
    assert _said(capsys, "retry", name, code=1).startswith("1 stay")
    assert _kept(folder) == (["g1", "o2"], 3)


def test_drop(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Refused or waiting: it is gone."""
    _, waiting, _, refused = _names(_said(capsys, "list"))
    assert _said(capsys, "drop", "--yes", waiting, refused) == "2 removed.\n"
    assert _kept(folder) == (["o2"], 1)


def test_nothing_is_dropped_without_a_word(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a terminal it says what to write, and all stays."""
    monkeypatch.setattr("sys.stdin", io.StringIO("yes\n"))
    said = _said(capsys, "drop", "--rejected", code=2)
    assert said == (
        "This would remove 2 requests, 3 items, for good. Without a terminal, write --yes to confirm it.\n"
    )
    assert _kept(folder) == (["g1", "o2"], 3)


@pytest.mark.parametrize(
    ("answer", "code", "left"), [("yes\n", 0, 0), ("y\n", 1, 3), ("\n", 1, 3), ("", 1, 3)]
)
def test_drop_asks_on_a_terminal(
    answer: str,
    code: int,
    left: int,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Only the whole word is one."""
    terminal = io.StringIO(answer)
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", terminal)
    assert main(["outbox", "drop", "--rejected"]) == code
    assert "Removes 2 requests, 3 items, for good. Type yes: " in capsys.readouterr().out
    assert _kept(folder) == (["g1", "o2"], left)


def test_the_nearest_name_of_a_request(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is asked for, where a name is nearly one of them."""
    name = _names(_said(capsys, "list"))[0]
    said = _said(capsys, "show", f"{name[:-1]}x", code=2)
    assert f"Did you mean '{name}'?" in said
    assert _said(capsys, "retry", "--rejected").startswith("2 wait again")
    assert main(["outbox", "retry", "--rejected"]) == 0
    assert capsys.readouterr().err == "No request in it was rejected.\n"


@pytest.mark.parametrize("action", ["show", "retry", "drop"])
@pytest.mark.parametrize(
    ("names", "said"), [([], "No request is named"), (["w1"], "No request 'w1' is in this outbox")]
)
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
    refused = _names(_said(capsys, "list"))[3]
    shown: dict[str, Any] = json.loads(_said(capsys, "show", refused))
    assert (shown["body"], shown["reason"]) == (None, REASON)
    assert _said(capsys, "retry", refused, code=1).startswith("1 stay: they are damaged")
    assert _said(capsys, "drop", "--yes", refused) == "1 removed.\n"


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
    assert _said(capsys, "drop", "--yes", "--rejected", "--destination", other) == "0 removed.\n"
    assert _said(capsys, "drop", "--yes", "--rejected", "--destination", PRODUCT) == "2 removed.\n"
    assert len(_said(capsys, "export", "--destination", other).splitlines()) == 1
    assert "there is no destination" in _said(capsys, "list", "--destination", "nobody", code=2)
