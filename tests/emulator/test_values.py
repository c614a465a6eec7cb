"""The small pure parts: instants, sampling, pages."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenflash_otel.emulator.instants import read_instant_us, write_instant
from greenflash_otel.emulator.paging import Page, link_header, list_links, read_page
from greenflash_otel.emulator.refusal import Refused
from greenflash_otel.emulator.sampling import is_sampled

YEAR_1_US = -62_135_596_800_000_000
YEAR_9999_US = 253_402_300_799_999_999


@pytest.mark.parametrize(
    ("text", "at_us"),
    [
        pytest.param("1970-01-01T00:00:00Z", 0, id="epoch"),
        pytest.param("1970-01-02", 86_400_000_000, id="a date is its midnight in UTC"),
        pytest.param("1970-01-01T00:00:00.5Z", 500_000, id="one digit"),
        pytest.param("1970-01-01T00:00:00.123456789Z", 123_456, id="nanoseconds are cut"),
        pytest.param("1970-01-01T01:00:00+01:00", 0, id="east"),
        pytest.param("1969-12-31T18:30:00-05:30", 0, id="west"),
        pytest.param("1969-12-31T23:59:59.999999Z", -1, id="before the epoch"),
    ],
)
def test_an_instant_is_read(text: str, at_us: int) -> None:
    """RFC 3339 with any zone comes to one number."""
    assert read_instant_us(text) == at_us


@given(st.integers(YEAR_1_US, YEAR_9999_US))
def test_a_written_instant_reads_back(at_us: int) -> None:
    """Writing loses nothing, in every year that has four digits."""
    assert read_instant_us(write_instant(at_us), date_alone=False) == at_us


def test_a_date_alone_is_no_date_time() -> None:
    """``eventAt`` wants the time too."""
    with pytest.raises(ValueError, match="date-time with a zone"):
        read_instant_us("2026-01-31", date_alone=False)


@given(st.text(st.characters(exclude_categories=["Cs"])), st.floats(0, 1), st.floats(0, 1))
def test_a_lower_rate_keeps_part_of_what_a_higher_one_keeps(key: str, one: float, other: float) -> None:
    """The decision depends on the key alone: rates nest, 0 keeps nothing, 1 and None everything."""
    low, high = sorted((one, other))
    assert is_sampled(key, high, forced=None) or not is_sampled(key, low, forced=None)
    assert not is_sampled(key, 0.0, forced=False)
    assert is_sampled(key, 1.0, forced=None)
    assert is_sampled(key, None, forced=None)
    assert is_sampled(key, 0.0, forced=True)


def test_a_rate_keeps_about_its_share() -> None:
    """Of many conversations a quarter stays at a rate of 0.25."""
    kept = sum(is_sampled(f"chat-{number}", 0.25, forced=None) for number in range(4_000))
    assert 900 < kept < 1_100


@pytest.mark.parametrize(
    ("query", "page"),
    [
        pytest.param({}, Page(50, 0), id="default"),
        pytest.param({"limit": "10", "page": "3"}, Page(10, 20), id="page"),
        pytest.param({"limit": "10", "offset": "7"}, Page(10, 7), id="offset"),
        pytest.param({"limit": "10.0"}, Page(10, 0), id="as the SDK writes a float"),
    ],
)
def test_a_page_is_read(query: Mapping[str, str], page: Page) -> None:
    """By offset, or by page with offset = (page - 1) * limit."""
    assert read_page(query) == page


@pytest.mark.parametrize(
    ("query", "message"),
    [
        pytest.param({"limit": "0"}, "limit: must be a whole number from 1 to 100", id="none"),
        pytest.param({"limit": "101"}, "limit: must be a whole number from 1 to 100", id="too many"),
        pytest.param({"limit": "1.5"}, "limit: must be a whole number from 1 to 100", id="fraction"),
        pytest.param({"page": "0"}, "page: must be a whole number from 1 up", id="page 0"),
        pytest.param({"offset": "-1"}, "offset: must be a whole number from 0 up", id="negative"),
        pytest.param({"limit": "ten"}, "limit: must be a whole number from 1 to 100", id="word"),
    ],
)
def test_a_page_that_does_not_exist_is_refused(query: Mapping[str, str], message: str) -> None:
    """With status 400 and the bounds."""
    with pytest.raises(Refused) as refused:
        read_page(query)
    assert (refused.value.status, refused.value.message) == (400, message)


@pytest.mark.parametrize(
    ("query", "more", "header"),
    [
        pytest.param({}, False, {}, id="the only page"),
        pytest.param({"limit": "2"}, True, {"link": '<u?limit=2&page=2>; rel="next"'}, id="first"),
        pytest.param(
            {"limit": "2", "page": "2"}, False, {"link": '<u?limit=2&page=1>; rel="prev"'}, id="last"
        ),
        pytest.param(
            {"limit": "2", "offset": "3"},
            True,
            {"link": '<u?limit=2&offset=5>; rel="next", <u?limit=2&offset=1>; rel="prev"'},
            id="between, by offset",
        ),
        pytest.param(
            {"limit": "2", "offset": "1"}, False, {"link": '<u?limit=2&offset=0>; rel="prev"'}, id="cut"
        ),
    ],
)
def test_links_lead_to_the_pages_around(
    query: Mapping[str, str], more: bool, header: Mapping[str, str]
) -> None:
    """In the terms of the query, and only where there is a page."""
    assert link_header(list_links("u", query, read_page(query), more=more)) == header
