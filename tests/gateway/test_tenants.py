"""A gateway for several products, as a command: each has its own key, and an outbox that survives."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from greenflash_otel.testing import Emulator
from tests.collector.running import until
from tests.gateway.test_gateway import JSON, SAID, attributes
from tests.gateway.test_otlp import in_json

SHOES, HATS = "6a1d4b7e-9c51-4a57-8e9b-000000000001", "6A1D4B7E-9C51-4A57-8E9B-00000000000B"
BODY = in_json(attributes=attributes(SAID))


@contextmanager
def gateway(folder: Path, base_url: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The command; where it listens."""
    (folder / "tenants.json").write_text(
        json.dumps(
            [
                {"product_id": SHOES, "api_key": "gf_shoes"},
                {"product_id": HATS, "api_key": "gf_hats", "tokens": ["hats"]},
            ]
        )
    )
    command = [sys.executable, "-m", "greenflash_otel", "gateway", "--port", "0"]
    command += ["--tenants", str(folder / "tenants.json")]
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "GREENFLASH_BASE_URL": base_url,
        "GREENFLASH_OUTBOX": str(folder / "outbox"),
    }
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        try:
            yield running.stdout.readline().split()[-1], running
        finally:
            running.kill()


def test_two_products(greenflash_emulator: Emulator, tmp_path: Path) -> None:
    """What a killed gateway had acknowledged goes out for the product it came for, and with its key."""
    greenflash_emulator.stop()
    with gateway(tmp_path, greenflash_emulator.base_url) as (url, _):
        for token in ("gf_shoes", "hats"):
            headers = {**JSON, "authorization": f"Bearer {token}"}
            assert httpx.post(url, content=BODY, headers=headers).status_code == 200
        assert httpx.post(url, content=BODY, headers=JSON).status_code == 401
    greenflash_emulator.start()  # at the same address: what waits is for it alone
    with gateway(tmp_path, greenflash_emulator.base_url) as (_, running):
        until(lambda: len(greenflash_emulator.conversations()) == 2, "both are delivered")
        running.terminate()
        output, _ = running.communicate(timeout=30)
    assert output.count("accepted 1 = delivered 1") == 2
    assert {conversation.product_id.lower() for conversation in greenflash_emulator.conversations()} == {
        SHOES,
        HATS.lower(),
    }


@pytest.mark.parametrize("options", [["--tls-cert", "x"], ["--client-ca", "x"], ["--tenants", "nowhere"]])
def test_options_that_are_wrong(options: list[str], tmp_path: Path) -> None:
    """They are told, and nothing is served."""
    done = subprocess.run(
        [sys.executable, "-m", "greenflash_otel", "gateway", *options],
        env={"PYTHONPATH": os.environ.get("PYTHONPATH", ""), "GREENFLASH_OUTBOX": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
