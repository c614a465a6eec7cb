"""``doctor``: it finds each fault that is planted, names one next step, and says so in JSON too."""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from greenflash_otel.checkup.finding import CHECKS
from greenflash_otel.cli import main
from greenflash_otel.frameworks import Framework
from greenflash_otel.greenflash_api.request import ApiRequest
from greenflash_otel.testing import Emulator
from tests.conftest import PRODUCT
from tests.delivery.fakes import messages
from tests.delivery.making import leave

KEY = "gf_secret_of_ada"
PRODUCTS = json.dumps([{"id": PRODUCT, "name": "Support bot"}])
JSON_TYPE = "application/json"


@contextmanager
def serving(
    status: int, body: str, content_type: str = JSON_TYPE, headers: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Give every request the same answer; yields the base URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response_only(status)
            for name, value in {"Date": formatdate(usegmt=True), **(headers or {})}.items():
                self.send_header(name, value)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/api/v1"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def set_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Set everything right but the address."""
    monkeypatch.setenv("GREENFLASH_API_KEY", KEY)
    monkeypatch.setenv("GREENFLASH_PRODUCT_ID", PRODUCT)
    monkeypatch.setenv("GREENFLASH_OUTBOX", str(tmp_path / "outbox"))


def examine(
    capsys: pytest.CaptureFixture[str], *arguments: str, code: int
) -> dict[str, tuple[str, str, str]]:
    """Run the doctor; state, title and next step by id. Every fault has a step, no key is shown."""
    assert main(["doctor", "--json", *arguments]) == code
    said = capsys.readouterr()
    assert (KEY in said.out + said.err, said.err) == (False, "")
    printed = json.loads(said.out)
    assert (printed["schema"], printed["ok"]) == ("doctor/1", code == 0)
    assert {finding["id"] for finding in printed["findings"]} <= set(CHECKS)
    assert all(bool(finding["next_step"]) is (finding["state"] != "ok") for finding in printed["findings"])
    return {
        finding["id"]: (finding["state"], finding["title"], finding["next_step"])
        for finding in printed["findings"]
    }


def test_all_is_well(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The one request asks for the products; nothing is created."""
    with serving(200, PRODUCTS) as url:
        found = examine(capsys, "--base-url", url, code=0)
    states = {id: state for id, (state, _, _) in found.items() if id != "capture.others"}
    assert set(states.values()) == {"ok"}
    assert {"api.product", "api.key", "api.clock", "outbox.usable", "capture.version"} <= set(states)
    assert not (tmp_path / "outbox").exists()


def test_the_emulator_takes_any_product(
    capsys: pytest.CaptureFixture[str], greenflash_emulator: Emulator
) -> None:
    """It knows a product once something has arrived."""
    assert examine(capsys, "--base-url", greenflash_emulator.base_url, code=0)["api.product"][0] == "ok"


@pytest.mark.parametrize(
    ("variables", "id", "state", "said"),
    [
        ({"GREENFLASH_PRODUCT_ID": ""}, "settings.product", "fail", "no product is set"),
        ({"GREENFLASH_PRODUCT_ID": KEY}, "settings.product", "fail", "no UUID"),
        ({"GREENFLASH_API_KEY": ""}, "settings.key", "fail", "no API key"),
        ({"GREENFLASH_API_KEY": f"{KEY} x"}, "settings.valid", "fail", "GREENFLASH_API_KEY cannot be read"),
        ({"GREENFLASH_SAMPLE_RATE": "often"}, "settings.valid", "fail", "'often'"),
        ({"GREENFLASH_PRODUKT_ID": KEY}, "settings.known", "warn", "GREENFLASH_PRODUKT_ID is no variable"),
        ({"OTEL_SDK_DISABLED": "true"}, "capture.enabled", "fail", "nothing is captured"),
        ({"GREENFLASH_OUTBOX": ":memory:"}, "outbox.durable", "warn", "in memory"),
    ],
)
def test_a_setting_that_is_wrong(
    variables: Mapping[str, str],
    id: str,
    state: str,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The other checks go on."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with serving(200, PRODUCTS) as url:
        found = examine(capsys, "--base-url", url, code=1 if state == "fail" else 0)
    assert found[id][0] == state
    assert said in found[id][1]
    assert found["api.address"][0] == "ok"


def test_a_base_url_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    """The key is not sent to the default address instead."""
    found = examine(capsys, "--base-url", "my-host/api", code=1)
    assert found["settings.valid"][0] == "fail"
    assert found["api.reachable"][:2] == ("warn", "not checked: the base URL cannot be read")


ANSWERS: dict[str, tuple[int, str, str, dict[str, str], str, str]] = {
    "a proxy's page": (200, "<html>Sign in</html>", "text/html", {}, "api.address", "HTTP 200, text/html"),
    "a page that is missing": (404, "<html>", "text/html", {}, "api.address", "not the Greenflash API"),
    "another path": (404, '{"message": "no"}', JSON_TYPE, {}, "api.address", "HTTP 404"),
    "another service": (200, '{"hello": 1}', JSON_TYPE, {}, "api.address", "not the list of products"),
    "a redirect": (302, "", "text/html", {"Location": "https://login"}, "api.address", "https://login"),
    "a wrong key": (401, '{"message": "no"}', JSON_TYPE, {}, "api.key", "HTTP 401"),
    "a key without rights": (403, '{"message": "no"}', JSON_TYPE, {}, "api.key", "HTTP 403"),
    "another account": (
        200,
        '[{"id": "7c1e", "name": "Sales\\u001b[2J"}]',
        JSON_TYPE,
        {},
        "api.product",
        "it has: Sales",
    ),
    "a slow clock": (
        200,
        PRODUCTS,
        JSON_TYPE,
        {"Date": formatdate(4_000_000_000, usegmt=True)},
        "api.clock",
        "slow",
    ),
    "a fast clock": (200, PRODUCTS, JSON_TYPE, {"Date": formatdate(1, usegmt=True)}, "api.clock", "fast"),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_what_the_server_says(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each is told apart, and shown on one line without control characters."""
    status, body, kind, headers, id, said = ANSWERS[name]
    with serving(status, body, kind, headers) as url:
        found = examine(capsys, "--base-url", url, code=1)
        assert main(["doctor", "--base-url", url]) == 1
    assert found[id][0] == "fail"
    assert said in found[id][1]
    printed = capsys.readouterr().out
    assert f"FAIL  {id}" in printed
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", printed)


def test_greenflash_has_a_fault_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    """It is a warning, for which nothing is to be changed; --strict makes it a failure."""
    with serving(503, "{}") as url:
        assert examine(capsys, "--base-url", url, code=0)["api.available"][0] == "warn"
        assert main(["doctor", "--strict", "--base-url", url]) == 1


def test_nobody_answers(capsys: pytest.CaptureFixture[str]) -> None:
    """The address is named."""
    with serving(200, PRODUCTS) as url:
        pass
    assert url in examine(capsys, "--base-url", url, code=1)["api.reachable"][1]


def test_what_waits_and_an_outbox_that_is_full(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The first is a warning: a process that runs may deliver it. The second loses what comes next."""
    outbox = tmp_path / "outbox"
    with serving(200, PRODUCTS) as url:
        leave(outbox, url, PRODUCT, messages("chat-42", "a" * 20))
        assert examine(capsys, "--base-url", url, code=0)["outbox.pending"][0] == "warn"
        (outbox / "large").write_bytes(b"x" * 950_000)
        found = examine(capsys, "--base-url", url, "--outbox-limit-bytes", "1000000", code=1)
        assert found["outbox.room"][0] == "fail"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It names the folder."""
    tmp_path.chmod(0o500)
    with serving(200, PRODUCTS) as url:
        assert examine(capsys, "--base-url", url, code=1)["outbox.usable"][0] == "fail"
    tmp_path.chmod(0o700)


def test_an_outbox_that_is_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing can be kept in it."""
    (tmp_path / "file").touch()
    with serving(200, PRODUCTS) as url:
        found = examine(capsys, "--base-url", url, "--outbox", str(tmp_path / "file"), code=1)
    assert found["outbox.usable"][:2] == ("fail", f"{tmp_path / 'file'} is no folder")


def test_the_step_for_what_waits_makes_it_well(
    greenflash_emulator: Emulator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As it is written."""
    monkeypatch.setenv("GREENFLASH_BASE_URL", greenflash_emulator.base_url)
    body = json.dumps({"eventType": "upgrade", "productId": PRODUCT, "value": "1", "externalUserId": "ada"})
    request = ApiRequest("outcome", "/events", body.encode(), "")
    leave(tmp_path / "outbox", greenflash_emulator.base_url, PRODUCT, request)
    state, _, step = examine(capsys, code=0)["outbox.pending"]
    assert state == "warn"
    assert main(step.partition("greenflash-otel ")[2].split()) == 0
    capsys.readouterr()
    assert examine(capsys, code=0)["outbox.pending"][0] == "ok"


@pytest.mark.parametrize(
    ("framework", "id", "state", "said"),
    [
        (
            Framework("no_such_module", "no-such-module", "1", "2"),
            "capture.installed",
            "warn",
            "not installed",
        ),
        (Framework("pytest", "pytest", "1000", "1001"), "capture.version", "fail", "is not supported"),
        (Framework("pytest", "pytest", "1", "1001"), "capture.version", "ok", "pytest"),
    ],
)
def test_what_is_installed(
    framework: Framework,
    id: str,
    state: str,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A library that is missing, too old or new, or right."""
    monkeypatch.setattr("greenflash_otel.checkup.capture_checks.SUPPORTED", {"openai": framework})
    monkeypatch.setenv("GREENFLASH_FRAMEWORKS", "openai")
    with serving(200, PRODUCTS) as url:
        found = examine(capsys, "--base-url", url, code=1 if state == "fail" else 0)
    assert (found[id][0], said in found[id][1]) == (state, True)
    if state != "ok":
        assert f"{framework.distribution}>={framework.lowest}" in found[id][2]
