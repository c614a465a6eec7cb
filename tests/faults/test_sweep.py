"""A process that is killed at any system call has lost nothing that it had acknowledged."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.delivery.processes import ROOT

EVERY = 11
"""`make soak` tries each point, the tests one of so many."""


def found_by(program: str = "-m", *arguments: object) -> dict[str, Any]:
    """What a program found, in a process of its own: it forks, and this one may have threads."""
    done = subprocess.run(
        [sys.executable, "-W", "error", program, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.stdout, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_killed_at_any_system_call() -> None:
    """Before it, or half way through a write: what was acknowledged is there, in order, and no more files."""
    found = found_by("-m", "tests.faults.sweep", EVERY)
    assert found["broken"] == []
    assert found["calls"] > 200
    assert found["points"] > found["calls"] / EVERY
    assert found["halves"] > 0


LIARS = {
    "says so before it is kept": """
def put(self, requests, real=Outbox.put):
    requests = list(requests)
    say(" ".join(("kept", "-", *(id for each in requests for id in ids_of(each)))))
    return real(self, requests)
Outbox.put = put
""",
    "removes before it is delivered": """
def read_ahead(self, now_s, real=Claims.read_ahead):
    real(self, now_s)
    for entry in self.contents.ahead:
        with schema.transaction(self.contents.connection.db):
            schema.delete_one(self.contents.connection.db, entry.id)
Claims.read_ahead = read_ahead
""",
}


@pytest.mark.parametrize("lie", [pytest.param(lie, id=name) for name, lie in LIARS.items()])
def test_the_sweep_finds_a_liar(lie: str) -> None:
    """An outbox that promises what it does not keep is found out."""
    program = f"""
import json, dataclasses
from pathlib import Path
from greenflash_otel.delivery import schema
from greenflash_otel.delivery.claims import Claims
from greenflash_otel.delivery.outbox import Outbox
from tests.delivery.fakes import ids_of
from tests.faults import sweep, workload
def live(folder, say):
    globals()["say"] = say
    exec(LIE, globals())
    workload.live(folder, say)
LIE = {lie!r}
print(json.dumps(dataclasses.asdict(sweep.sweep(70, live=live))))
"""
    assert any("gone" in complaint for complaint in found_by("-c", program)["broken"])
