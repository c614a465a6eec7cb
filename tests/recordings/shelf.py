"""Where recordings are.

The spans are in a folder by producer, the truth is in ``manifest.json``, and what a recording holds of it is in
``recoverability.json``.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SPANS = Path(__file__).parents[1] / "data" / "spans"


@dataclass(frozen=True)
class Entry:
    """What identifies a recording, and its header."""

    producer: str
    version: str
    scenario: str
    header: dict[str, Any]
    named: tuple[str | None, str | None] = (None, None)
    """The conversation and the user, if the application names them."""

    @property
    def name(self) -> str:
        """The file, without its ending."""
        return f"{self.producer}-{self.version}/{self.scenario}"


def hex_of(id: str) -> str:
    """An id that protobuf wrote in base64."""
    return base64.b64decode(id).hex()


def put(entry: Entry, truth: list[dict[str, Any]], spans: Any, logs: Any) -> None:
    """Write a recording; one of the same name is replaced."""
    path = SPANS / f"{entry.name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(_line({"recorded": entry.header, **spans}), encoding="utf-8")
    listed = {"file": f"{entry.name}.json", "producer": entry.producer, "version": entry.version}
    if logs:
        path.with_suffix(".logs.json").write_text(_line({"recorded": entry.header, **logs}), encoding="utf-8")
        listed["logs_file"] = f"{entry.name}.logs.json"
    ids = dict(zip(("conversation_id", "user_id"), entry.named, strict=True))
    talk = {**ids, "agent_name": None, "messages": truth, "errors": []}
    _list({**listed, "scenario": entry.scenario, "capture": "on", "conversations": [talk]})
    told = {
        "spans": presence(truth, ids, spans),
        **({"spans_and_logs": presence(truth, ids, [spans, logs])} if logs else {}),
    }
    _note(entry.name, told)


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n"


def _list(listed: dict[str, Any]) -> None:
    path = SPANS / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    files = [file for file in manifest.pop("files") if file["file"] != listed["file"]] + [listed]
    files.sort(key=lambda entry: entry["file"] or "")
    lines = ",\n".join(json.dumps(file, ensure_ascii=False) for file in files)
    head = json.dumps(manifest, ensure_ascii=False)[:-1]
    path.write_text(f'{head},\n "files": [\n{lines}\n]}}\n', encoding="utf-8")


def _note(name: str, told: dict[str, Any]) -> None:
    path = SPANS / "recoverability.json"
    noted = json.loads(path.read_text(encoding="utf-8"))
    files = {**noted.pop("files"), name: told}
    lines = ",\n".join(f"{json.dumps(file)}: {json.dumps(files[file])}" for file in sorted(files))
    head = json.dumps(noted, ensure_ascii=False)[:-1]
    path.write_text(f'{head},\n "files": {{\n{lines}\n}}}}\n', encoding="utf-8")


# --- what is present -------------------------------------------------------------------------------


def presence(truth: list[dict[str, Any]], ids: dict[str, str | None], recorded: Any) -> dict[str, Any]:
    """Where each message is in a recording: a value of its own, part of a text, or nowhere."""
    values = list(_values(recorded))
    return {
        "messages": [
            {
                "n": number,
                "type": said["type"],
                "content": _place(said.get("arguments", said.get("content")), values),
            }
            for number, said in enumerate(truth)
        ],
        "ids": {name: _place(id, values) for name, id in ids.items() if id},
    }


def _place(wanted: Any, values: list[Any]) -> str:
    if wanted in values:
        return "leaf" if isinstance(wanted, str) else "object"
    text = wanted if isinstance(wanted, str) else json.dumps(wanted)
    return "embedded" if any(isinstance(value, str) and text in value for value in values) else "absent"


def _values(value: Any) -> Iterator[Any]:
    """Every value, JSON in texts and OTLP's maps opened."""
    yield value
    if isinstance(value, dict):
        if "kvlistValue" in value:
            yield {entry["key"]: _bare(entry["value"]) for entry in value["kvlistValue"].get("values", ())}
        for entry in value.values():
            yield from _values(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from _values(entry)
    elif isinstance(value, str):
        try:
            opened = json.loads(value)
        except ValueError:
            return
        if isinstance(opened, (str, dict, list)):
            yield from _values(opened)


def _bare(value: Any) -> Any:
    return next(iter(value.values()), None) if len(value) == 1 else value
