"""A body is UTF-8 JSON that every server and database takes."""

from __future__ import annotations

import json
import math
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenflash_otel import internal_errors
from greenflash_otel.greenflash_api.request import API_PATHS, encode, is_api_path
from greenflash_otel.model.operation import Json
from tests.strategies import objects


@given(objects)
def test_any_object(body: dict[str, Json]) -> None:
    """What goes in comes out, but for NUL."""
    written = encode(body)
    assert b"\\u0000" not in written.replace(b"\\\\", b"")
    clean = json.loads(
        json.dumps(body).replace("\\\\", "\ue000").replace("\\u0000", "\\ufffd").replace("\ue000", "\\\\")
    )
    assert json.loads(written) == clean


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("née 日本 😀", "née 日本 😀", id="text of the world"),
        pytest.param("a\0b\0", "a\ufffdb\ufffd", id="NUL"),
        pytest.param("\\u0000", "\\u0000", id="a backslash and u0000 is no NUL"),
        pytest.param("\\\0", "\\\ufffd", id="NUL after a backslash"),
        pytest.param("\\\\\0\\\\u0000", "\\\\\ufffd\\\\u0000", id="both, after two backslashes"),
        pytest.param("\0\0\0", "\ufffd" * 3, id="several NUL"),
        pytest.param("half \ud83d", "half \ufffd", id="half a character"),
        pytest.param("\udc00\0", "\ufffd\ufffd", id="half a character and NUL"),
    ],
)
def test_texts(text: str, expected: str) -> None:
    """Only what no database takes is replaced, in names and in values."""
    assert json.loads(encode({text: [text]})) == {expected: [expected]}


@given(st.text(st.characters(), max_size=20))
def test_always_utf_8(text: str) -> None:
    """Any text of Python, surrogates too, gives bytes that are UTF-8."""
    assert json.loads(encode({"text": text}).decode()).keys() == {"text"}


def test_compact_and_in_order() -> None:
    """The bytes of a body are always the same."""
    assert encode({"b": 1, "a": [None, True]}) == b'{"b":1,"a":[null,true]}'


@pytest.mark.parametrize(
    "path",
    [*sorted(API_PATHS), "/users/ada", "/users/a%2Fb%20c", "/organizations/3c90c3cc-0d44", "/users/a..b"],
)
def test_the_paths_of_the_api(path: str) -> None:
    """Those that requests are posted to, and those of one user or organization."""
    assert is_api_path(path)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "messages",
        "/messages/",
        "/messages/1",
        "/Messages",
        "/messages?x=1",
        "/messages#x",
        "/messages\n",
        "/users/",
        "/users/a/b",
        "/users/..",
        "/users/.",
        "/users/%2e%2E",
        "/users/%2e%2e%2fadmin",
        "/users/a%2f..%2f..%2fadmin",
        "/users/a%5c..%5cb",
        "/users/%0d%0aHost:x",
        "/users/a%00",
        "/users/a%zz",
        "/users/a b",
        "/users/\u00e9",
        "/users/a?b",
        "//users/a",
        "@evil.example/messages",
        ".evil.example/messages",
        ":81/messages",
        "/../messages",
    ],
)
def test_other_paths(path: str) -> None:
    """None leads to another host, out of the API, or splits the request's head."""
    assert not is_api_path(path)


@given(st.text(max_size=30))
def test_an_id_is_one_segment(id: str) -> None:
    """Whatever follows, a path stays below its collection."""
    if is_api_path(f"/users/{id}"):
        assert not set("/?#\\ \r\n") & set(id)


def _cycle() -> list[Any]:
    within: list[Any] = []
    within.append(within)
    return within


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(math.nan, "nan", id="NaN"),
        pytest.param(-math.inf, "-inf", id="an infinite number"),
        pytest.param(date(2026, 1, 2), "2026-01-02", id="a date"),
        pytest.param({("a", 1): 2}, {'["a",1]': 2}, id="a key that is a tuple"),
        pytest.param(_cycle(), ["<cycle>"], id="a cycle"),
        pytest.param(10**5_000, "<int>", id="an integer that Python refuses to write"),
    ],
)
def test_what_json_has_no_form_for(value: Any, expected: Any) -> None:
    """It becomes text, the rest of the body stays, and it is counted."""
    internal_errors.reset_for_tests()
    long = "x" * 2_000_000
    assert json.loads(encode({"bad": value, "good": [1, long]})) == {"bad": expected, "good": [1, long]}
    assert internal_errors.get_counts().repaired == 1
