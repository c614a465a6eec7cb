"""What the presets find, what they leave, and what a wrong name is told."""

from __future__ import annotations

import sys
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenflash_otel.errors import ConfigurationError
from greenflash_otel.pipeline import Pipeline
from greenflash_otel.redaction.presets import KINDS, redactor
from greenflash_otel.settings import Settings
from tests.conftest import PRODUCT

ALL = ("emails", "phones/US", "cards", "keys")

FOUND: Mapping[str, tuple[str, str]] = {
    "an address": ("Mail ada@example.com, please", "Mail [email], please"),
    "addresses in brackets": ("<b.c+d@x-y.co.uk>;ö@müller.de.", "<[email]>;[email]."),
    "a number with a country code": ("call +49 30 901820 now", "call [phone] now"),
    "a number of the country": ("call (650) 253-0000 now", "call [phone] now"),
    "a card": ("4111 1111 1111 1111, 5500-0000-0000-0004", "[card], [card]"),
    "an AWS key": ("key=AKIAIOSFODNN7EXAMPLE.", "key=[key]."),
    "a key of OpenAI": ("sk-proj-abcdefghij1234567890", "[key]"),
    "a key of GitHub": ("ghp_" + "a1" * 18, "[key]"),
    "a token": ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcdefghijk", "[key]"),
    "a private key": ("-----BEGIN EC PRIVATE KEY-----\nMHc\n-----END EC PRIVATE KEY-----!", "[key]!"),
    "half a private key": ("so -----BEGIN PRIVATE KEY-----\nMHc", "so [key]"),
    "a key with an address in it": ("gf_ada-example-key-1234 a@b.co", "[key] [email]"),
}

LEFT = (
    "Version 1.2.3 of 2026-11-21T06:00:00Z, order 1234567890123",
    "id 0a1b2c3d-1234-5678-9abc-def012345678",
    "a@b, @home, 5 @ 3 €, sk-learn, task_force",
    "4111 1111 1111 1112",
)


@pytest.mark.parametrize("name", FOUND)
def test_what_is_found(name: str) -> None:
    """It is replaced by its kind, and nothing else is touched."""
    text, expected = FOUND[name]
    assert redactor(*ALL)(text, "messages.content") == expected


@pytest.mark.parametrize("text", LEFT)
def test_what_is_left(text: str) -> None:
    """What only looks alike stays."""
    assert redactor(*ALL)(text, "messages.content") == text


def test_only_what_is_named() -> None:
    """Each preset hides its own kind."""
    text = "a@b.co, +49 30 901820, 4111 1111 1111 1111, AKIAIOSFODNN7EXAMPLE"
    hidden = {name: redactor(name)(text, "") for name in ("emails", "phones", "cards", "keys")}
    for name, found in hidden.items():
        assert found.count("[") == 1
        assert f"[{name[:-1]}]" in found
    assert redactor("phones")("(650) 253-0000", "") == "(650) 253-0000"


@given(
    st.lists(st.sampled_from([text for text, _ in FOUND.values()]), max_size=4),
    st.text(" abc,.\n", max_size=9),
)
def test_twice_is_once(texts: list[str], between: str) -> None:
    """What was redacted has nothing left to redact."""
    redact = redactor(*ALL)
    once = redact(f" {between} ".join(texts), "")
    assert redact(once, "") == once


@pytest.mark.parametrize(
    ("redact", "told"),
    [
        ("mails", "'mails'; write one of keys, emails, cards, phones, or 'module:function'"),
        ("emails/US", "'emails/US'"),
        ("phones/Mars", "write a country as in 'phones/US'"),
        ("emails,", "names ''"),
    ],
)
def test_a_wrong_name(redact: str, told: str) -> None:
    """`instrument()` says what to write."""
    with pytest.raises(ConfigurationError) as error:
        Pipeline(Settings(PRODUCT, redact=redact))
    assert told in str(error.value)


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what to install."""
    monkeypatch.setitem(sys.modules, "phonenumbers", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'greenflash-otel\[redaction\]'"):
        redactor("phones")


def test_by_setting() -> None:
    """Names in one text, as from the environment."""
    environment = {"GREENFLASH_REDACT": "emails, cards", "GREENFLASH_OUTBOX": ":memory:"}
    settings = Settings.read({"GREENFLASH_PRODUCT_ID": PRODUCT, **environment})
    Pipeline(settings).shutdown(0)
    assert set(KINDS) == {"keys", "emails", "cards", "phones"}
