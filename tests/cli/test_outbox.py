"""``outbox flush`` and ``outbox status`` as programs: exit code 0 means that Greenflash has everything."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import greenflash_otel as greenflash
from greenflash_otel.cli import main
from greenflash_otel.greenflash_api import events
from greenflash_otel.greenflash_api.messages import Address
from greenflash_otel.greenflash_api.request import ApiRequest
from greenflash_otel.outcomes.outcome import Outcome
from greenflash_otel.testing import Emulator, FaultReply
from tests.conftest import PRODUCT
from tests.delivery.making import leave

EMULATOR = ("emulator", "--port", "0")


@dataclass(frozen=True, slots=True)
class Case:
    """What Greenflash does to how many outcomes, and how the command ends."""

    faults: tuple[FaultReply, ...] = ()
    base_url: str | None = None
    outcomes: int = 1
    code: int = 0
    printed: str = ""
    logged: str = ""


UNREACHABLE = "http://127.0.0.1:9/api/v1"
REFUSAL = FaultReply(400, body=b'{"message":"no"}')


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(Case(printed="delivered 1 + pending 0 + rejected 0"), id="delivered"),
        pytest.param(
            Case(
                (FaultReply(401),),
                code=1,
                printed="delivered 0 + pending 1 + rejected 0 + lost 0; paused: HTTP 401: ",
                logged="WARNING: delivery to {} product {} pauses: HTTP 401: ",
            ),
            id="key refused",
        ),
        pytest.param(
            Case(
                (REFUSAL,),
                outcomes=2,
                code=1,
                printed="delivered 1 + pending 0 + rejected 1",
                logged="WARNING: captured data for {} product {} was refused by Greenflash for good",
            ),
            id="one of two refused for good",
        ),
        pytest.param(
            Case(
                (REFUSAL,),
                code=1,
                printed="delivered 0 + pending 1 + rejected 0 + lost 0; paused: HTTP 400: no",
                logged="WARNING: delivery to {} product {} pauses: HTTP 400; ",
            ),
            id="the only one refused",
        ),
        pytest.param(
            Case(
                base_url=UNREACHABLE,
                code=1,
                printed="delivered 0 + pending 1",
                logged="WARNING: captured data for {} product {} cannot be delivered at present (connection)",
            ),
            id="nobody listens",
        ),
    ],
)
def test_flush_exits_with_0_only_if_all_was_delivered(
    case: Case, greenflash_emulator: Emulator, folder: Path
) -> None:
    """What waits still and what was refused are both not delivered."""
    base_url = case.base_url or greenflash_emulator.base_url
    leave(folder, base_url, PRODUCT, *map(upgrade, range(case.outcomes)))
    greenflash_emulator.faults.next(*case.faults)
    done = _run("outbox", "flush", "--timeout", "1", base_url=base_url)
    assert done.returncode == case.code
    assert done.stderr.startswith(case.logged.format(base_url, PRODUCT))
    assert done.stderr.count("\n") == bool(case.logged)
    assert done.stdout.startswith(f"accepted {case.outcomes} = {case.printed}")
    assert len(greenflash_emulator.outcomes()) == (1 if "delivered 1" in case.printed else 0)


def test_flush_of_what_was_captured_without_a_key(greenflash_emulator: Emulator, folder: Path) -> None:
    """The emulator, which stands in for Greenflash, gets nothing of it."""
    greenflash.instrument(product_id=PRODUCT, outbox=folder, frameworks=())
    greenflash.record_outcome("upgrade", "149.00", conversation_id="chat-42", user_id="ada")
    greenflash.shutdown(0)
    done = _run("outbox", "flush", "--timeout", "1", base_url=greenflash_emulator.base_url)
    assert done.returncode == 1
    assert "test double" in done.stderr
    assert greenflash_emulator.requests() == ()


def test_status_counts_what_waits_and_sends_nothing(greenflash_emulator: Emulator, folder: Path) -> None:
    """Even with a key and a Greenflash that listens."""
    leave(folder, greenflash_emulator.base_url, PRODUCT, upgrade(1))
    done = _run("outbox", "status", base_url=greenflash_emulator.base_url)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{folder}: accepted 1 = delivered 0 + pending 1")
    assert greenflash_emulator.requests() == ()


@pytest.mark.parametrize("action", ["flush", "status"])
def test_an_outbox_that_cannot_be_opened_is_not_an_empty_one(
    action: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One sentence says which and what to set; nothing claims that all was delivered."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("GREENFLASH_OUTBOX", str(tmp_path / "file"))
    monkeypatch.setenv("GREENFLASH_API_KEY", "gf_test")
    assert main(["outbox", action]) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert said.err.startswith(f"cannot use the outbox {tmp_path / 'file'}: ")
    assert "set GREENFLASH_OUTBOX" in said.err


@pytest.mark.parametrize(("missing", "extra"), [("uvicorn", "emulator"), ("pydantic", "emulator")])
def test_a_missing_extra_is_one_sentence_that_says_what_to_install(missing: str, extra: str) -> None:
    """No traceback, and the line to type."""
    code = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from greenflash_otel.cli import main\n"
        f"raise SystemExit(main({list(EMULATOR)!r}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"{missing} is not installed: pip install 'greenflash-otel[{extra}]'\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the outbox is."""
    monkeypatch.setenv("GREENFLASH_OUTBOX", str(tmp_path / "outbox"))
    return tmp_path / "outbox"


def upgrade(number: int) -> ApiRequest:
    """An outcome, as the application hands it over."""
    outcome = Outcome("upgrade", "149.00", 1, f"insert-{number}", conversation_id="chat-42", user_id="ada")
    return events.request_of(outcome, Address(PRODUCT, "anonymous", None, None))


def _run(*arguments: str, base_url: str) -> subprocess.CompletedProcess[str]:
    given = {"GREENFLASH_API_KEY": "gf_test", "GREENFLASH_BASE_URL": base_url}
    return subprocess.run(
        [sys.executable, "-m", "greenflash_otel", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **given},
        timeout=60,
        check=False,
    )
