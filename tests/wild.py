"""Values of every kind that an application may pass, and none of which may cost more than itself."""

from __future__ import annotations

import datetime as dt
import enum
import ipaddress
import math
import types
import uuid
from collections import OrderedDict, UserDict, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import PurePosixPath
from typing import Any, TypeAlias

from hypothesis import strategies as st
from pydantic import BaseModel


class Hostile:
    """Cannot be shown, compared, counted, iterated or asked for its truth."""

    def _refuse(self, *args: object) -> Any:
        raise RuntimeError("no")

    __repr__ = __str__ = __bool__ = __float__ = __index__ = __eq__ = __len__ = __iter__ = _refuse
    __hash__ = object.__hash__


class Faceless:
    """Does not even say what it is."""

    @property  # type: ignore[misc]  # what a proxy does
    def __class__(self) -> Any:
        raise RuntimeError("no")


class Breaking(Mapping[str, Any]):
    """A mapping that raises midway."""

    def __getitem__(self, key: str) -> Any:
        if key == "bad":
            raise RuntimeError("no")
        return key

    def __iter__(self) -> Iterator[str]:
        yield from ("good", "bad", "better")
        raise RuntimeError("no more")

    def __len__(self) -> int:
        return 3


class LoudStr(str):
    """A text that says something else when asked for it."""

    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __format__ = __str__  # type: ignore[assignment]


class OwnDict(dict[str, Any]):
    """A dict that raises where one would read it."""

    def items(self) -> Any:
        raise RuntimeError("no")

    def __getitem__(self, key: str) -> Any:
        raise RuntimeError("no")


class Colour(enum.Enum):
    RED = "red"
    NONE = None
    NESTED = ("a", {"b": 1})


class Level(enum.IntEnum):
    HIGH = 3


class Tenant(str, enum.Enum):
    ACME = "acme"


@dataclass
class Point:
    x: Any
    y: Any = None


class Model(BaseModel):
    name: str = "ada"
    at: dt.date = dt.date(2026, 1, 2)
    secret: Any = None


class Scalar:
    """A number or a flag as numpy has them."""

    shape = ()

    def __init__(self, value: Any) -> None:
        self._value = value

    def tolist(self) -> Any:
        return self._value


class Floaty:
    """A number that says no more of itself than ``float()`` gives."""

    def __init__(self, value: Any = 0.5) -> None:
        self._value = value

    def __float__(self) -> float:
        return float(self._value)


class BadZone(dt.tzinfo):
    """A zone that cannot be asked."""

    def utcoffset(self, moment: dt.datetime | None) -> Any:
        raise RuntimeError("no")

    dst = tzname = utcoffset


def cycle() -> dict[str, Any]:
    """A dict that contains itself."""
    found: dict[str, Any] = {"plan": "free"}
    found["self"] = [found]
    return found


def deep(levels: int = 10_000) -> Any:
    """Lists and dicts within each other."""
    found: Any = "end"
    for level in range(levels):
        found = [found] if level % 2 else {"deeper": found}
    return found


def cyclic_point() -> Point:
    """A dataclass that contains itself."""
    found = Point(1)
    found.y = found
    return found


def generator() -> Iterator[tuple[str, int]]:
    """An iterator, which only the application may consume."""
    yield "a", 1
    raise AssertionError("somebody consumed an iterator of the application's")


