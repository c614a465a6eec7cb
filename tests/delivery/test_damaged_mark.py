"""A folder whose destination.json is damaged strands nothing: each file records for itself whose it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from greenflash_otel.cli import main
from greenflash_otel.delivery import files
from greenflash_otel.pipeline import Pipeline
from greenflash_otel.settings import Settings
from greenflash_otel.testing import Emulator
from tests.cli.test_outbox import upgrade
from tests.conftest import PRODUCT
from tests.delivery.fakes import messages
from tests.delivery.making import leave

BASE_URL = "https://a.example/api/v1"
OTHER_PRODUCT = "7" + PRODUCT[1:]
DAMAGE = {
    "empty": b"",
    "cut off": b'{"application": "greenflash-otel", "base',
    "zeros": bytes(200),
    "no object": b"[]",
    "of nobody": json.dumps({"application": "another"}).encode(),
    "of another destination": json.dumps(
        {"application": "greenflash-otel", "base_url": "https://b.example", "product_id": PRODUCT}
    ).encode(),
}


def damage(root: Path, name: str) -> Path:
    """Damage what says whose folder it is."""
    (root / "destination.json").write_bytes(DAMAGE[name])
    return root


def opened(root: Path, base_url: str, product_id: str = PRODUCT) -> Pipeline:
    """The pipeline of the next process."""
    return Pipeline(
        Settings.read({}, api_key="gf_key", base_url=base_url, product_id=product_id, outbox=str(root))
    )


@pytest.mark.parametrize("name", DAMAGE)
def test_the_next_process_of_the_destination_delivers_what_waits(
    name: str, tmp_path: Path, greenflash_emulator: Emulator
) -> None:
    """It uses a folder of its own meanwhile, and takes over what records the very same destination."""
    leave(tmp_path, greenflash_emulator.base_url, PRODUCT, upgrade(1), upgrade(2))
    damage(tmp_path, name)
    pipeline = opened(tmp_path, greenflash_emulator.base_url)
    assert pipeline.flush(30)
    assert pipeline.stats().delivered == 2
    pipeline.shutdown()
    assert files.find_files(tmp_path, "ours") == []


@pytest.mark.parametrize(
    ("base_url", "product_id"), [("https://b.example/api/v1", PRODUCT), (BASE_URL, OTHER_PRODUCT)]
)
def test_nobody_else_takes_it(base_url: str, product_id: str, tmp_path: Path) -> None:
    """Another address, or another product, leaves the file as it is, byte for byte."""
    leave(tmp_path, BASE_URL, PRODUCT, messages("chat", "one"))
    damage(tmp_path, "empty")
    [file] = files.find_files(tmp_path, "ours")
    before = file.read_bytes()
    pipeline = opened(tmp_path, base_url, product_id)
    assert pipeline.stats().accepted == 0
    pipeline.shutdown(0)
    assert file.read_bytes() == before


def test_what_waits_for_a_key_is_not_given_to_a_test_double(
    tmp_path: Path, greenflash_emulator: Emulator
) -> None:
    """The rule for what was captured without a key is the same in such a folder."""
    leave(tmp_path, "", PRODUCT, messages("chat", "one"))
    damage(tmp_path, "empty")
    pipeline = opened(tmp_path, greenflash_emulator.base_url)
    assert pipeline.stats().accepted == 0
    pipeline.shutdown(0)
    assert len(files.find_files(tmp_path, "ours")) == 1


def test_the_command_line_shows_it_and_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`status` counts it for its destination; nothing is moved by that."""
    monkeypatch.setenv("GREENFLASH_OUTBOX", str(tmp_path))
    leave(tmp_path, BASE_URL, PRODUCT, messages("chat", "one", "two"))
    damage(tmp_path, "empty")
    for _ in range(2):
        assert main(["outbox", "status"]) == 0
        said = capsys.readouterr().out
        assert f"accepted 2 = delivered 0 + pending 2 + rejected 0 + lost 0; for {BASE_URL}" in said
        assert "destination.json is missing, damaged or of another destination" in said


def test_a_damaged_file_in_such_a_folder_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody can say whose it is, so it is left as it is."""
    monkeypatch.setenv("GREENFLASH_OUTBOX", str(tmp_path))
    leave(tmp_path, BASE_URL, PRODUCT, messages("chat", "one"))
    [file] = files.find_files(tmp_path, "ours")
    file.write_bytes(bytes(4096))
    damage(tmp_path, "empty")
    pipeline = opened(tmp_path, BASE_URL)
    assert pipeline.stats().accepted == 0
    pipeline.shutdown(0)
    assert main(["outbox", "status"]) == 0
    assert f"{tmp_path}: 1 damaged files" in capsys.readouterr().out
    assert file.read_bytes() == bytes(4096)
