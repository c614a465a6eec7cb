"""Repair the arguments of the public functions, in one place for all of them.

An argument that is not as it should be is repaired, and its original is retained in
``properties["greenflash_original"]``. The application is warned once, and what it recorded is delivered.
Only ``strict`` makes it an error. Neither a warning nor an error quotes a value: a user may have written it,
and logs go to other places than conversations.
"""

from __future__ import annotations

import math
import re
import weakref
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from json import dumps
from typing import Any, Final, TypeAlias, cast
from uuid import UUID

from greenflash_otel import internal_errors
from greenflash_otel.any_json import (
    MAX_NAME,
    MAX_TEXT_BYTES,
    Bounds,
    name_type,
    repair_json,
    repair_surrogates,
    shorten,
)
from greenflash_otel.errors import GreenflashOtelError
from greenflash_otel.model.greenflash_ids import write_greenflash_id
from greenflash_otel.model.operation import ORIGINAL, Json, merge_properties

Id: TypeAlias = str | int | UUID
"""What an application passes as an id. Anything else that has a text of its own is taken too."""
Properties: TypeAlias = Mapping[str, Any]
"""What an application passes as properties: JSON, or what `json_values.repair_json` makes JSON of."""


_PLAIN_ID = re.compile(rf"[\w.:@-]{{1,{MAX_NAME}}}", re.ASCII)
"""What nearly all ids are: nothing in it has to be repaired."""
_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})
_strict = False


_strict_exporters: Final[weakref.WeakSet[Any]] = weakref.WeakSet()
"""Exporters in use whose setting ``strict`` is on. One that nobody has any more is none."""


def set_strict(is_strict: bool) -> None:
    """Say whether bad arguments raise where the call does not say so: the setting ``strict``."""
    global _strict
    _strict = is_strict


def set_strict_for(exporter: object, is_strict: bool) -> None:
    """Say the same for an exporter that is not of `instrument()`, as long as it is in use."""
    (_strict_exporters.add if is_strict else _strict_exporters.discard)(exporter)


@dataclass(slots=True)
class Repairs:
    """What was wrong with the arguments of one call."""

    problems: list[str] = field(default_factory=list)
    """One clause for each argument: its name, what was done, what to write. They quote no value."""
    original: dict[str, Json] = field(default_factory=dict)
    """The arguments as they were passed, by name."""
    converted: dict[str, None] = field(default_factory=dict)
    """Types of values that JSON does not know and that were written in another form, nothing lost."""
    _room: int = MAX_TEXT_BYTES
    """How many bytes of originals there is still room for."""

    def note(self, name: str, value: object, action: str, wanted: str) -> None:
        """Note that an argument was repaired."""
        subject = name if value is None else f"{name} ({name_type(value)})"
        self.problems.append(f"{subject} was {action}; write {wanted}")
        self.original[name] = original = repair_json(value, Bounds(text_bytes=self._room)).value
        self._room -= min(self._room, len(dumps(original, ensure_ascii=False).encode()))

    def add_original(self, properties: Mapping[str, Json]) -> dict[str, Json]:
        """Return `properties` with the arguments as they were passed."""
        if not self.original:
            return dict(properties)
        return merge_properties(properties, {ORIGINAL: self.original})


def report(
    function: str,
    repairs: Repairs,
    error: type[GreenflashOtelError],
    *,
    strict: object = None,
    is_usable: bool = True,
) -> None:
    """Warn of repaired arguments once and count them, or raise `error` if the call is strict.

    Args:
        strict: As passed to the call; None means the setting.
        is_usable: False where the arguments mean nothing, so that the call is ignored.
    """
    result = "repaired its arguments" if is_usable else "ignored the call"
    if repairs.problems:
        if _is_strict(strict):
            raise error("; ".join(repairs.problems))
        internal_errors.warn_once(f"{function} {result}: {'; '.join(repairs.problems)}", page="arguments")
    elif repairs.converted:
        types = ", ".join(sorted(repairs.converted))
        internal_errors.inform_once(f"{function} wrote values of its properties in a form of JSON: {types}")
    if is_usable and (repairs.problems or repairs.converted):
        internal_errors.count_repaired()


def _is_strict(strict: object) -> bool:
    if strict is None:
        return _strict or bool(_strict_exporters)
    try:
        return bool(strict)
    except Exception:  # noqa: BLE001 - an object of the application
        return False


def read_id(name: str, id: object, repairs: Repairs) -> str | None:
    """Read an id of the application's. The same value is the same text wherever it is passed."""
    if id is None:
        return None
    text, is_clear = write_id(id)
    if text is None:
        repairs.note(name, id, "left out", "your id as text")
    elif not is_clear:
        repairs.note(name, id, "made a text", f"your id as text of at most {MAX_NAME} characters")
    return text


def read_either_id(name: str, id: object, greenflash_id: object, repairs: Repairs) -> str | None:
    """Read what names a thing: the id that Greenflash made, if there is one, else the application's own."""
    made_there = read_greenflash_id(f"greenflash_{name}", greenflash_id, repairs)
    return read_id(name, id, repairs) if made_there is None else made_there


