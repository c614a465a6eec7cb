"""Bytes to a checked body, or a refusal that says where the fault is and what to write. Pure.

A message reads ``messages[2].toolName: a tool_call needs a toolName``: the path first.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, TypeVar

from pydantic import ValidationError
from pydantic.alias_generators import to_camel

from greenflash_otel.emulator.contract.fields import Body
from greenflash_otel.emulator.refusal import Refused

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

B = TypeVar("B", bound=Body)

MAX_DEPTH = 200
"""Levels of nesting; a bound of ours that keeps JSON clear of Python's recursion limit."""

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_EXPECTED: Mapping[str, str] = {
    "string_type": "a string",
    "bool_type": "true or false",
    "float_type": "a number",
    "int_type": "an integer",
    "dict_type": "an object",
    "model_type": "an object",
    "list_type": "an array",
}
_SENTENCES: Mapping[str, str] = {
    "missing": "is required",
    "too_short": "must not be empty",
    "string_too_short": "must not be empty",
    "literal_error": "must be one of {expected}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than_equal": "must be at most {le:g}",
    "finite_number": "must be a finite number",
}


def read(kind: type[B], body: bytes) -> B:
    """Read the body as a ``kind``. Raises `Refused` with status 400."""
    data = _decoded(body)
    for path, sentence in _unstorable(data):
        raise _refused(path, sentence)
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        first, *more = error.errors(include_url=False)
        rest = f" (and {len(more)} more)" if more else ""
        raise _refused(_path_of(first), _sentence(first) + rest) from None


def _decoded(body: bytes) -> object:
    try:
        return json.loads(body.decode(), parse_constant=_no_constant, parse_float=_finite)
    except RecursionError:
        raise _refused("", f"is nested deeper than {MAX_DEPTH} levels") from None
    except UnicodeDecodeError:
        raise _refused("", "is not UTF-8; encode it so") from None
    except ValueError as error:
        raise _refused("", f"is not JSON: {error}") from None


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON number; leave the field out")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text} is too large for a number")
    return number


def _unstorable(data: object) -> Iterator[tuple[str, str]]:
    """Yield path and sentence of everything that a database behind the API could not keep."""
    waiting: list[tuple[str, object, int]] = [("", data, 1)]
    while waiting:
        path, value, depth = waiting.pop()
        if depth > MAX_DEPTH:
            yield "", f"is nested deeper than {MAX_DEPTH} levels"
        elif isinstance(value, str) and _UNSTORABLE.search(value):
            yield path, "has a NUL or a lone surrogate, which databases refuse; write U+FFFD in its place"
        elif isinstance(value, list):
            waiting += [(f"{path}[{index}]", item, depth + 1) for index, item in enumerate(value)]
        elif isinstance(value, dict):
            if _UNSTORABLE.search("".join(value)):
                yield path, "has a NUL or a lone surrogate in a name; write U+FFFD in its place"
            waiting += [(f"{path}.{name}" if path else name, item, depth + 1) for name, item in value.items()]


def _refused(path: str, sentence: str) -> Refused:
    return Refused(400, f"{path or 'body'}: {sentence}")


def _path_of(error: ErrorDetails) -> str:
    """Return ``messages[2].toolName``, without the ``<…>`` that distinguish the branches of a union."""
    steps = [*error["loc"], error.get("ctx", {}).get("field", "")]
    path = ""
    for step in steps:
        if isinstance(step, int):
            path += f"[{step}]"
        elif step and not step.startswith("<"):
            path += f".{step}" if path else step
    return path


def _sentence(error: ErrorDetails) -> str:
    kind = error["type"]
    if kind in _EXPECTED:
        return f"must be {_EXPECTED[kind]}, not {_name_of(error['input'])}"
    if kind == "extra_forbidden":
        name = str(error["loc"][-1])
        hint = f"; write {to_camel(name)}" if "_" in name else "; leave it out"
        return "is not a field of the API" + hint
    template = _SENTENCES.get(kind)
    return template.format(**error.get("ctx", {})) if template else error["msg"]


def _name_of(value: object) -> str:
    """Name the type of a JSON value; its content stays out of messages."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    names: tuple[tuple[type, str], ...] = ((str, "a string"), (list, "an array"), (dict, "an object"))
    return next(name for kind, name in names if isinstance(value, kind))
