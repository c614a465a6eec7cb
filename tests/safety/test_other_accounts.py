"""What one account's application captured never goes to another account: not by its server, not with its key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from greenflash_otel.testing import AcceptedRequest, Emulator
from tests.conftest import PRODUCT
from tests.safety.programs import run, run_cli

OTHER_PRODUCT = "7" + PRODUCT[1:]
RECORD = """
import sys
import greenflash_otel as greenflash
greenflash.instrument(frameworks=(), shutdown_timeout_s=1)
for conversation in sys.argv[1:]:
    greenflash.record_outcome("upgrade", "149.00", conversation_id=conversation, user_id="ada@example.com")
greenflash.flush(20)
stats = greenflash.stats()
print(stats.accepted, stats.delivered)
"""


@pytest.mark.parametrize("key", [None, "gf_of_a"])
def test_two_applications_with_the_same_outbox(
    key: str | None, tmp_path: Path, greenflash_emulator: Emulator
) -> None:
    """The first cannot deliver, and ends; the second counts, flushes and sends only its own."""
    run(RECORD, "of-a", outbox=tmp_path, key=key)
    theirs: dict[str, Any] = {
        "outbox": tmp_path,
        "base_url": greenflash_emulator.base_url,
        "product": OTHER_PRODUCT,
        "key": "gf_of_b",
    }
    assert run(RECORD, "of-b", **theirs) == "1 1\n"
    run_cli("outbox", "flush", "--timeout", "5", **theirs)
    sent = [
        (request.body["productId"], request.body["externalConversationId"])
        for request in requests(greenflash_emulator)
    ]
    assert sent == [(OTHER_PRODUCT, "of-b")]
    assert "pending 1 + rejected 0 + lost 0" in run_cli("outbox", "status", outbox=tmp_path)


def test_what_waited_goes_out_with_a_renewed_key(tmp_path: Path) -> None:
    """To the same address and product; another product's application runs in between."""
    with Emulator(api_key="gf_new") as emulator:
        ours: dict[str, Any] = {"outbox": tmp_path, "base_url": emulator.base_url}
        assert run(RECORD, "of-a", **ours, key="gf_old") == "1 0\n"
        assert run(RECORD, "of-b", **ours, product=OTHER_PRODUCT, key="gf_new") == "1 1\n"
        assert run(RECORD, **ours, key="gf_new") == "1 1\n"
        sent = [request.body["externalConversationId"] for request in requests(emulator)]
    assert sent == ["of-b", "of-a"]


def requests(emulator: Emulator) -> list[AcceptedRequest]:
    """What was accepted of outcomes."""
    return [request for request in emulator.requests() if request.path == "/events"]
