"""What known spans become is what they became when the golden file was made.

Where a change is meant, `make golden` renews the file; its diff says which message changed.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache

import pytest

import greenflash_otel
from greenflash_otel.greenflash_api.request import ApiRequest
from greenflash_otel.instrumentation.open_operations import TAKES_LOCKS
from greenflash_otel.internal_errors import get_internal_errors
from tests.golden import names, store
from tests.golden.sources import Case, sources

SOURCES = sources()
RENEW = "If this is meant, run `make golden` and review its diff."


@cache
def cases_of(source: str) -> tuple[Case, ...]:
    """What a source becomes."""
    before = dict(get_internal_errors())
    found = tuple(SOURCES[source]())
    assert dict(get_internal_errors()) == before
    return found


@pytest.mark.parametrize("source", SOURCES)
def test_golden(source: str) -> None:
    """Requests, state records and attribute names are as they were."""
    cases = cases_of(source)
    assert_same("bodies", source, store.bodies(cases))
    assert_same("records", source, store.records(cases))
    known: Mapping[str, str] = names.read()["attributes"]
    assert {name: type for case in cases for name, type in case.attributes.items()}.items() <= known.items()


def assert_same(kind: str, source: str, found: str) -> None:
    """Nothing differs; or say what does, request by request."""
    path = store.path_of(kind, source)
    golden = path.read_text(encoding="utf-8") if path.exists() else ""
    if told := store.differences(golden, found):
        pytest.fail(f"The {kind} of {source} are not the golden ones. {RENEW}\n{told}", pytrace=False)


def test_no_file_is_left_over() -> None:
    """Each file of the golden ones belongs to a source."""
    for kind in ("bodies", "records"):
        written = set((store.HERE / kind).rglob("*.jsonl"))
        assert written == {store.path_of(kind, source) for source in SOURCES}


def test_public_names() -> None:
    """What an application can import is what it could."""
    assert names.read()["public"] == sorted(greenflash_otel.__all__)


@pytest.mark.parametrize("prefix", TAKES_LOCKS)
def test_the_modules_that_take_locks_exist(prefix: str) -> None:
    """A package that is renamed would otherwise not be recognised any more, without a word."""
    spec = importlib.util.find_spec(prefix.rstrip("."))
    assert spec is not None
    assert (spec.submodule_search_locations is not None) == prefix.endswith(".")


# --- what a failure says ---------------------------------------------------------------------------

BODY = (
    b'{"productId":"p","externalConversationId":"c","messages":'
    b'[{"externalMessageId":"m1","content":"Hi"},{"externalMessageId":"m2","content":"%b"}]}'
)


def lines_of(*bodies: bytes, name: str = "a chat") -> str:
    """Golden lines of some bodies."""
    return store.bodies([Case(name, [ApiRequest("messages", "/messages", body, "c") for body in bodies])])


GOLDEN = lines_of(BODY % b"Hello")


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ([BODY % b"Hello."], ['body.messages[1].content: was "Hello", is "Hello."']),
        ([], ["a chat, request 0:", "is missing"]),
        ([BODY % b"Hello", BODY % b"Bye"], ["a chat, request 1:", "is new"]),
        ([(BODY % b"Hello").replace(b":[", b": [")], ["the bytes differ, not the fields"]),
        ([BODY % (b"x" * 500)], ["xxx… (500 characters, "]),
    ],
)
def test_a_difference_is_shown_field_by_field(found: Iterable[bytes], told: Iterable[str]) -> None:
    """Who reads it need not look for it."""
    shown = store.differences(GOLDEN, lines_of(*found))
    assert [entry for entry in told if entry not in shown] == []


def test_no_difference_is_nothing() -> None:
    """Also where only a long text's end differs, there is one."""
    assert store.differences(GOLDEN, lines_of(BODY % b"Hello")) == ""
    one, other = (lines_of(BODY % (b"x" * 500 + end)) for end in (b"a", b"b"))
    assert "body.messages[1].content" in store.differences(one, other)


def test_state_records_are_compared_by_kind() -> None:
    """Their order does not count; what they say does."""
    case = Case("a chat", records=[("conversation o 1", "[1]"), ("trace o 2", "[2]")])
    assert store.records([case]) == store.records([replace(case, records=case.records[::-1])])
    changed = store.records([replace(case, records=[("conversation o 1", "[3]"), ("trace o 2", "[2]")])])
    assert store.differences(store.records([case]), changed).startswith("a chat, request conversation:")
