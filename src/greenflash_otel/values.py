"""Make the values of the core: cheap, never changed, and written as JSON objects with named fields.

Theory. The conversation model makes dozens of values for each message. Making a frozen dataclass costs five
times as much as making a plain one with slots. So `value` freezes them for the type checker only.

`to_json` writes each field under a short name if it differs from its default. A reader passes over names that
it does not know. So a new field needs one place, its class, and older records can still be read.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from functools import cache
from typing import (
    TYPE_CHECKING,
    Any,
    Literal,
    NamedTuple,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

if TYPE_CHECKING:
    from typing_extensions import dataclass_transform

T = TypeVar("T")
Convert = Callable[[Any], Any]


def store_as(name: str, *, default: Any = MISSING) -> Any:  # stands for the field's value, of any type
    """Declare a field that is stored under a short name."""
    return field(default=default, metadata={"stored_as": name})


if TYPE_CHECKING:

    @dataclass_transform(frozen_default=True, field_specifiers=(field, store_as))
    def value(cls: type[T]) -> type[T]:
        """Make a class a value: slots, equality, and for the type checker frozen."""
        return cls

else:
    value = dataclass(slots=True, unsafe_hash=True)  # nothing changes them, so that is safe


class _Field(NamedTuple):
    attribute: str
    name: str
    default: Any
    write: Convert | None
    """None: the value is JSON as it is."""
    read: Convert


def to_json(item: Any) -> dict[str, Any]:  # a dataclass with `store_as` fields
    """Return the stored fields of a value that differ from their defaults, by their short names."""
    written: dict[str, Any] = {}
    cls: Any = type(item)
    for attribute, name, default, write, _ in _fields_of(cls):
        found = getattr(item, attribute)
        if found != default:
            written[name] = found if write is None or found is None else write(found)
    return written


def from_json(cls: type[T], written: object) -> T:
    """Return the value that was written.

    Raises:
        ValueError: It is no such value: no object, a field of another type, or one that is missing.
    """
    if not isinstance(written, Mapping):
        raise ValueError(f"no {cls.__name__}: {type(written).__name__}")
    arguments: dict[str, Any] = {}
    hashable: Any = cls
    for attribute, name, default, _, read in _fields_of(hashable):
        if name in written:
            arguments[attribute] = read(written[name])
        elif default is MISSING:
            raise ValueError(f"{cls.__name__} without {attribute}")
    return cls(**arguments)


@cache
def _fields_of(cls: type) -> tuple[_Field, ...]:
    hints = get_type_hints(cls)
    return tuple(
        _Field(
            attribute.name,
            attribute.metadata["stored_as"],
            attribute.default,
            _writer_of(hints[attribute.name]),
            _reader_of(hints[attribute.name]),
        )
        for attribute in fields(cls)
        if "stored_as" in attribute.metadata
    )


def _writer_of(hint: Any) -> Convert | None:
    """Return what turns a value of a type into JSON; None if it is JSON already."""
    if hint is Any:
        return None
    if _is_union(hint):
        return _writer_of(_remove_none(hint))
    if is_dataclass(hint):
        return to_json
    if get_origin(hint) is not tuple:
        return None
    inner = [_writer_of(inner_hint) for inner_hint in get_args(hint) if inner_hint is not ...]
    if not any(inner):
        return None
    if get_args(hint)[-1] is ...:
        return lambda found: [inner[0](item) for item in found]  # type: ignore[misc]  # there is one
    return lambda found: [write(item) if write else item for write, item in zip(inner, found, strict=True)]


def _reader_of(hint: Any) -> Convert:
    if hint is Any:
        return lambda found: found
    if _is_union(hint):
        read = _reader_of(_remove_none(hint))
        return lambda found: None if found is None else read(found)
    if is_dataclass(hint):
        return lambda found: from_json(hint, found)  # type: ignore[arg-type]  # a class, not a value
    if get_origin(hint) is tuple:
        inner = [_reader_of(inner_hint) for inner_hint in get_args(hint) if inner_hint is not ...]
        return lambda found: _read_tuple(found, inner, endless=get_args(hint)[-1] is ...)
    types_allowed = tuple(map(type, get_args(hint))) if get_origin(hint) is Literal else (hint,)
    return lambda found: _check_fields(found, types_allowed)


def _read_tuple(found: Any, inner: Sequence[Convert], *, endless: bool) -> tuple[Any, ...]:
    if not isinstance(found, (list, tuple)) or (not endless and len(found) != len(inner)):
        raise ValueError(f"no list of the expected length: {type(found).__name__}")
    if endless:
        return tuple(inner[0](item) for item in found)
    return tuple(read(item) for read, item in zip(inner, found, strict=True))


def _check_fields(found: Any, types_allowed: tuple[type, ...]) -> Any:
    if type(found) not in types_allowed:
        raise ValueError(f"unexpected {type(found).__name__}")
    return found


def _is_union(hint: Any) -> bool:
    return get_origin(hint) in (Union, types.UnionType)


def _remove_none(hint: Any) -> Any:
    return next(member for member in get_args(hint) if member is not type(None))
