"""Whatever is passed about a rating, a user or an organization: what comes of it is what Greenflash takes."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from greenflash.types.organization_create_params import OrganizationCreateParams
from greenflash.types.rating_log_params import RatingLogParams
from greenflash.types.user_create_params import UserCreateParams
from hypothesis import given
from hypothesis import strategies as st

from greenflash_otel.greenflash_api import organizations, ratings, users
from greenflash_otel.model.operation import ORIGINAL
from greenflash_otel.outcomes.ratings import (
    Organization,
    Rating,
    User,
    repair_organization,
    repair_rating,
    repair_user,
)
from tests.api.wire import ADDRESS, fields_of, validator
from tests.outcomes.test_repair import Hostile, Scalar

NOW_NS = 1_700_000_000_000_000_000
VALIDATORS = {name: validator(f"{name}Request") for name in ("Rating", "User", "Organization")}
FIELDS = {
    "Rating": fields_of(RatingLogParams),
    "User": fields_of(UserCreateParams),
    "Organization": fields_of(OrganizationCreateParams),
}
ANYTHING: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["a@b", "a@b@c", "@", "a b@c", "a@", "2026-01-31T09:00:00Z", "1e999", 10**400]),
    st.datetimes(),
    st.dictionaries(st.one_of(st.text(max_size=3), st.integers()), st.floats(), max_size=2),
    st.builds(Hostile),
)


def _check(name: str, body: bytes) -> dict[str, Any]:
    """By the published contract, and by the fields the SDK knows."""
    decoded: dict[str, Any] = json.loads(body)
    VALIDATORS[name].validate(decoded)
    assert set(decoded) <= FIELDS[name]
    return decoded


def _rated(rating: object, **given: Any) -> tuple[Rating | None, tuple[str, ...]]:
    made, repairs = repair_rating(rating, now_ns=NOW_NS, **({"conversation_id": "c"} | given))
    return made, tuple(repairs.problems)


@given(
    ANYTHING,
    st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(
            ("rating_min", "rating_max", "conversation_id", "message_id", "feedback", "rated_at"), ANYTHING
        ),
    ),
)
def test_whatever_is_passed_as_a_rating(rating: object, given: dict[str, Any]) -> None:
    """It is one that Greenflash takes, or none, and then the problems say why."""
    made, repairs = repair_rating(rating, now_ns=NOW_NS, **given)
    if made is None:
        assert repairs.problems
        return
    if made.conversation_id is None and made.message_id is None:
        return  # found when it is recorded, or counted
    body = _check("Rating", ratings.request_of(made, ADDRESS).body)
    assert body["ratingMin"] <= body["rating"] <= body["ratingMax"]


@given(
    ANYTHING,
    st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(
            ("name", "email", "phone", "anonymized", "organization_id", "properties"), ANYTHING
        ),
    ),
)
def test_whatever_is_passed_of_a_user(id: object, given: dict[str, Any]) -> None:
    """With an id there is a user; without there is none, and a problem."""
    made, repairs = repair_user(id, **given)
    if made is None:
        assert repairs.problems
        return
    _check("User", users.request_of(made).body)


@given(ANYTHING, st.fixed_dictionaries({}, optional={"name": ANYTHING, "properties": ANYTHING}))
def test_whatever_is_passed_of_an_organization(id: object, given: dict[str, Any]) -> None:
    """Likewise."""
    made, repairs = repair_organization(id, **given)
    if made is None:
        assert repairs.problems
        return
    _check("Organization", organizations.request_of(made).body)


@pytest.mark.parametrize(
    ("rating", "given", "expected"),
    [
        pytest.param(4, {}, (4.0, 1.0, 5.0), id="stars"),
        pytest.param(Decimal("4.5"), {}, (4.5, 1.0, 5.0), id="a Decimal"),
        pytest.param("4", {}, (4.0, 1.0, 5.0), id="digits"),
        pytest.param(Scalar(4.0), {}, (4.0, 1.0, 5.0), id="a number of numpy's kind"),
        pytest.param(Scalar(True), {}, (1.0, 0.0, 1.0), id="a flag of numpy's kind"),
        pytest.param(4.5, {}, (4.5, 1.0, 5.0), id="half a star"),
        pytest.param(True, {}, (1.0, 0.0, 1.0), id="thumb up"),
        pytest.param(False, {}, (0.0, 0.0, 1.0), id="thumb down"),
        pytest.param(-1, {"rating_min": -1, "rating_max": 1}, (-1.0, -1.0, 1.0), id="a scale of one's own"),
        pytest.param(9, {"rating_max": 10}, (9.0, 1.0, 10.0), id="one end of a scale"),
        pytest.param(3, {"rating_min": 3, "rating_max": 3}, (3.0, 3.0, 3.0), id="a scale of one"),
    ],
)
def test_good_ratings(rating: object, given: dict[str, Any], expected: tuple[float, ...]) -> None:
    """They are taken as they are, without a word."""
    made, problems = _rated(rating, **given)
    assert made is not None
    assert (made.rating, made.rating_min, made.rating_max) == expected
    assert problems == ()


@pytest.mark.parametrize(
    ("rating", "given", "expected", "problem"),
    [
        pytest.param(
            7,
            {},
            (5.0, 1.0, 5.0),
            "moved to the nearest end; write a number from 1 to 5",
            id="too high",
        ),
        pytest.param(
            -7,
            {},
            (1.0, 1.0, 5.0),
            "moved to the nearest end; write a number from 1 to 5",
            id="too low",
        ),
        pytest.param(
            2,
            {"rating_min": 3, "rating_max": 1},
            (2.0, 1.0, 3.0),
            "exchanged with rating_max",
            id="ends swapped",
        ),
        pytest.param(4, {"rating_max": "ten"}, (4.0, 1.0, 5.0), "rating_max (str)", id="a word as an end"),
        pytest.param(4, {"rating_min": math.nan}, (4.0, 1.0, 5.0), "rating_min (float)", id="no number"),
        pytest.param(4, {"feedback": 3}, (4.0, 1.0, 5.0), "feedback (int) was made a text", id="feedback"),
        pytest.param(
            4,
            {"rated_at": "soon"},
            (4.0, 1.0, 5.0),
            "rated_at (str)",
            id="a time",
        ),
    ],
)
def test_repaired_ratings(
    rating: object, given: dict[str, Any], expected: tuple[float, ...], problem: str
) -> None:
    """The nearest thing that Greenflash takes, and a sentence that says what was wrong."""
    made, problems = _rated(rating, **given)
    assert made is not None
    assert (made.rating, made.rating_min, made.rating_max) == expected
    assert len(problems) == 1
    assert problem in problems[0]


@pytest.mark.parametrize("rating", ["good", None, math.nan, math.inf, [5], 10**400])
def test_what_is_no_rating(rating: object) -> None:
    """No number is made up."""
    made, problems = _rated(rating)
    assert made is None
    assert problems[-1].startswith(("rating (", "rating was "))


def test_a_message_can_be_rated_without_its_conversation() -> None:
    """Its id is enough."""
    made, problems = _rated(5, conversation_id=None, message_id="m1")
    assert made == Rating(5.0, 1.0, 5.0, NOW_NS, None, "m1")
    assert problems == ()


def test_when_something_was_rated() -> None:
    """Now by default; any zone comes to the same instant."""
    east = datetime(2026, 1, 31, 10, tzinfo=timezone(timedelta(hours=1)))
    made, _ = _rated(5)
    assert made is not None
    assert made.rated_at_ns == NOW_NS
    for same in (east, "2026-01-31T09:00:00Z"):
        made, problems = _rated(5, rated_at=same)
        assert made is not None
        assert (made.rated_at_ns, problems) == (1_769_850_000 * 10**9, ())


@pytest.mark.parametrize(
    ("given", "expected", "problem"),
    [
        pytest.param({"email": "a@b@c"}, User("ada"), "email (str) was left out", id="two ats"),
        pytest.param({"email": "ada"}, User("ada"), "email (str) was left out", id="no at"),
        pytest.param({"phone": 49}, User("ada", phone="49"), "phone (int) was made a text", id="a number"),
        pytest.param({"properties": [1]}, User("ada"), "properties (list) was left out", id="no dict"),
        pytest.param({"anonymized": "perhaps"}, User("ada"), "anonymized (str) was left out", id="no flag"),
    ],
)
def test_repaired_users(given: dict[str, Any], expected: User, problem: str) -> None:
    """What cannot be sent is left out, so that what Greenflash has stays; the original is a property."""
    made, repairs = repair_user("ada", **given)
    assert made == replace(expected, properties={ORIGINAL: given})
    assert len(repairs.problems) == 1
    assert problem in repairs.problems[0]


def test_good_users_and_organizations() -> None:
    """All of it is taken; a number is an id too; an empty name says nothing."""
    properties: Any = {"plan": "pro", "seats": 3}
    user = User("7", "Ada", "ada@example.com", "+49 30 1", True, "acme", properties)
    made, repairs = repair_user(
        7,
        name="Ada",
        email="ada@example.com",
        phone="+49 30 1",
        anonymized="yes",
        organization_id="acme",
        properties=properties,
    )
    assert (made, repairs.problems) == (user, [])
    assert repair_user("ada", name="", anonymized=None)[0] == User("ada")
    assert repair_organization("acme", name="Acme")[0] == Organization("acme", "Acme")
    made_of_nothing, repairs = repair_organization(None)
    assert made_of_nothing is None
    assert repairs.problems == ["organization_id was missing; write your id as text"]


def test_what_is_told_of_one_user_keeps_its_order() -> None:
    """The last one wins, so they share a lane, in which one request is out at a time."""
    first, second = (users.request_of(User("ada", name)) for name in ("A", "B"))
    assert first.conversation_id == second.conversation_id
    assert first.conversation_id != organizations.request_of(Organization("ada")).conversation_id
    assert first.conversation_id != users.request_of(User("bob")).conversation_id
