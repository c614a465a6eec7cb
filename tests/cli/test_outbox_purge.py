"""``outbox purge``: all of one user goes, and nothing of anybody else."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest

from greenflash_otel.cli import main
from greenflash_otel.greenflash_api.request import ApiRequest, encode
from tests.conftest import PRODUCT
from tests.delivery.making import outbox_for

BASE_URL = "https://a/api/v1"
OTHER_URL = "https://b/api/v1"


def request(kind: str, path: str, conversation_id: str = "", **fields: str) -> ApiRequest:
    """A request with these fields."""
    return ApiRequest(kind, path, encode(dict(fields)), conversation_id)  # type: ignore[arg-type]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What is of ada, and what is of bob, for two destinations."""
    with closing(outbox_for(tmp_path, BASE_URL, PRODUCT)) as outbox:
        outbox.put(
            [
                request("messages", "/messages", "chat-1", externalUserId="ada"),
                request("rating", "/ratings", "chat-1", feedback="Great"),
                request("messages", "/messages", "chat-2", externalUserId="bob"),
                request("rating", "/ratings", "chat-2", feedback="Bad"),
                request("user", "/users", externalUserId="ada"),
            ]
        )
    with closing(outbox_for(tmp_path, OTHER_URL, PRODUCT)) as outbox:
        outbox.put([request("outcome", "/events", externalUserId="ada")])
    monkeypatch.setenv("GREENFLASH_OUTBOX", str(tmp_path))
    return tmp_path


def list_left(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The bodies that are left."""
    capsys.readouterr()
    assert main(["outbox", "export"]) == 0
    lines = map(json.loads, capsys.readouterr().out.splitlines())
    return sorted(json.dumps(line["body"]) for line in lines)


@pytest.mark.usefixtures("root")
def test_all_of_one_user_goes(capsys: pytest.CaptureFixture[str]) -> None:
    """In every destination, with what is of the user's conversations; again, nothing is left to remove."""
    assert main(["outbox", "purge", "--user", "ada", "--yes"]) == 0
    assert capsys.readouterr().out == "4 removed.\n"
    assert list_left(capsys) == ['{"externalUserId": "bob"}', '{"feedback": "Bad"}']
    assert main(["outbox", "purge", "--user", "ada", "--yes", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"schema": "outbox-purge/1", "removed": 0, "unread": 0}


@pytest.mark.usefixtures("root")
def test_without_a_terminal_it_needs_yes(capsys: pytest.CaptureFixture[str]) -> None:
    """It says how much it would remove, and removes nothing."""
    assert main(["outbox", "purge", "--user", "ada"]) == 2
    assert "4 requests" in capsys.readouterr().err
    assert len(list_left(capsys)) == 6


@pytest.mark.usefixtures("root")
def test_a_user_of_whom_nothing_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    """Is no failure, and asks nothing."""
    assert main(["outbox", "purge", "--user", "carol"]) == 0
    assert capsys.readouterr().out == "0 removed.\n"
    assert len(list_left(capsys)) == 6
