"""Values of the application are written as people write them, in answers, arguments, results and documents."""

from __future__ import annotations

import collections
import dataclasses
import enum
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

import pytest
from langchain_core.documents import Document
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from pydantic import BaseModel, ConfigDict, HttpUrl, RootModel, SecretStr

from greenflash_otel.instrumentation.langchain.messages import write_shown
from greenflash_otel.instrumentation.langchain.plain import write_plain
from greenflash_otel.json_values import to_json
from tests.instrumentation.langchain.models import told
from tests.instrumentation.openai.spans import Spans


class Color(str, enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


@dataclasses.dataclass
class Stay:
    begins: date
    lasts: timedelta


class Page(BaseModel):
    model_config = ConfigDict(extra="allow")
    at: HttpUrl
    password: SecretStr


class Days(RootModel[list[date]]):
    """A model that is a list."""


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError


Seat = collections.namedtuple("Seat", "row number")
Int64 = type("int64", (), {"__module__": "numpy", "size": 1, "tolist": lambda self: 7})
ID = "3c90c3cc-0d44-4b50-8888-8dd25736052a"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (date(2026, 1, 2), "2026-01-02"),
        (datetime(2026, 1, 2, 3, 4, tzinfo=timezone.utc), "2026-01-02T03:04:00+00:00"),
        (time(5, 6, 7), "05:06:07"),
        (Decimal("12.50"), "12.50"),
        (UUID(ID), ID),
        (PurePosixPath("/a/b"), "/a/b"),
        (Color.RED, "red"),
        (Level.HIGH, 3),
        ({Color.RED: Decimal(1), date(2026, 1, 2): None}, {"red": "1", "2026-01-02": None}),
        (Stay(date(2026, 1, 2), timedelta(hours=1)), {"begins": "2026-01-02", "lasts": "1:00:00"}),
        (
            Page.model_validate({"at": "https://a.b/c", "password": "secret", "note": Decimal("1.5")}),
            {"at": "https://a.b/c", "password": "**********", "note": "1.5"},
        ),
        (Days([date(2026, 1, 2)]), ["2026-01-02"]),
        (Seat(3, Decimal(4)), {"row": 3, "number": "4"}),
        (ValueError("no such seat"), "ValueError: no such seat"),
        (b"plain text", "plain text"),
        (Int64(), 7),
        ([Unspeakable(), b"\xff\x00", object()], ["<Unspeakable>", "<bytes>", "<object>"]),
        (
            Document("A text.", metadata={"on": date(2026, 1, 2)}),
            {"page_content": "A text.", "metadata": {"on": "2026-01-02"}},
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_is_written_as_people_write_it(value: Any, written: Any) -> None:
    """What has no text is the name of its type, and costs only itself."""
    assert write_plain(value) == written


def test_values_deep_in_what_the_sdk_passes() -> None:
    """The other instrumentation writes them in the same way."""
    assert to_json({"due": [date(2026, 1, 2)], "price": Decimal("1.5")}) == {
        "due": ["2026-01-02"],
        "price": "1.5",
    }


def test_an_answer_shows_documents_and_messages_as_their_texts() -> None:
    """Not as the objects that contain them."""
    assert write_shown({"answer": AIMessage("Yes."), "sources": [Document("A."), Document("B.")]}) == (
        '{"answer": "Yes.", "sources": ["A.", "B."]}'
    )


def test_a_chain_that_answers_with_a_date(spans: Spans) -> None:
    """The user reads the date."""
    chain: Any = RunnableLambda(lambda _: date(2026, 1, 2))
    chain.invoke("When?", {"metadata": {"thread_id": "T"}})
    assert told(spans, "T") == [("user_message", "When?"), ("assistant_message", "2026-01-02")]


def test_a_tool_that_gives_exact_values(spans: Spans) -> None:
    """Its result has them."""

    @tool
    def price(day: date) -> dict[str, Any]:
        """What it costs."""
        return {"price": Decimal("12.50"), "day": day}

    chain: Any = RunnableLambda(lambda _: str(price.invoke({"day": date(2026, 1, 2)})))
    chain.invoke("How much?", {"metadata": {"thread_id": "T"}})
    items = [item for update in spans.updates() for item in update.messages if item.type == "observation"]
    assert [item.output for item in items] == [{"price": "12.50", "day": "2026-01-02"}]
