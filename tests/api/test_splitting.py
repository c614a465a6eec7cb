"""Cutting requests in two."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenflash_otel.greenflash_api.request import ApiRequest, encode
from greenflash_otel.greenflash_api.splitting import split

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
MESSAGES = st.lists(st.dictionaries(st.text(max_size=5), JSON, max_size=3), min_size=2, max_size=9)


def request_of(body: dict[str, Any]) -> ApiRequest:
    """A messages request."""
    return ApiRequest("messages", "/messages", encode(body), "chat-42", len(body.get("messages", "x")))


@given(MESSAGES, st.dictionaries(st.text(max_size=5), JSON, max_size=3))
def test_halves_make_up_the_whole(messages: list[dict[str, Any]], others: dict[str, Any]) -> None:
    """Each message is in one half, in order and with its bytes; every other field is in both."""
    whole = request_of({**others, "messages": messages})
    first, second = split(whole)
    parts = [json.loads(part.body)["messages"] for part in (first, second)]
    assert encode({"m": parts[0] + parts[1]}) == encode({"m": json.loads(whole.body)["messages"]})
    assert [first.items, second.items] == [len(part) for part in parts]
    assert 0 <= first.items - second.items <= 1
    for half, part in zip((first, second), parts, strict=True):
        rest = {**json.loads(whole.body), "messages": part}
        assert half == ApiRequest("messages", "/messages", encode(rest), "chat-42", len(part))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"messages": [{}]}, id="one message"),
        pytest.param({"messages": []}, id="no message"),
        pytest.param({"eventType": "upgrade"}, id="an outcome"),
        pytest.param({"messages": "ab"}, id="no list"),
    ],
)
def test_what_cannot_be_parted_is_refused(body: dict[str, Any]) -> None:
    """The caller has to keep it as it is."""
    with pytest.raises(ValueError, match="cannot be split"):
        split(request_of(body))
