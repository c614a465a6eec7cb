"""The command line: what it says and how it exits."""

from __future__ import annotations

from pathlib import Path

import pytest

from greenflash_otel.cli import main
from tests.conftest import PRODUCT
from tests.delivery.fakes import messages
from tests.delivery.making import leave


def test_a_wrong_setting_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, no traceback, and what to write."""
    monkeypatch.setenv("GREENFLASH_SAMPLE_RATE", "often")
    assert main(["outbox", "status"]) == 2
    assert capsys.readouterr().err == "GREENFLASH_SAMPLE_RATE is 'often'; write a number from 0 to 1\n"


def test_flush_without_a_key_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is sent, and nothing pretends to be."""
    leave(tmp_path, "https://a/api/v1", PRODUCT, messages("chat-42", "a"))
    monkeypatch.setenv("GREENFLASH_OUTBOX", str(tmp_path))
    assert main(["outbox", "flush"]) == 2
    assert "GREENFLASH_API_KEY" in capsys.readouterr().err


def test_status_says_where_the_outbox_is_and_what_waits(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An outbox that nobody has used yet has no destinations; one that is empty is zeros."""
    here = tmp_path / "here"
    monkeypatch.setenv("GREENFLASH_OUTBOX", str(here))
    assert main(["outbox", "status"]) == 0
    assert capsys.readouterr().out.startswith(f"{here}: nothing waits")
    assert not here.exists()  # looking creates nothing
    leave(here, "https://a/api/v1", PRODUCT)
    assert main(["outbox", "status"]) == 0
    assert capsys.readouterr().out.startswith(f"{here}: accepted 0 = delivered 0 + pending 0")
