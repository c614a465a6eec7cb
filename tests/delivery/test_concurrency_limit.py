"""How many requests may be out: more while they succeed, half as many after a volley that did not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from greenflash_otel.delivery.schedule import MOST, START, ConcurrencyLimit

STEPS = st.lists(st.tuples(st.booleans(), st.floats(0, 30), st.floats(0, 10)), max_size=200)
"""Whether a request got through, how long it was out, and how long after the one before it came back."""


@given(STEPS)
def test_it_stays_within_its_bounds(steps: list[tuple[bool, float, float]]) -> None:
    """Whatever happens at least one may be out, and never more than the most."""
    window, now_s = ConcurrencyLimit(), 0.0
    for got_through, out_s, later_s in steps:
        now_s += later_s
        before = window.size
        if got_through:
            window.widen()
            assert window.size in (before, before + 1)
        else:
            window.narrow(sent_s=now_s - out_s, now_s=now_s)
            assert window.size in (before, max(before // 2, 1))
        assert 1 <= window.size <= MOST


def test_it_begins_small_and_grows_by_one_per_window() -> None:
    """As many as may be out must get through before one more may."""
    window = ConcurrencyLimit()
    assert window.size == START
    grown = []
    for _ in range(MOST * MOST):
        window.widen()
        grown.append(window.size)
    assert grown.count(START) in (START - 1, START)
    assert all(grown.count(size) in range(size - 1, size + 2) for size in range(START + 1, MOST))
    assert grown[-1] == MOST


def test_a_volley_halves_it_once() -> None:
    """All that was out when the trouble began fails of the same trouble."""
    window = ConcurrencyLimit()
    for _ in range(MOST * MOST):
        window.widen()
    for back_s in range(10, 10 + MOST):
        window.narrow(sent_s=9.0, now_s=float(back_s))
    assert window.size == MOST // 2


def test_trouble_that_lasts_halves_it_again() -> None:
    """Down to one, which probes until something gets through."""
    window = ConcurrencyLimit()
    sizes = []
    for at_s in (1.0, 2.0, 3.0, 4.0):
        window.narrow(sent_s=at_s, now_s=at_s + 0.5)
        sizes.append(window.size)
    assert sizes == [2, 1, 1, 1]
    window.widen()
    assert window.size == 2
