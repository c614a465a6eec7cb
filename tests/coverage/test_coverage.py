"""The page about coverage says what is so: each field has a row, and each cell of a row is filled by a run.

`every_field` records all that can be recorded, in each way in. What the local Greenflash then was sent has every
field that the page says can be set in that way, and no other.
"""

from __future__ import annotations

import json
import runpy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from greenflash_otel.testing import Emulator
from tests.api.wire import SCHEMA
from tests.coverage.every_field import RUNS
from tests.coverage.wire_fields import (
    DEFINITIONS,
    SDK,
    list_body_fields,
    list_other_requests,
    list_schema_fields,
    list_sdk_fields,
)

DOCS = Path(__file__).parents[2] / "docs"
PAGE: Mapping[str, Any] = json.loads((DOCS / "coverage.json").read_text(encoding="utf-8"))
TYPES = SCHEMA["$defs"]["MessageItem"]["properties"]["messageType"]["enum"]


@pytest.mark.parametrize("request_name", SDK)
def test_every_field_has_a_row(request_name: str) -> None:
    """The SDK, the schema and the page have the same fields."""
    rows = set(PAGE["requests"][request_name])
    assert rows == list_sdk_fields(SDK[request_name])
    assert rows == list_schema_fields(SCHEMA["$defs"][DEFINITIONS[request_name]])


def test_every_request_has_rows_or_a_reason() -> None:
    """Also those that record nothing."""
    assert set(PAGE["requests"]) == set(SDK)
    assert set(PAGE["others"]) == list_other_requests()
    assert set(PAGE["types"]) == set(TYPES)
    assert len(TYPES) == 18


def test_what_cannot_be_set_has_a_reason() -> None:
    """A row says how a field is set in each way in, or why it is not set in one or in any."""
    for rows in PAGE["requests"].values():
        for name, row in rows.items():
            ways = [way for way in RUNS if row.get(way)]
            assert bool(ways) != bool(row.get("reason")), name
            assert not ways or (len(ways) < len(RUNS)) == bool(row.get("note")), name


@pytest.mark.parametrize("way", RUNS)
def test_what_runs_set(greenflash_emulator: Emulator, way: str) -> None:
    """A run of everything sets the fields that the page says, and sends all 18 types."""
    RUNS[way](greenflash_emulator)
    sent: dict[str, set[str]] = {name: set() for name in SDK}
    types = set[str]()
    for request in greenflash_emulator.requests():
        sent[f"{request.method} {request.path}"] |= list_body_fields(request.body)
        if request.path == "/messages":
            types |= {message["messageType"] for message in request.body["messages"]}
    for name, rows in PAGE["requests"].items():
        assert {field for field, row in rows.items() if row.get(way)} == sent[name], name
    assert types == set(TYPES)


def test_the_page_is_up_to_date() -> None:
    """``make docs`` would change nothing, and the proof that it names is a test of this file, once per way in."""
    generated = runpy.run_path(str(DOCS / "generate.py"))
    assert (DOCS / "coverage.md").read_text(encoding="utf-8") == generated["PAGES"]["coverage.md"]()
    path, _, name = generated["PROOF"].partition("::")
    assert (DOCS.parent / path, name) == (Path(__file__), test_what_runs_set.__name__)
    assert list(generated["WAYS"]) == list(RUNS)
