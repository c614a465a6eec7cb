"""The user's function sees every text; where it fails, nothing is let through."""

from __future__ import annotations

from typing import Any, cast

import pytest
from hypothesis import given

from greenflash_otel.model.operation import Json
from greenflash_otel.redaction.redact import FAILED, redacted
from tests.strategies import json_values


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for item in value.values() for text in _texts(item)]
    return [text for item in value for text in _texts(item)] if isinstance(value, (list, tuple)) else []


def _fail(error: Exception) -> None:
    raise AssertionError("the function did not fail") from error


@given(json_values)
def test_every_text(value: Json) -> None:
    """Each text is handed over once; everything else stays as it is."""
    seen: list[str] = []

    def keep(text: str, path: str) -> str:
        seen.append(text)
        return text

    assert redacted(value, "p", keep, _fail) == value
    assert seen == _texts(value)
    assert set(_texts(redacted(value, "p", lambda text, path: "#", _fail))) <= {"#"}


def test_paths() -> None:
    """The path says where a text stands; entries of a list have the path of the list."""
    value: Json = {"city": "Köln", "days": ["Mon", {"name": "Tue"}], "n": (1, None, True)}
    shown = redacted(value, "input", lambda text, path: path, _fail)
    assert shown == {
        "city": "input.city",
        "days": ["input.days", {"name": "input.days.name"}],
        "n": [1, None, True],
    }


def _broken(text: str, path: str) -> str:
    raise ValueError(text)


@pytest.mark.parametrize(
    "redact", [_broken, lambda text, path: cast(str, None), lambda text, path: cast(str, text.encode())]
)
def test_a_failing_function(redact: Any) -> None:
    """A text whose redaction fails is replaced as a whole, and the failure is told."""
    failures: list[Exception] = []
    assert redacted({"a": "secret", "n": 1}, "p", redact, failures.append) == {"a": FAILED, "n": 1}
    assert len(failures) == 1
