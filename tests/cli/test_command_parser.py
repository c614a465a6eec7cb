"""The parser: help where nothing is said, the nearest name where something is mistyped, the version, Ctrl+C."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from greenflash_otel.cli import main
from tests.conftest import PRODUCT

PROGRAM = (sys.executable, "-m", "greenflash_otel")


@pytest.mark.parametrize("arguments", [[], ["outbox"]])
def test_without_a_command_it_shows_the_help(
    arguments: Sequence[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 0, on standard output, the commands by name."""
    assert main(arguments) == 0
    said = capsys.readouterr()
    assert (said.out.startswith("usage: greenflash-otel"), "flush" in said.out or "demo" in said.out) == (
        True,
        True,
    )
    assert said.err == ""


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["outbx"], "outbox"),
        (["emulate"], "emulator"),
        (["outbox", "stauts"], "status"),
        (["outbox", "ls"], "list"),
        (["outbox", "zzzz"], ""),
        (["outbox", "retry", "--rejeced"], "--rejected"),
        (["gateway", "--prot", "80"], "--port"),
        (["import", "--sampel-rate=1", "file"], "--sample-rate"),
    ],
)
def test_the_nearest_name(arguments: Sequence[str], meant: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, a question that names it if there is one, and the help that lists all."""
    with pytest.raises(SystemExit) as end:
        main(arguments)
    said = capsys.readouterr().err
    assert end.value.code == 2
    assert (f"Did you mean '{meant}'?" in said) if meant else ("Did you mean" not in said)
    assert "--help'." in said


def test_an_abbreviation_is_understood(capsys: pytest.CaptureFixture[str]) -> None:
    """What is wrong with its value is the only fault."""
    assert main(["import", "file", "--product=x"]) == 2
    assert "product_id" in capsys.readouterr().err


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    """One line, exit code 0."""
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert (end.value.code, bool(re.fullmatch(r"greenflash-otel \d\S*\n", capsys.readouterr().out))) == (
        0,
        True,
    )


@pytest.mark.skipif(os.name != "posix", reason="Ctrl+C is no signal there")
@pytest.mark.parametrize(
    ("command", "first"), [("emulator", "A local Greenflash listens"), ("gateway", "OTLP/HTTP at")]
)
def test_ctrl_c_is_how_a_server_ends_well(command: str, first: str, tmp_path: Path) -> None:
    """Exit code 0, without a traceback."""
    environment = {
        "PATH": os.environ["PATH"],
        "GREENFLASH_PRODUCT_ID": PRODUCT,
        "GREENFLASH_OUTBOX": str(tmp_path / "outbox"),
    }
    with subprocess.Popen(
        [*PROGRAM, command, "--port", "0"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout is not None
        assert server.stdout.readline().startswith(first)
        server.send_signal(signal.SIGINT)
        _, errors = server.communicate(timeout=30)
    assert (server.returncode, "Traceback" in errors) == (0, False)


def test_a_setting_may_be_an_option(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It wins over the variable, and the environment is as before afterwards."""
    monkeypatch.setenv("GREENFLASH_OUTBOX", str(tmp_path / "by variable"))
    assert main(["outbox", "status", "--outbox", str(tmp_path / "by option")]) == 0
    assert capsys.readouterr().out.startswith(f"{tmp_path / 'by option'}: nothing waits")
    assert os.environ["GREENFLASH_OUTBOX"] == str(tmp_path / "by variable")


def test_a_key_comes_from_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An argument could be read by everybody on the machine. A missing file is one sentence."""
    missing = tmp_path / "missing"
    assert main(["outbox", "flush", "--api-key-file", str(missing)]) == 2
    assert capsys.readouterr().err == f"{missing}: No such file or directory\n"
    key = tmp_path / "key"
    key.write_text("gf_secret\n")
    outbox = str(tmp_path / "outbox")
    assert main(["outbox", "flush", "--api-key-file", str(key), "--outbox", outbox]) == 0
    assert (capsys.readouterr().out, os.environ.get("GREENFLASH_API_KEY")) == (
        "Nothing waits in the outbox.\n",
        None,
    )
