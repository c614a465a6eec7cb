"""What a convention is: how somebody names the attributes of spans. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import product

from greenflash_otel.model.operation import Operation
from greenflash_otel.model.telemetry import SpanRecord

ALL_OTHERS = ("*",)
"""As `Convention.after`: asked when no other one has found anything."""

CONVERSATION_NAMES = tuple(
    f"{word}{ending}"
    for ending, word in product(("_id", "Id"), ("thread", "conversation", "session", "chat"))
)
USER_NAMES = ("user_id", "userId")
"""What applications call the two in metadata of their own, in Python and in JavaScript."""


@dataclass(frozen=True, slots=True)
class Convention:
    """How attributes are named by somebody."""

    name: str
    marker_attributes: tuple[str, ...]
    """Attributes one of which every span has that is written in it."""
    read: Callable[[SpanRecord], Operation | None]
    """Reads the operation of such a span; None if it has none."""
    conversation_attributes: tuple[str, ...] = ()
    """Attributes that name the conversation, the most specific first."""
    user_attributes: tuple[str, ...] = ()
    """The same of the user."""
    after: tuple[str, ...] = ()
    """Names of conventions that are asked first, because their spans have our marker attributes, too."""


def list_conversation_names(*prefixes: str) -> tuple[str, ...]:
    """Return the attributes that may name the conversation where metadata stands below a prefix."""
    return tuple(f"{prefix}.{name}" for prefix, name in product(prefixes, CONVERSATION_NAMES))


def list_user_names(*prefixes: str) -> tuple[str, ...]:
    """Return the attributes that may name the user where metadata stands below a prefix."""
    return tuple(f"{prefix}.{name}" for prefix, name in product(prefixes, USER_NAMES))


def sort_by_precedence(conventions: Iterable[Convention]) -> tuple[Convention, ...]:
    """Return conventions so that each comes after those it names, and else as they are given.

    Raises:
        ValueError: They go round in a circle, or one names a convention that is not there.
    """
    left, ordered = list(conventions), list[Convention]()
    last = [convention for convention in left if convention.after == ALL_OTHERS]
    left = [convention for convention in left if convention.after != ALL_OTHERS]
    while left:
        ordered_names = {convention.name for convention in ordered}
        following = next(
            (convention for convention in left if ordered_names.issuperset(convention.after)), None
        )
        if following is None:
            places = (f"{convention.name} after {convention.after}" for convention in left)
            raise ValueError(f"no order: {', '.join(places)}")
        left.remove(following)
        ordered.append(following)
    return (*ordered, *last)
