"""``settings``: every setting, its value, and where it comes from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from greenflash_otel.cli import main
from greenflash_otel.settings import SETTINGS
from tests.conftest import PRODUCT

SECRET = "gf_secret_of_ada"


def _show(
    capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0
) -> tuple[dict[str, object], str]:
    assert main(["settings", "--json", *arguments]) == code
    said = capsys.readouterr()
    printed = json.loads(said.out)
    assert printed["schema"] == "settings/1"
    assert [row["name"] for row in printed["settings"]] == list(SETTINGS)
    return {row["name"]: (row["value"], row["source"]) for row in printed["settings"]}, said.out + said.err


def test_every_setting_says_where_it_comes_from(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An option, the first or the second of its variables, or the default; a secret is never shown."""
    key = tmp_path / "key"
    key.write_text(SECRET)
    monkeypatch.setenv("GREENFLASH_PRODUCT_ID", PRODUCT)
    monkeypatch.setenv("GREENFLASH_API_URL", f"https://ada:{SECRET}@host/api/v1")
    monkeypatch.setenv("GREENFLASH_ID_KEY", SECRET)
    monkeypatch.setenv("GREENFLASH_STRICT", " ")
    shown, said = _show(capsys, "--api-key-file", str(key), "--sample-rate", "0.5")
    assert shown["product_id"] == (PRODUCT, "GREENFLASH_PRODUCT_ID")
    assert shown["base_url"] == ("https://host/api/v1", "GREENFLASH_API_URL")
    assert shown["id_key"] == ("(hidden)", "GREENFLASH_ID_KEY")
    assert shown["api_key"] == ("(hidden)", "--api-key-file")
    assert shown["sample_rate"] == ("0.5", "--sample-rate")
    assert shown["strict"] == (False, "default")
    assert SECRET not in said


def test_for_people(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """One line each; what is not the default says what that is."""
    monkeypatch.setenv("GREENFLASH_NAME_WAIT", "3")
    monkeypatch.setenv("GREENFLASH_API_KEY", SECRET)
    assert main(["settings"]) == 0
    said = capsys.readouterr().out
    lines = {line.split()[0]: line.split()[1:] for line in said.splitlines()}
    assert list(lines) == list(SETTINGS)
    assert lines["name_wait_s"] == ["3", "GREENFLASH_NAME_WAIT", "default:", "10.0"]
    assert lines["strict"] == ["false", "default"]
    assert SECRET not in said


def test_a_setting_that_cannot_be_used(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """All are shown, and one sentence says what to write: exit code 2."""
    _, said = _show(capsys, "--sample-rate", "often", code=2)
    assert "GREENFLASH_SAMPLE_RATE is 'often'; write a number from 0 to 1" in said


def test_a_variable_that_is_mistyped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is named with the one that was meant, and without its value."""
    monkeypatch.setenv("GREENFLASH_PRODUCTID", SECRET)
    monkeypatch.setenv("GREENFLASH_GATEWAY_TOKENS", "ours")
    _, said = _show(capsys)
    assert said.endswith(
        "GREENFLASH_PRODUCTID is no variable of this library. Did you mean 'GREENFLASH_PRODUCT_ID'?\n"
    )
    assert (SECRET in said, "TOKENS is no" in said) == (False, False)


def test_a_key_in_place_of_the_product(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is not shown either."""
    monkeypatch.setenv("GREENFLASH_PRODUCT_ID", SECRET)
    shown, said = _show(capsys, code=2)
    assert shown["product_id"] == ("(hidden), no UUID", "GREENFLASH_PRODUCT_ID")
    assert (SECRET in said, "must be the UUID" in said) == (False, True)
