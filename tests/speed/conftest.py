"""The SQL that a test runs."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest

from greenflash_otel.delivery import schema
from tests.speed.sql_counting import Statements


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> Iterator[Statements]:
    """Count the SQL of the outboxes that are opened in the block."""
    statements = Statements()
    connect = schema.connect

    def connect_counted(*arguments: Any, **named: Any) -> sqlite3.Connection:
        db = connect(*arguments, **named)
        db.set_trace_callback(statements.all.append)
        return db

    monkeypatch.setattr(schema, "connect", connect_counted)
    yield statements
