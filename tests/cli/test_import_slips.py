"""``import`` of files that are not what was meant: what it says, and how it exits."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from greenflash_otel.cli import main
from greenflash_otel.testing import Emulator
from tests.conftest import make_environment
from tests.gateway.test_otlp import in_json

EMPTY = "no spans and no log records in it"
SPAN = in_json(spanId=f"{1:016x}")
WRONG = {
    "text": b"not json\n",
    "CSV": b"id,question,answer\n1,hello,good day\n",
    "JSON of another program": b'{"a": 1}',
    "JSON lines of another program": b'{"a": 1}\n{"a": 2}\n',
    "an array": b'[{"role": "user"}]',
    "the beginning of gzip": b"\x1f\x8bnothing",
    "what begins like gzip": b"\x1f\x8bnothing of this kind\n" * 9,
    "gzip that is cut": gzip.compress(SPAN)[:12],
}
WITHOUT_SPANS = {
    "nothing": b"",
    "metrics": b'{"resourceMetrics": []}',
    "no resource": b'{"resourceSpans": []}\n',
}


@pytest.fixture(autouse=True)
def set_up(monkeypatch: pytest.MonkeyPatch, greenflash_emulator: Emulator, tmp_path: Path) -> None:
    """Set everything that an import needs."""
    for name, value in make_environment(greenflash_emulator, tmp_path / "outbox").items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("name", WRONG)
def test_a_file_that_is_no_otlp(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, the file's name, and what would be right."""
    path = tmp_path / "wrong"
    path.write_bytes(WRONG[name])
    assert main(["import", "--timeout", "2", str(path)]) == 2
    [said] = [line for line in capsys.readouterr().err.splitlines() if EMPTY in line]
    assert said.startswith(f"{path}: ")
    assert "Name a file of OTLP" in said


@pytest.mark.parametrize("name", WITHOUT_SPANS)
def test_a_file_without_spans(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is no error, and it is said."""
    path = tmp_path / "empty"
    path.write_bytes(WITHOUT_SPANS[name])
    assert main(["import", "--timeout", "2", str(path)]) == 0
    assert capsys.readouterr().err == f"{path}: {EMPTY}, so there is nothing to import.\n"


def test_the_right_file_beside_a_wrong_one(
    greenflash_emulator: Emulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is read, and the exit code still says that one is wrong."""
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    right.write_bytes(SPAN)
    wrong.write_bytes(b'{"a": 1}')
    assert main(["import", "--timeout", "2", str(right), str(wrong)]) == 2
    said = capsys.readouterr().err
    assert (f"{wrong}: {EMPTY}" in said, f"{right}: {EMPTY}" in said) == (True, False)


def test_from_behind_the_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It says from where on there is nothing."""
    path = tmp_path / "spans"
    path.write_bytes(SPAN + b"\n")
    assert main(["import", "--timeout", "2", "--from", "9999999", str(path)]) == 0
    assert f"{EMPTY} after byte 9999999" in capsys.readouterr().err


def test_a_folder_or_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, with the name."""
    for path in (tmp_path, tmp_path / "missing"):
        assert main(["import", str(path)]) == 2
        assert capsys.readouterr().err.startswith(f"{path}: ")


def test_a_line_that_is_broken_among_good_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file is right, and something of it was not imported: exit code 1."""
    path = tmp_path / "spans"
    path.write_bytes(SPAN + b"\n" + json.dumps({"resourceSpans": []}).encode() + b"\n{\n")
    assert main(["import", "--timeout", "2", str(path)]) == 1
    assert EMPTY not in capsys.readouterr().err
