"""A user and an organization travel as spans unchanged."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenflash_otel import internal_errors
from greenflash_otel.model.telemetry import SpanRecord
from greenflash_otel.outcomes.identity_span import attributes_of, is_identity, read
from greenflash_otel.outcomes.ratings import Organization, User
from greenflash_otel.semconv import registry
from tests.strategies import ids, maybe, span_of, texts
from tests.test_intake import _converter

properties: st.SearchStrategy[Any] = st.dictionaries(
    st.text(min_size=1, max_size=5), st.integers(), max_size=2
)
some_text = maybe(texts.filter(bool))
users = st.builds(
    User,
    ids,
    some_text,
    maybe(st.just("ada@example.com")),
    some_text,
    maybe(st.booleans()),
    maybe(ids),
    properties,
)
organizations = st.builds(Organization, ids, some_text, properties)


@pytest.fixture(autouse=True)
def nothing_counted() -> None:
    """Each test counts for itself."""
    internal_errors.reset_for_tests()


@given(st.one_of(users, organizations))
def test_what_is_written_is_read(identity: User | Organization) -> None:
    """A span carries all of it, and is recognised by it."""
    span = span_of(attributes_of(identity))
    assert is_identity(span)
    assert registry.recognises(span.attributes)
    found, repairs = read(span)
    assert (found, repairs.problems) == (identity, [])


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        (
            {
                "greenflash.identify": "User",
                "greenflash.user.id": 7,
                "greenflash.user.properties.plan": "pro",
            },
            User("7", properties={"plan": "pro"}),
        ),
        ({"greenflash.identify": "person", "greenflash.user.id": "ada"}, User("ada")),
        ({"greenflash.identify": True, "greenflash.organization.id": "acme"}, Organization("acme")),
        ({"greenflash.identify": "user", "greenflash.organization.id": "acme"}, None),
        ({"greenflash.identify": "organization", "greenflash.user.id": "ada"}, None),
    ],
)
def test_spans_of_other_languages(attributes: dict[str, Any], expected: User | Organization | None) -> None:
    """Numbers are ids, properties come one by one, and a word that is none is guessed by the ids."""
    assert read(span_of(attributes))[0] == expected


def foreign(attributes: dict[str, Any]) -> SpanRecord:
    """A span whose scope is not ours, within another span that has not come."""
    return replace(span_of(attributes), scope="shop", parent_span_id="1" * 16)


def test_the_span_of_another_language_does_not_wait() -> None:
    """Nothing in its trace says more about it."""
    intake, store = _converter()
    intake.take([foreign(attributes_of(User("ada", "Ada")))])
    assert store.bodies() == [{"externalUserId": "ada", "name": "Ada"}]
    intake.take([foreign(attributes_of(Organization("acme", "Acme")))])
    assert store.bodies()[-1] == {"externalOrganizationId": "acme", "name": "Acme"}


def test_one_without_an_id_is_counted() -> None:
    """There is nothing to deliver."""
    intake, store = _converter()
    intake.take([span_of({"greenflash.identify": "user", "greenflash.user.name": "Ada"})])
    assert store.bodies() == []
    assert internal_errors.get_counts().lost == {"unusable_arguments": 1}


def test_its_texts_are_redacted_and_its_ids_are_not() -> None:
    """Also where it waits on disk."""
    intake, store = _converter(lambda text, path: text.replace("ada", "[gone]"))
    span = span_of(attributes_of(User("ada", "ada", organization_id="ada inc", properties={"of": "ada"})))
    waiting = intake._redaction.redact_waiting(span)
    assert isinstance(waiting, SpanRecord)
    for one in (span, waiting):
        intake.take([one])
        assert store.bodies()[-1] == {
            "externalUserId": "ada",
            "name": "[gone]",
            "externalOrganizationId": "ada inc",
            "properties": {"of": "[gone]"},
        }
