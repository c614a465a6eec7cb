"""Give each destination its own folder, so that nothing captured for one is ever sent to another.

A destination is a base URL and a product: a renewed key of the same product delivers what waited. Without any
key it is unknown which account something goes to, so it is stored for the product alone. The first process of
that product that has a key takes it over, wherever it delivers, but never to a test double.
The setting ``outbox`` names a root. The first destination that uses a root owns the root itself; each other
one owns a folder in it, named by a hash. A file in each says which destination it is of::

    outbox/destination.json                 {"base_url": …, "product_id": …}
    outbox/0000…-4711-9f2c1a77.sqlite3
    outbox/7d1f09a2c4b35e68/destination.json
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from greenflash_otel import internal_errors
from greenflash_otel.platform_support import (
    create_private_file,
    is_private_file,
    own_private_folder,
    sync_folder,
)

FILE_NAME: Final = "destination.json"
_APPLICATION: Final = "greenflash-otel"
_FOLDER: Final = re.compile(r"[0-9a-f]{16}(-\d+)?")
_MOST_BYTES: Final = 4096


@dataclass(frozen=True, slots=True)
class Destination:
    """Whose data it is: where it goes, and for which product."""

    base_url: str
    product_id: str

    @property
    def key(self) -> str:
        """The destination as text; equal for what is the same address."""
        parts = urlsplit(self.base_url)
        address = (
            f"{parts.scheme.lower()}://{parts.netloc.rpartition('@')[2].lower()}{parts.path.rstrip('/')}"
        )
        return f"{address if self.base_url else 'no-key:'} {self.product_id.lower()}"

    @property
    def unaddressed(self) -> Destination:
        """The destination of requests that were captured for the product without a key."""
        return Destination("", self.product_id)

    @classmethod
    def read_key(cls, key: str) -> Destination:
        """Return the destination that has a key."""
        address, _, product_id = key.partition(" ")
        return cls("" if address == "no-key:" else address, product_id)

    @property
    def folder_name(self) -> str:
        """The name of its folder in a root that another destination owns."""
        return hashlib.blake2b(self.key.encode(errors="replace"), digest_size=8).hexdigest()

    def __str__(self) -> str:
        where = self.key.partition(" ")[0] if self.base_url else "any address, once there is an API key,"
        return f"{where} product {self.product_id}"


def choose_folder(root: Path, destination: Destination) -> Path:
    """Return the folder of a destination; create and mark it if need be.

    Where a folder cannot be used, the caller finds out when it opens the outbox in it.
    """
    root = root.absolute()
    candidates = [root, root / destination.folder_name, root / f"{destination.folder_name}-{_get_user_id()}"]
    candidates.sort(key=lambda folder: not _is_of(folder, destination))  # its own first
    usable = (folder for folder in candidates if _is_usable(folder, root, destination))
    return next(usable, root / destination.folder_name)


def claim_folder(folder: Path, destination: Destination) -> None:
    """Create and mark the folder of a destination, where that is still to be done.

    A folder that could not be used when it was chosen, or that was removed since, has no mark yet. Without one
    no later process finds what is in it.

    Raises:
        OSError: It cannot be used, or it has become another destination's.
    """
    if not _belongs_to(folder, destination):
        raise PermissionError(errno.EPERM, "this folder is of another destination", str(folder))


def _is_usable(folder: Path, root: Path, destination: Destination) -> bool:
    """Return whether a folder is of a destination, or becomes its own. Log one that is not trusted."""
    try:
        return _belongs_to(folder, destination)
    except OSError as error:
        if folder != root:  # of the root: a folder of our own in it may be possible
            internal_errors.warn_once(
                f"the outbox folder {folder} is not trusted ({error.strerror}); nothing in it is sent",
                key=f"folder {folder}",
            )
        return False


def list_folders(root: Path) -> list[Path]:
    """Return a root and the folders in it that may be of a destination. Changes nothing."""
    folders = [root]
    with contextlib.suppress(OSError):
        folders += sorted(path for path in root.iterdir() if _FOLDER.fullmatch(path.name) and path.is_dir())
    return folders


def read_destination(folder: Path) -> Destination | None:
    """Return the destination that a folder is of; None if nothing of ours says so."""
    path = folder / FILE_NAME
    if not is_private_file(path):
        return None
    try:
        with path.open("rb") as file:
            mark = json.loads(file.read(_MOST_BYTES))
        if mark["application"] == _APPLICATION:
            return Destination(str(mark["base_url"]), str(mark["product_id"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return None


def _belongs_to(folder: Path, destination: Destination) -> bool:
    """Return whether a folder is of a destination. One that is of none becomes its own.

    Raises:
        OSError: The folder cannot be used, or is not of this user alone.
    """
    own_private_folder(folder)
    if read_destination(folder) is None:
        _write_owner(folder, destination)
    return _is_of(folder, destination)


def _is_of(folder: Path, destination: Destination) -> bool:
    marked = read_destination(folder)
    return marked is not None and marked.key == destination.key


def _write_owner(folder: Path, destination: Destination) -> None:
    """Write whose folder it is, unless another process is quicker. The file is whole when it has its name."""
    path, new = folder / FILE_NAME, folder / f"{FILE_NAME}.{os.getpid()}-{secrets.token_hex(4)}.new"
    content = {
        "application": _APPLICATION,
        "base_url": destination.base_url,
        "product_id": destination.product_id,
        "about": "Conversations that wait for delivery to this address. See: greenflash-otel outbox status",
    }
    create_private_file(new, json.dumps(content, indent=2).encode() + b"\n")
    try:
        with contextlib.suppress(FileExistsError):
            os.link(new, path)
            sync_folder(folder)
    except OSError:  # a file system without hard links
        if not os.path.lexists(path):
            new.rename(path)
    finally:
        new.unlink(missing_ok=True)


def _get_user_id() -> int:
    return os.geteuid() if hasattr(os, "geteuid") else 0
