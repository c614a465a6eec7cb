"""Content parts of chat messages and of Responses items as `Part`s. Pure.

Both APIs, and the providers that speak them, use the same handful of shapes under slightly different
names. A part of a type that is not in `READERS` is kept as `Other`, as it came.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256

from greenflash_otel.json_values import (
    JsonObject,
    as_list,
    as_object,
    as_text,
    digest_of,
    split_data_url,
    to_json,
)
from greenflash_otel.model.operation import Media, Other, Part, Reasoning, Text


def read_content(content: object) -> tuple[Part, ...]:
    """The parts of a message's ``content``: a text or a list of parts; empty text is no part."""
    if isinstance(content, str):
        return (Text(content),) if content else ()
    return tuple(part for entry in as_list(content) for part in _read_entry(entry))


def refusal(text: str) -> Part:
    """What the model said instead of an answer."""
    return Other("refusal", {"content": text})


def other(fields: JsonObject) -> Part:
    """A part or an item of a type we do not know, as it came."""
    kept = {str(name): to_json(value) for name, value in fields.items() if name != "type"}
    return Other(as_text(fields.get("type")) or "unknown", kept)


def join_texts(entries: object) -> str:
    """The texts of a list of ``{"text": …}``, one paragraph each."""
    return "\n\n".join(text for entry in as_list(entries) if (text := as_text(as_object(entry).get("text"))))


def _read_entry(entry: object) -> tuple[Part, ...]:
    if isinstance(entry, str):
        return (Text(entry),) if entry else ()
    fields = as_object(entry)
    if not fields:
        return ()
    reader = READERS.get(as_text(fields.get("type")) or "")
    part = reader(fields) if reader else None
    return (part or other(fields),)


def _read_text(fields: JsonObject) -> Part | None:
    text = fields.get("text")
    return Text(text) if isinstance(text, str) else None


def _read_refusal(fields: JsonObject) -> Part | None:
    text = fields.get("refusal")
    return refusal(text) if isinstance(text, str) else None


def _read_reasoning(fields: JsonObject) -> Part | None:
    thought = fields.get("thinking", fields.get("text"))  # Mistral, Anthropic; OpenAI
    text = thought if isinstance(thought, str) else join_texts(thought)
    return Reasoning(text) if text else None


def _read_image(fields: JsonObject) -> Part | None:
    return _read_media("image", fields, fields.get("image_url"))


def _read_video(fields: JsonObject) -> Part | None:
    return _read_media("video", fields, fields.get("video_url"))


def _read_document(fields: JsonObject) -> Part | None:
    inner = as_object(fields.get("file")) or fields
    given = inner.get("file_data") or inner.get("file_url") or fields.get("document_url")
    return _read_media("document", inner, given)


def _read_audio(fields: JsonObject) -> Part | None:
    audio = as_object(fields.get("input_audio"))
    data, format = as_text(audio.get("data")), as_text(audio.get("format"))
    if data is None:
        return None
    return inline_media("audio", data, f"audio/{format}" if format else None)


def _read_media(modality: str, fields: JsonObject, given: object) -> Part | None:
    """Media given inline, by address (a text or ``{"url": …}``) or by the id of an uploaded file."""
    file_id = as_text(fields.get("file_id"))
    text = as_text(given) or as_text(as_object(given).get("url"))
    if text is None:
        return Media(modality, file_id=file_id) if file_id else None
    if inline := split_data_url(text):
        return inline_media(modality, inline[1], inline[0])
    if "://" in text[:16]:
        return Media(modality, uri=text, file_id=file_id)
    return inline_media(modality, text, None)  # base64 without a data URL around it


def read_file(modality: str, given: object) -> Media:
    """A file of a form, as the SDK holds it: (field, file), where a file is bytes or (name, content, type).

    Only what is bytes already is digested: files are left for the SDK to read.
    """
    file = given[1] if isinstance(given, tuple) and len(given) == 2 else given
    name, content, mime_type = None, file, None
    if isinstance(file, tuple) and len(file) > 1:
        name, content = file[0], file[1]
        mime_type = file[2] if len(file) > 2 else None
    digest = f"sha256:{sha256(content).hexdigest()}" if isinstance(content, bytes) else None
    return Media(
        modality,
        file_id=as_text(name),
        mime_type=as_text(mime_type),
        digest=digest,
        size_bytes=len(content) if isinstance(content, bytes) else None,
    )


def inline_media(modality: str, base64_content: str, mime_type: str | None) -> Media:
    """Media that came as base64, of which only digest and size are kept."""
    digest, size_bytes = digest_of(base64_content)
    return Media(modality, mime_type=mime_type, digest=digest, size_bytes=size_bytes)


READERS: Mapping[str, Callable[[JsonObject], Part | None]] = {
    "text": _read_text,
    "input_text": _read_text,
    "output_text": _read_text,
    "refusal": _read_refusal,
    "thinking": _read_reasoning,
    "reasoning_text": _read_reasoning,
    "summary_text": _read_reasoning,
    "image_url": _read_image,
    "input_image": _read_image,
    "video_url": _read_video,
    "input_audio": _read_audio,
    "file": _read_document,
    "input_file": _read_document,
    "document_url": _read_document,
}
"""Reader by part type; None from a reader means that the part is not of the shape its type has."""