MAKERS: dict[str, Any] = {
    "cycle": cycle,
    "depth": deep,
    "a dataclass that contains itself": cyclic_point,
    "generator": generator,
    "hostile": Hostile,
    "faceless": Faceless,
    "object": object,
    "breaking mapping": Breaking,
    "dict of one's own": lambda: OwnDict(plan="free"),
    "text of one's own": lambda: LoudStr("loud"),
    "date": lambda: dt.date(2026, 1, 2),
    "datetime": lambda: dt.datetime(2026, 1, 2, 3, 4),
    "datetime with a zone": lambda: dt.datetime(9999, 12, 31, tzinfo=dt.timezone(dt.timedelta(hours=-14))),
    "first datetime": lambda: dt.datetime.min.replace(tzinfo=dt.timezone(dt.timedelta(hours=14))),
    "datetime of a bad zone": lambda: dt.datetime(2026, 1, 2, tzinfo=BadZone()),
    "time": lambda: dt.time(1, 2),
    "timedelta": lambda: dt.timedelta(days=1),
    "Decimal": lambda: Decimal("1.50"),
    "Decimal NaN": lambda: Decimal("NaN"),
    "Decimal sNaN": lambda: Decimal("sNaN"),
    "huge Decimal": lambda: Decimal("1E+999999"),
    "Fraction": lambda: Fraction(1, 3),
    "UUID": lambda: uuid.UUID(int=5),
    "Path": lambda: PurePosixPath("a/b"),
    "address": lambda: ipaddress.ip_address("127.0.0.1"),
    "Enum": lambda: Colour.RED,
    "Enum of nothing": lambda: Colour.NONE,
    "Enum of a tuple": lambda: Colour.NESTED,
    "IntEnum": lambda: Level.HIGH,
    "text Enum": lambda: Tenant.ACME,
    "bytes": lambda: b"bytes",
    "binary": lambda: b"\xff\x00",
    "bytearray": lambda: bytearray(b"x"),
    "memoryview": lambda: memoryview(b"x"),
    "set": lambda: {1, "a"},
    "frozenset": lambda: frozenset({b"x"}),
    "deque": lambda: deque([1, 2]),
    "range": lambda: range(10**12),
    "tuple": lambda: ("a", 1),
    "keys of every kind": lambda: {("a", 1): 2, 1: "int", "1": "text", None: 3, 1.5: 5, b"k": 6},
    "OrderedDict": lambda: OrderedDict(a=1),
    "UserDict": lambda: UserDict(a=1),
    "mappingproxy": lambda: types.MappingProxyType({"a": 1}),
    "dataclass": lambda: Point(dt.date(2026, 1, 2), Hostile()),
    "pydantic": Model,
    "pydantic that cannot be written": lambda: Model(secret=Hostile()),
    "numpy's number": lambda: Scalar(1.5),
    "numpy's flag": lambda: Scalar(True),
    "number that can only be made a float": Floaty,
    "number that is none": lambda: Floaty(math.nan),
    "half a character": lambda: "half \ud83d",
    "NUL": lambda: "a\0b",
    "control characters": lambda: "\x1b[31mred\x07\r\n",
    "empty": lambda: "",
    "white space": lambda: " \t ",
    "a megabyte": lambda: "x" * 2**20,
    "thirty digits": lambda: 10**29 + 1,
    "thousands of digits": lambda: 10**5_000,
    "minus": lambda: -1,
    "zero": lambda: 0,
    "NaN": lambda: math.nan,
    "infinity": lambda: -math.inf,
    "complex": lambda: 1j,
    "None": lambda: None,
    "True": lambda: True,
    "class": lambda: dict,
    "function": lambda: deep,
    "exception": lambda: ValueError("of ada@example.com"),
    "module": lambda: math,
}
"""Makes a value, by its name."""

Recipe: TypeAlias = "str | tuple[str, list[Any]]"

kinds = st.sampled_from(sorted(MAKERS))
recipes: st.SearchStrategy[Recipe] = st.recursive(
    kinds,
    lambda inner: (
        st.tuples(st.just("list"), st.lists(inner, max_size=3))
        | st.tuples(st.just("dict"), st.lists(st.tuples(kinds, inner), max_size=3))
        | st.tuples(st.just("dataclass"), st.lists(inner, min_size=2, max_size=2))
    ),
    max_leaves=4,
)
"""How to make any of them, also within each other: no tool of a test may meet the values themselves."""


def make(recipe: Recipe) -> Any:
    """Make a value."""
    if isinstance(recipe, str):
        return MAKERS[recipe]()
    kind, parts = recipe
    if kind == "dict":
        return _keyed([(make(key), make(value)) for key, value in parts])
    made = [make(part) for part in parts]
    return Point(*made) if kind == "dataclass" else made


def _keyed(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for key, value in pairs:
        found[key if is_hashable(key) else "value"] = value
    return found


def is_hashable(value: Any) -> bool:
    """Return whether a value can be a key among others."""
    try:
        _ = {value: None, "plan": None, hash(value): None}
    except Exception:  # noqa: BLE001 - whatever it raises
        return False
    return True
