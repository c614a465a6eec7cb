"""A short soak, and an oracle that is not blind."""

from __future__ import annotations

import json

import httpx
import pytest

from greenflash_otel.testing import Emulator
from tests.faults import oracle
from tests.faults.oracle import Life, Verdict
from tests.faults.soak import soak
from tests.faults.test_proxy import message

SECONDS = 8.0
SEED = 11


def test_a_few_seconds_of_everything() -> None:
    """Processes killed and stopped, full disks, a bad network, a bad server: what was promised holds."""
    verdict, how = soak(SECONDS, SEED)
    assert verdict.is_clean, verdict
    assert verdict.captured > 50
    assert verdict.repeated > 0
    assert how["times the disk was full"] != 0


def judged(emulator: Emulator, *sent: tuple[int, str], **fields: object) -> Verdict:
    """The verdict when turns 0, 1 and 2 of a chat were told, and these were sent, under these ids."""
    for turn, id in sent:
        body = json.loads(message("chat", turn).body)
        body["messages"][0]["externalMessageId"] = id
        body["messages"][0].update(fields)
        httpx.post(
            f"{emulator.base_url}/messages", json=body, headers={"authorization": "Bearer gf_test"}
        ).raise_for_status()
    life = Life("one", ended_s=10.0)
    for turn in range(3):
        life.hear(json.dumps(["turn", float(turn), "chat", f"chat says {turn}"]))
    return oracle.judge([life], emulator.conversations(), emulator.requests(), [])


A, B, C = (0, "a"), (1, "b"), (2, "c")


@pytest.mark.parametrize(
    ("sent", "fault", "found"),
    [
        pytest.param([A, B, C], None, (), id="all in order"),
        pytest.param([A, B, A, C], None, (), id="one repeated under its id"),
        pytest.param(
            [A, C],
            "lost",
            ("chat says 1 (9.000 s before its end, inf s before a full disk)",),
            id="one missing",
        ),
        pytest.param([A, B, C, (1, "d")], "doubled", ("chat says 1",), id="one under two ids"),
        pytest.param([B, A, C], "out_of_order", ("chat says 1",), id="two exchanged"),
        pytest.param([A, B, (2, "b"), C], "changed", ("chat says 2",), id="one id, two contents"),
    ],
)
def test_the_oracle_sees(
    sent: list[tuple[int, str]], fault: str | None, found: tuple[str, ...], greenflash_emulator: Emulator
) -> None:
    """What is lost, doubled, out of order or changed, by name; repeats are none of these."""
    verdict = judged(greenflash_emulator, *sent)
    wrong = {name: getattr(verdict, name) for name in ("lost", "doubled", "out_of_order", "changed")}
    assert {name: what for name, what in wrong.items() if what} == ({fault: found} if fault else {})
    assert verdict.is_clean == (fault is None)


def test_the_oracle_sees_what_is_shown_out_of_order(greenflash_emulator: Emulator) -> None:
    """Messages that arrive in order, but say that they were at another time."""
    with_times = [((2, "c"), "2026-11-21T07:00:00Z"), ((0, "a"), "2026-11-21T08:00:00Z")]
    for sent, created_at in with_times:
        judged(greenflash_emulator, sent, createdAt=created_at)
    verdict = judged(greenflash_emulator, (1, "b"), createdAt="2026-11-21T09:00:00Z")
    assert verdict.shown_out_of_order == ("chat says 0", "chat says 1")


@pytest.mark.parametrize(
    ("ended_s", "stopped", "full", "refused", "expected"),
    [
        pytest.param(9.0, [(2.05, 8.99)], [], 0, (0, 1), id="died with its process, which had stood still"),
        pytest.param(9.0, [(2.2, 7.7)], [], 0, (1, 0), id="too old although it stood still"),
        pytest.param(2.05, [], [], 0, (0, 1), id="died with its process"),
        pytest.param(2.9, [], [], 0, (0, 0), id="overdue when it died with it"),
        pytest.param(3.1, [], [], 0, (1, 0), id="too old to have died with it"),
        pytest.param(9.0, [], [(1.9, 2.1)], 1, (0, 0), id="refused by a full disk and counted"),
        pytest.param(9.0, [], [(1.9, 2.1)], 0, (1, 0), id="refused and not counted"),
    ],
)
def test_what_may_be_missing(
    ended_s: float,
    stopped: list[tuple[float, float]],
    full: list[tuple[float, float]],
    refused: int,
    expected: tuple[int, int],
) -> None:
    """Only what was captured in the last moment, and what was counted as refused."""
    life = Life(
        "one", ended_s=ended_s, stopped=stopped, full=full, refused=refused, turns=[(2.0, "chat", "hello")]
    )
    verdict = oracle.judge([life], [], [], [])
    assert (len(verdict.lost), verdict.died) == expected