def read_greenflash_id(name: str, id: object, repairs: Repairs) -> str | None:
    """Read an id that Greenflash made, a UUID; return it in the form of `model.greenflash_ids`."""
    if id is None:
        return None
    try:
        return write_greenflash_id(str(UUID(str(id).strip())))
    except Exception:  # noqa: BLE001 - an object of the application
        repairs.note(
            name, id, "left out", "the UUID that Greenflash answered with; ids of your own go elsewhere"
        )
        return None


def write_id(id: object) -> tuple[str | None, bool]:
    """Return an id as text, and whether the text says as much as the id.

    The text is ``str()`` of numbers, UUIDs, paths and objects with their own ``__str__``; of an enum, its value.
    None if no text could name this thing and no other.
    """
    kind = type(id)
    if kind is str and _PLAIN_ID.fullmatch(cast(str, id)):
        return cast(str, id), True
    if issubclass(kind, str) and not issubclass(kind, Enum):
        return _bound_id(str.__str__(cast(str, id)), True)
    written = repair_json(id)
    value = written.value
    if value is None or value in ([], {}) or written.losses:
        return None, False
    if isinstance(value, (Mapping, list)):
        return _bound_id(dumps(value, ensure_ascii=False, separators=(",", ":")), False)
    return _bound_id(str(value), not isinstance(value, (bool, float)) and not issubclass(kind, float))


def _bound_id(text: str, is_clear: bool) -> tuple[str | None, bool]:
    clean = shorten(repair_surrogates(text).replace("\0", "\ufffd"))
    if not clean.strip():
        return None, False
    return clean, is_clear and clean == text


def read_text(name: str, text: object, repairs: Repairs) -> str | None:
    """Read a text; one that is empty is as good as none."""
    if text is None:
        return None
    written = repair_json(text)
    value = written.value
    if issubclass(type(text), str) and isinstance(value, str):
        if written.losses:
            repairs.note(name, text, "repaired", "text that can be encoded")
        return value or None
    if written.losses or value in (None, "") or isinstance(value, (list, dict)):
        repairs.note(name, text, "left out", "text")
        return None
    repairs.note(name, text, "made a text", "text")
    return str(value)


def read_properties(properties: object, repairs: Repairs, *, name: str = "properties") -> dict[str, Json]:
    """Read properties. Each bad one is repaired or left out; the others stay."""
    if properties is None:
        return {}
    written = repair_json(properties)
    read = _read_object(written.value)
    if read is None:
        repairs.note(name, properties, "left out", "a dict of JSON values")
        return {}
    if written.losses:
        repairs.problems.append(f"of {name}, {', '.join(written.losses)}; write a dict of JSON values")
    repairs.converted.update(dict.fromkeys(written.converted))
    return read


def _read_object(value: Json) -> dict[str, Json] | None:
    """Return an object, also one that came as pairs of name and value; None if it is neither."""
    if isinstance(value, dict):
        return value
    if value in ("", []):
        return {}
    if isinstance(value, list) and all(_is_pair(entry) for entry in value):
        return dict(cast(list[tuple[str, Json]], value))
    return None


def _is_pair(entry: Json) -> bool:
    return isinstance(entry, list) and len(entry) == 2 and isinstance(entry[0], str)


def read_number(number: object) -> float | None:
    """Read a number of any kind: Decimal, a fraction, numpy's, digits as text. None if it is none."""
    value = unwrap_scalar(number)
    try:
        converted = float(value)
    except Exception:  # noqa: BLE001 - whatever an object of the application raises
        return None
    return converted if math.isfinite(converted) else None


def read_share(name: str, number: object, low: int, repairs: Repairs) -> float | None:
    """Read a number from ``low`` to 1; one beyond becomes the nearest that is allowed."""
    if number is None:
        return None
    value = read_number(number)
    if value is not None and low <= value <= 1:
        return value
    action = "left out" if value is None else "moved to the nearest number that is allowed"
    repairs.note(name, number, action, f"a number from {low} to 1")
    return None if value is None else max(float(low), min(1.0, value))


def unwrap_scalar(value: Any) -> Any:
    """Return the value of an enum, or what numpy and its like write in place of a number or a flag."""
    try:
        if isinstance(value, Enum):
            return value.value
        if callable(getattr(type(value), "tolist", None)) and getattr(value, "shape", None) == ():
            return value.tolist()
    except Exception:  # noqa: BLE001 - whatever an object of the application raises
        return None
    return value


def read_flag(name: str, flag: object, repairs: Repairs) -> bool | None:
    """Read a yes or no; also 0 and 1, and the words for it."""
    value = unwrap_scalar(flag)
    if flag is None or issubclass(type(value), int):
        return None if flag is None else bool(value)
    word = _read_word(value)
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    repairs.note(name, flag, "left out", "True or False")
    return None


def choose(name: str, value: object, choices: Iterable[str], repairs: Repairs) -> str | None:
    """Read one of several words, in any case; None, and a repair, if it is none of them."""
    if value is None:
        return None
    word, words = _read_word(unwrap_scalar(value)), tuple(choices)
    if word in words:
        return word
    repairs.note(name, value, "left out", f"one of {', '.join(words)}")
    return None


def _read_word(value: Any) -> str | None:
    return str.__str__(value).strip().lower() if issubclass(type(value), str) else None
