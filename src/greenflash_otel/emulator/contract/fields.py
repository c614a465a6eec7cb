"""What the fields of all bodies have in common: strictness, shapes of strings, ranges of numbers.

The models of this package say again, by hand, what Greenflash's API reference says. They convert
nothing: what passes is stored as it was sent.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, TypeAlias, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from greenflash_otel.emulator.instants import read_instant_us

T = TypeVar("T")


class Body(BaseModel):
    """Base of every model: camelCase names, nothing converted, nothing unknown."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, alias_generator=to_camel)

    def as_sent(self) -> dict[str, Any]:  # Any: pydantic's own type of a dump
        """Return the JSON object this was read from."""
        return self.model_dump(by_alias=True, exclude_unset=True)


def broken(field: str, sentence: str) -> PydanticCustomError:
    """Make the error for a broken rule; the answer names ``field``, below the path of the model."""
    return PydanticCustomError("rule", "{sentence}", {"field": field, "sentence": sentence})


def _refuse_null(value: object) -> object:
    if value is None:
        raise broken("", "must not be null; leave the field out")
    return value


def _matching(pattern: str, sentence: str) -> AfterValidator:
    compiled = re.compile(pattern)

    def check(text: str) -> str:
        if not compiled.fullmatch(text):
            raise broken("", sentence)
        return text

    return AfterValidator(check)


def _instant(text: str) -> str:
    try:
        read_instant_us(text)
    except ValueError as error:
        raise broken("", str(error)) from None
    return text


def _date_time(text: str) -> str:
    try:
        read_instant_us(text, date_alone=False)
    except ValueError as error:
        raise broken("", str(error)) from None
    return text


def _whole(value: object) -> object:
    """Accept 5.0 as the whole number 5: JSON has one kind of number."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


NotNull: TypeAlias = Annotated[T | None, BeforeValidator(_refuse_null)]
"""An optional field that is not null if it is sent. None means: not sent."""

NonEmpty: TypeAlias = Annotated[str, Field(min_length=1)]
Uuid: TypeAlias = Annotated[
    str,
    _matching(
        r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
        'must be a UUID, e.g. "6f1c2b3a-0d4e-4f5a-8b6c-7d8e9f0a1b2c"',
    ),
]
Email: TypeAlias = Annotated[
    str, _matching(r"[^@\s]+@[^@\s]+", 'must be an e-mail address, e.g. "ada@example.com"')
]
Url: TypeAlias = Annotated[
    str, _matching(r"[A-Za-z][A-Za-z0-9+.-]*:\S+", 'must be a URL, e.g. "https://example.com/call.mp3"')
]
Instant: TypeAlias = Annotated[str, AfterValidator(_instant)]
"""A date-time with a zone, or a date alone."""
DateTime: TypeAlias = Annotated[str, AfterValidator(_date_time)]

Number: TypeAlias = Annotated[float, Field(allow_inf_nan=False)]
Share: TypeAlias = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Score: TypeAlias = Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False)]
Count: TypeAlias = Annotated[int, BeforeValidator(_whole), Field(ge=0)]

JsonObject: TypeAlias = dict[str, object]
"""Free-form; no limit on depth or size is documented."""
