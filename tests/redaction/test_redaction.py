"""The user's function sees every text; where it fails, nothing is let through."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, cast

import pytest
from hypothesis import given

from greenflash_otel.model.operation import Json
from greenflash_otel.redaction.redact import FAILED, MAX_DEPTH, STRUCTURE, redact_value
from tests.strategies import json_values


def _texts(value: Any) -> list[str]:
    """Every text in a value; of an object, its keys and then its values."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        keys = [key for key in value if key not in STRUCTURE]
        return keys + [text for item in value.values() for text in _texts(item)]
    return [text for item in value for text in _texts(item)] if isinstance(value, (list, tuple)) else []


def _fail(error: BaseException) -> None:
    raise AssertionError("the function did not fail") from error


@given(json_values)
def test_every_text(value: Json) -> None:
    """Each text is handed over once, keys too; everything else stays as it is."""
    seen: list[str] = []

    def keep(text: str, path: str) -> str:
        seen.append(text)
        return text

    assert redact_value(value, "p", keep, _fail) == value
    assert sorted(seen) == sorted(_texts(value))
    changed = _texts(redact_value(value, "p", lambda text, path: "#", _fail))
    assert {text.partition(" (")[0] for text in changed} <= {"#"}


@given(json_values)
def test_no_value_is_lost(value: Json) -> None:
    """However the function changes keys, an object keeps as many values as it had."""
    assert _size(redact_value(value, "p", lambda text, path: text[:1], _fail)) == _size(value)


def _size(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + sum(map(_size, value.values()))
    return 1 + sum(map(_size, value)) if isinstance(value, (list, tuple)) else 1


def test_paths() -> None:
    """The path says where a text stands; entries of a list have the path of the list."""
    value: Json = {"city": "Köln", "days": ["Mon", {"name": "Tue"}], "n": (1, None, True)}
    shown = redact_value(value, "input", _show(), _fail)
    assert shown == {
        "city": "input.city",
        "days": ["input.days", {"name": "input.days.name"}],
        "n": [1, None, True],
    }


def _show() -> Callable[[str, str], str]:
    return lambda text, path: text if path.endswith(".*") else path


def test_the_path_of_a_key() -> None:
    """It is the path of its object, so that a rule for the value does not hide the key."""
    seen: dict[str, str] = {}

    def note(text: str, path: str) -> str:
        seen[text] = path
        return text

    redact_value({"ada@example.com": {"eve@example.com": 1}, "name": 2}, "messages.input", note, _fail)
    assert seen == {
        "ada@example.com": "messages.input.*",
        "eve@example.com": "messages.input.ada@example.com.*",
    }


COLLISIONS: dict[str, tuple[dict[str, Json], dict[str, Json]]] = {
    "two that become the same": ({"a@x": 1, "b@x": 2, "c@x": 3}, {"#": 1, "# (2)": 2, "# (3)": 3}),
    "one that becomes a key that stays": ({"a@x": 1, "#": 2}, {"# (2)": 1, "#": 2}),
    "a key of the format is never renamed": ({"a@x": 1, "text": 2}, {"#": 1, "text": 2}),
    "one that looks like a numbered one": (
        {"# (2)": 1, "a@x": 2, "b@x": 3},
        {"# (2)": 1, "#": 2, "# (3)": 3},
    ),
}


@pytest.mark.parametrize("case", COLLISIONS)
def test_keys_that_become_the_same(case: str) -> None:
    """Both values stay, in their order."""
    value, expected = COLLISIONS[case]
    changed = redact_value(value, "p", lambda text, path: "#" if "@" in text else text, _fail)
    assert json.dumps(changed) == json.dumps(expected)


def test_a_value_that_is_nested_too_deep() -> None:
    """It is replaced as a whole, and counted: what is not seen is not let through."""
    value: Json = "secret"
    for _ in range(10 * MAX_DEPTH):
        value = [value]
    failures: list[BaseException] = []
    changed = redact_value(value, "p", lambda text, path: text, failures.append)
    assert "secret" not in json.dumps(changed)
    assert FAILED in json.dumps(changed)
    assert len(failures) == 1


def _broken(text: str, path: str) -> str:
    raise ValueError(text)


def _leaving(text: str, path: str) -> str:
    raise SystemExit(text)


@pytest.mark.parametrize(
    "redact",
    [_broken, _leaving, lambda text, path: cast(str, None), lambda text, path: cast(str, text.encode())],
)
def test_a_failing_function(redact: Any) -> None:
    """A text whose redaction fails is replaced as a whole, and the failure is counted."""
    failures: list[BaseException] = []
    assert redact_value({"text": "secret", "size": 1}, "p", redact, failures.append) == {
        "text": FAILED,
        "size": 1,
    }
    assert len(failures) == 1
