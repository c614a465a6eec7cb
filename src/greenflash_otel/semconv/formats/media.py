"""Pictures, sounds and files as messages name them: by address, by an id, or as data within. Pure.

OpenAI, Anthropic, LangChain and the AI SDK use the same handful of shapes under different names. Of data
only digest and size are retained.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import parse_qs

from greenflash_otel.json_values import JsonObject, digest_of, read_json_object, read_str
from greenflash_otel.model.operation import Media

MODALITIES: Mapping[str, str] = {
    **dict.fromkeys(("image", "image_url", "input_image", "image-url"), "image"),
    **dict.fromkeys(("audio", "input_audio", "audio_url"), "audio"),
    **dict.fromkeys(("video", "video_url"), "video"),
    **dict.fromkeys(("file", "input_file", "document", "document_url", "media", "binary"), "document"),
}
"""What a part is by its type."""
INNER = ("image_url", "input_audio", "audio_url", "video_url", "file", "source", "image", "audio", "data")
"""Where some producers put an object that says the rest."""
PLACES = ("url", "uri", "image_url", "file_url", "video_url", "document_url", "image", "audio", "file_data")
DATA = ("data", "base64", "bytes", "binary_content", "file")
"""Where the address stands, or the data; data can stand in place of an address."""
MIME_TYPES = ("mime_type", "media_type", "mimeType", "mediaType")
IDS = ("file_id", "fileId")
ATTACHMENT = "mlflow-attachment:"


def media_of(part: JsonObject) -> Media | None:
    """Return the medium that a part of a message is; None if it is none."""
    modality = MODALITIES.get(str(part.get("type") or part.get("kind") or ""))
    if modality is None:
        return None
    fields = {**part, **next((inner for name in INNER if (inner := read_json_object(part.get(name)))), {})}
    if fields.get("type") == "text":
        return None  # Anthropic's documents can be words
    mime_type, format = _find_text(fields, MIME_TYPES), fields.get("format")
    if mime_type is None and isinstance(format, str) and format:
        mime_type = f"{modality}/{format}"
    named = (mime_type or "").partition("/")[0]
    modality = named if modality == "document" and named in ("image", "audio", "video") else modality
    file_id, place = _find_text(fields, IDS), _find_text(fields, (*PLACES, *DATA))
    if place:
        return make_media(place, modality, mime_type, file_id)
    return Media(modality, file_id=file_id, mime_type=mime_type) if file_id else None


def make_media(
    place: str, modality: str = "image", mime_type: str | None = None, file_id: str | None = None
) -> Media:
    """Return a medium by its address; of one that is within it, or is base64, the digest."""
    if place.startswith(ATTACHMENT):
        return _read_attachment(place, modality)
    head, _, data = place.partition(",") if place.startswith("data:") else ("", "", place)
    if not head and ("://" in place[:16] or place.startswith("@@@")):  # Langfuse's name for what it keeps
        return Media(modality, uri=place, file_id=file_id, mime_type=mime_type)
    digest, size_bytes = digest_of(data)
    mime_type = head.removeprefix("data:").partition(";")[0] or mime_type
    return Media(modality, file_id=file_id, mime_type=mime_type, digest=digest, size_bytes=size_bytes)


def _find_text(fields: JsonObject, names: Iterable[str]) -> str | None:
    return next((text for name in names if (text := read_str(fields.get(name)))), None)


def _read_attachment(place: str, modality: str) -> Media:
    """Read what MLflow keeps elsewhere, under a new name each time."""
    recorded = parse_qs(place.partition("?")[2])
    mime_type, size = (
        next(iter(recorded.get("content_type", ())), None),
        next(iter(recorded.get("size", ())), ""),
    )
    return Media(modality, mime_type=mime_type, size_bytes=int(size) if size.isdecimal() else None)
