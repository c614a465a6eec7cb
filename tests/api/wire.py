"""The published contract, and what the Greenflash SDK calls its fields."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args, get_type_hints

from greenflash._utils import PropertyInfo
from jsonschema import Draft202012Validator

from greenflash_otel.greenflash_api.messages import Address

SCHEMA = json.loads((Path(__file__).parents[1] / "data" / "greenflash-wire-schema.json").read_text())
ADDRESS = Address("6a1d4b7e-9c51-4a57-8e9b-0f6f2f6f2a10", "anonymous")


def validator(name: str) -> Draft202012Validator:
    """Checks bodies against one definition of the contract."""
    # The file refuses everything at its root, so that a definition has to be chosen.
    schema = {"$schema": SCHEMA["$schema"], "$defs": SCHEMA["$defs"], "$ref": f"#/$defs/{name}"}
    return Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)


def fields_of(params: Any) -> set[str]:
    """The names on the wire of the fields of an SDK type."""
    names = set()
    for name, hint in get_type_hints(params, include_extras=True).items():
        found = [note.alias for note in _notes(hint) if isinstance(note, PropertyInfo)]
        names.add(next((alias for alias in found if alias), name))
    return names


def _notes(hint: Any) -> list[Any]:
    """All notes of ``Required[Annotated[...]]``, however they are nested."""
    notes = list(getattr(hint, "__metadata__", ()))
    for inner in get_args(hint):
        notes += _notes(inner)
    return notes
