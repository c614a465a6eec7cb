"""List what `instrument()` can instrument, in which versions, and which of these are installed here."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Final

_RELEASE: Final = re.compile(r"\s*v?(?:[0-9]+!)?([0-9]+(?:\.[0-9]+)*)")


@dataclass(frozen=True, slots=True)
class Framework:
    """A library that we instrument."""

    module: str
    """That an application imports."""
    distribution: str
    """That brings the module, as pip knows it."""
    lowest: str
    """The first version that is supported."""
    below: str
    """The first version that is not supported any more."""

    @property
    def requirement(self) -> str:
        """The supported versions, as pip writes them."""
        return f"{self.distribution} >= {self.lowest}, < {self.below}"

    def supports(self, version: str) -> bool:
        """Say whether a version is one of those we support; one that cannot be read is."""
        if (release := _release(version)) is None:
            return True
        lowest, below = _release(self.lowest), _release(self.below)
        return lowest is None or below is None or lowest <= release < below

    def is_installed(self) -> bool:
        """Say whether an application could import it, without importing it."""
        try:
            return importlib.util.find_spec(self.module) is not None
        except (ImportError, ValueError, AttributeError):  # ValueError: a stand-in that was put in its place
            return True

    def find_version(self) -> str | None:
        """Return the installed version; None if nothing says it."""
        try:
            return metadata.version(self.distribution)
        except metadata.PackageNotFoundError:
            return None


SUPPORTED: Final[Mapping[str, Framework]] = {
    "openai": Framework("openai", "openai", "1.66.5", "4"),
    "langchain": Framework("langchain_core", "langchain-core", "0.3.60", "2"),
}
"""By its name in the setting ``frameworks``. The extras of the package name the same versions."""


def _release(version: str) -> tuple[int, ...] | None:
    match = _RELEASE.match(version)
    return tuple(map(int, match[1].split("."))) if match else None
