"""A power cut takes nothing that was acknowledged, whatever the disk had not yet written down."""

from __future__ import annotations

import pytest

from tests.faults.test_sweep import found_by

EVERY = 6
"""`make soak` cuts the power at each call, the tests at one of so many."""


def test_the_power_goes() -> None:
    """Whatever of unsynced writes and names is missing or torn: what was acknowledged is there, in order."""
    found = found_by("-m", "tests.faults.power", EVERY)
    assert found["broken"] == []
    assert found["states"] > 200
    assert found["syncs"] > 30


LAZY = {
    "syncs now and then": "schema.connect = with_pragma('synchronous=NORMAL')",
    "syncs never": "schema.connect = with_pragma('synchronous=OFF')",
    "leaves its folder unsynced": (
        "files.own_private_folder = lambda path: path.mkdir(0o700, parents=True, exist_ok=True)"
    ),
}


@pytest.mark.parametrize("change", [pytest.param(change, id=name) for name, change in LAZY.items()])
def test_the_replay_finds_a_lazy_outbox(change: str) -> None:
    """One that syncs less than ours loses something, and that is found out."""
    program = f"""
import dataclasses, json
from greenflash_otel.delivery import files, schema
from tests.faults import power, workload
def with_pragma(pragma, connect=schema.connect):
    def lazy(*arguments, **named):
        db = connect(*arguments, **named)
        db.execute("PRAGMA " + pragma)
        return db
    return lazy
def live(root, say):
    {change}
    workload.live(root, say)
print(json.dumps(dataclasses.asdict(power.replay(31, live))))
"""
    assert any("gone" in complaint for complaint in found_by("-c", program)["broken"])
