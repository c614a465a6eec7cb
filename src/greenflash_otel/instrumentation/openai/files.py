"""Files that an application uploads with a request. Pure."""

from __future__ import annotations

from greenflash_otel.json_values import digest_of_bytes, read_str
from greenflash_otel.model.operation import Media


def read_file(modality: str, argument: object) -> Media:
    """Read a file of a form as the SDK has it: (field, file); a file is bytes or (name, content, type).

    Only what is bytes already is digested: files are left for the SDK to read.
    """
    file = argument[1] if isinstance(argument, tuple) and len(argument) == 2 else argument
    name, content, mime_type = None, file, None
    if isinstance(file, tuple) and len(file) > 1:
        name, content = file[0], file[1]
        mime_type = file[2] if len(file) > 2 else None
    digest, size_bytes = digest_of_bytes(content) if isinstance(content, bytes) else (None, None)
    return Media(
        modality,
        file_id=read_str(name),
        mime_type=read_str(mime_type),
        digest=digest,
        size_bytes=size_bytes,
    )
