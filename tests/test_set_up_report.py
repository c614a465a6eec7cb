"""What `instrument()` says of itself: what it records, where that goes, and what is wrong with it."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.sdk.trace import TracerProvider

import greenflash_otel as greenflash
from greenflash_otel import set_up_report
from greenflash_otel.frameworks import SUPPORTED
from greenflash_otel.instrumentors import LangChainInstrumentor, OpenAIInstrumentor
from greenflash_otel.settings import FRAMEWORKS
from tests.conftest import PRODUCT

NOWHERE = "http://127.0.0.1:9/api/v1"
OTHER_PRODUCT = "11111111-2222-4333-8444-555555555555"


def start(**more: Any) -> greenflash.Pipeline:
    """Instrument, to be delivered nowhere."""
    given = {"product_id": PRODUCT, "api_key": "gf_first", "base_url": NOWHERE, "outbox": ":memory:", **more}
    return greenflash.instrument(**given)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Callable[[int], list[str]]:
    """What we have logged at a level."""
    caplog.set_level(logging.INFO, "greenflash_otel")
    return lambda level: [record.getMessage() for record in caplog.records if record.levelno == level]


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment without openai and langchain."""
    for name in ("openai", "langchain_core"):
        monkeypatch.setitem(sys.modules, name, None)


Log = Callable[[int], list[str]]


def test_it_says_once_what_it_has_set_up(log: Log, tmp_path: Path) -> None:
    """At INFO: frameworks with versions, the address without its password, the product, the outbox."""
    start(outbox=tmp_path, base_url="http://me:secret@127.0.0.1:9/api/v1")
    start(outbox=tmp_path, base_url="http://me:secret@127.0.0.1:9/api/v1")
    [line] = log(logging.INFO)
    versions = [f"{name} {metadata.version(name)}" for name in ("openai", "langchain-core")]
    assert line == (
        f"records {' and '.join(versions)}; delivers to http://127.0.0.1:9/api/v1, product {PRODUCT}; "
        f"the outbox is in {tmp_path}"
    )
    assert log(logging.WARNING) == []


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"frameworks": ["langchain"]}, "records langchain-core"),
        ({"frameworks": ()}, "records no calls of its own; delivers to"),
        ({}, "the outbox is in memory"),
        ({"export": "none"}, "makes spans only, and delivers nothing"),
    ],
)
def test_it_says_what_is_different(settings: dict[str, Any], said: str, log: Log) -> None:
    """Other frameworks, another way."""
    start(**settings)
    assert said in log(logging.INFO)[0]
    assert log(logging.WARNING) == []


@pytest.mark.usefixtures("nothing_installed")
@pytest.mark.parametrize(
    ("wanted", "lacking"),
    [
        (None, "neither openai nor langchain-core is installed"),
        (["langchain"], "langchain-core is not installed"),
    ],
)
def test_where_nothing_can_be_captured_it_warns(wanted: list[str] | None, lacking: str, log: Log) -> None:
    """Silence would look like success."""
    start(frameworks=wanted)
    [line] = log(logging.WARNING)
    assert lacking in line


@pytest.mark.usefixtures("nothing_installed")
@pytest.mark.parametrize("settings", [{"frameworks": ()}, {"tracer_provider": TracerProvider()}])
def test_who_needs_nothing_of_ours_is_not_warned(settings: dict[str, Any], log: Log) -> None:
    """Outcomes only, or spans that others make."""
    start(**settings)
    assert log(logging.WARNING) == []


def test_one_of_two_is_enough(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not installed is left out."""
    monkeypatch.setitem(sys.modules, "langchain_core", None)
    start()
    assert log(logging.WARNING) == []
    assert log(logging.INFO)[0].startswith(f"records openai {metadata.version('openai')}; ")


@pytest.mark.parametrize(
    ("version", "supported"),
    [
        ("1.66.4", False),
        ("1.66.5", True),
        ("1.66.5.post1", True),
        ("3.999", True),
        ("4.0.0a1", False),
        ("4", False),
        ("v2.0", True),
        ("1!0.1", False),
        ("unknown", True),
    ],
)
def test_which_versions_are_supported(version: str, supported: bool) -> None:
    """From the lowest one, below the next that may break; a doubt is no reason to warn."""
    assert SUPPORTED["openai"].supports(version) is supported


def test_an_unsupported_version_is_named(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the versions that would do."""
    versions = {"openai": "0.28.1"}
    monkeypatch.setattr(metadata, "version", lambda name: versions.get(name, "1.0.0"))
    start()
    [line] = log(logging.WARNING)
    assert line.startswith("openai 0.28.1 is not supported")
    assert line.endswith("install openai >= 1.66.5, < 4")


def test_a_version_that_nobody_tells(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a frozen application."""

    def unknown(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", unknown)
    start()
    assert "records openai (version unknown)" in log(logging.INFO)[0]
    assert log(logging.WARNING) == []


def test_there_is_one_truth_about_versions() -> None:
    """The table, the package's extras, and OpenTelemetry's instrumentors."""
    project = (Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    assert set(SUPPORTED) == set(FRAMEWORKS)
    for name, framework in SUPPORTED.items():
        assert f'{name} = ["{framework.distribution}>={framework.lowest},<{framework.below}"]' in project
    assert OpenAIInstrumentor.dependency == SUPPORTED["openai"].requirement
    assert LangChainInstrumentor.dependency == SUPPORTED["langchain"].requirement


class TestASecondInstrument:
    """It returns the first one's pipeline, whatever it is asked for."""

    @pytest.mark.parametrize(
        "again",
        [
            {},
            {"product_id": PRODUCT, "api_key": "gf_first", "base_url": NOWHERE, "outbox": ":memory:"},
            {"frameworks": "openai, langchain", "capture_content": True, "keep_on": ["outcome", "error"]},
        ],
    )
    def test_with_the_same_or_nothing(self, again: dict[str, Any], log: Log) -> None:
        """Nothing is missing, and nothing is said."""
        pipeline = start()
        assert greenflash.instrument(**again) is pipeline
        assert log(logging.WARNING) == []

    def test_with_other_settings(self, log: Log) -> None:
        """They are named, with values where these are no secret."""
        pipeline = start()
        again = greenflash.instrument(
            api_key="gf_second",
            product_id=OTHER_PRODUCT,
            base_url="https://me:word@example.org/api/v1",
            redact=lambda text, path: text,
            id_key="salt",
            capture_content=False,
            sample_rate=0.5,
        )
        assert again is pipeline
        [line] = log(logging.WARNING)
        for difference in (
            "api_key is another one",
            f"product_id is '{OTHER_PRODUCT}', and '{PRODUCT}' stays",
            f"base_url is 'https://example.org/api/v1', and '{NOWHERE}' stays",
            "redact is another one",
            "id_key is another one",
            "capture_content is False, and True stays",
            "sample_rate is 0.5, and None stays",
        ):
            assert difference in line
        assert not re.search("gf_|salt|word|lambda", line)

    def test_with_other_objects(self, log: Log) -> None:
        """A provider or a client is compared by identity."""
        provider = TracerProvider()
        with httpx.Client() as client:
            start(tracer_provider=provider, http_client=client)
            greenflash.instrument(tracer_provider=provider, http_client=client)
            assert log(logging.WARNING) == []
            greenflash.instrument(tracer_provider=TracerProvider(), http_client=httpx.Client())
        assert "tracer_provider is another one; http_client is another one" in log(logging.WARNING)[0]

    @pytest.mark.parametrize(
        "wrong",
        [{"product_id": "mine"}, {"export": "disk"}, {"outbox": 7}, {"frameworks": 7}, {"base_url": 7}],
    )
    def test_with_wrong_settings(self, wrong: dict[str, Any], log: Log) -> None:
        """It raises nothing, as it changes nothing."""
        pipeline = start()
        assert greenflash.instrument(**wrong) is pipeline
        assert log(logging.WARNING)

    def test_after_shutdown_it_is_a_first_one(self, log: Log) -> None:
        """With all that belongs to it."""
        pipeline = start()
        greenflash.shutdown(0)
        assert start(product_id=OTHER_PRODUCT) is not pipeline
        assert len(log(logging.INFO)) == 2


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://u:p@[::1]:8/api", "https://[::1]:8/api"),
        ("https://a@b@host/x?y=1", "https://host/x?y=1"),
        ("http://[", "an address that cannot be read"),
    ],
)
def test_no_password_is_logged(url: str, shown: str) -> None:
    """Some put one into the URL."""
    assert set_up_report.remove_password(url) == shown
