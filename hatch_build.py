"""Puts a software bill of materials into the wheel: what the release needs, in the versions that were tested.

Hatchling calls this for wheels; PEP 770 says where the file goes. The names come from the project's metadata,
the versions, hashes and who needs whom from ``runtime.lock``. The same input gives the same bytes.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.builders.utils import get_reproducible_timestamp

if TYPE_CHECKING:
    from cyclonedx.model.component import Component

LOCK: Final = "runtime.lock"
NAMESPACE: Final = uuid.UUID("8d1f0b5e-3a8c-5d0e-9a55-0f3f7d1c9b52")
"""Serial numbers are made in it, from what the bill says."""
PIN: Final = re.compile(r"^(?P<name>[\w.-]+)==(?P<version>[^\s;]+)(?:\s*;\s*(?P<marker>.*?))?\s*\\?$")
HASH: Final = re.compile(r"--hash=sha256:([0-9a-f]{64})")
VIA: Final = "# via "
ROOT: Final = "greenflash-otel"


class Pin(NamedTuple):  # hatchling loads this file as no module, which dataclasses need
    """One version of one package in the lock."""

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]
    needed_by: tuple[str, ...]
    """Names of packages; `ROOT` for what the project asks for itself."""

    @property
    def url(self) -> str:
        """The package's name in the package-url notation."""
        return f"pkg:pypi/{self.name}@{self.version}"


class SbomHook(BuildHookInterface[Any]):
    """Adds the bill of materials to a wheel."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write the bill where hatchling picks it up; not for an editable install, which is no release."""
        if version == "editable":
            return
        core = self.metadata.core
        pins = read_pins((Path(self.root) / LOCK).read_text(encoding="utf-8"))
        self._folder = TemporaryDirectory()
        file = Path(self._folder.name) / f"{core.name}.cdx.json"
        # `core.dependencies` are those without any extra.
        names = [name_of(requirement) for requirement in core.dependencies]
        file.write_text(
            bill_of_materials(core.version, core.description, list(pins), required=names), encoding="utf-8"
        )
        build_data["sbom_files"].append(str(file))

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what `initialize` wrote."""
        if version != "editable":
            self._folder.cleanup()


def name_of(requirement: str) -> str:
    """Return the normalised name of the package that a requirement asks for."""
    name = re.match(r"[\w.-]+", requirement)
    return re.sub(r"[-_.]+", "-", name[0] if name else "").lower()


def read_pins(lock: str) -> Iterator[Pin]:
    """Read the versions that a lock names, with the hashes of their files and who needs them."""
    starts = [match.start() for match in re.finditer(r"^(?=\w)", lock, re.MULTILINE)]
    for start, end in zip(starts, [*starts[1:], len(lock)], strict=True):
        first, *rest = lock[start:end].splitlines()
        pin = PIN.match(first)
        if pin is None:
            raise ValueError(f"{LOCK}: cannot read {first!r}; renew it with `make lock`")
        via = next((line.strip() for line in rest if line.strip().startswith(VIA)), VIA)
        parents = [
            parent.split(" (")[0] for parent in via[len(VIA) :].split(", ") if not parent.startswith("-c ")
        ]
        hashes = tuple(HASH.findall(lock[start:end]))
        yield Pin(pin["name"], pin["version"], pin["marker"] or "", hashes, tuple(parents))


def bill_of_materials(version: str, description: str, pins: Sequence[Pin], *, required: Sequence[str]) -> str:
    """Make a CycloneDX document of the project and every package in its lock.

    Args:
        required: The packages that the project needs without any extra; what only extras need is optional.
    """
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.model.license import LicenseExpression
    from cyclonedx.output.json import JsonV1Dot6
    from packageurl import PackageURL

    root = Component(
        name=ROOT,
        version=version,
        description=description,
        type=ComponentType.LIBRARY,
        licenses=[LicenseExpression("Apache-2.0")],
        purl=PackageURL("pypi", name=ROOT, version=version),
        bom_ref=f"pkg:pypi/{ROOT}@{version}",
    )
    needed = _closure(pins, required)
    components = {pin: _component(pin, is_required=pin.name in needed) for pin in pins}
    serial = uuid.uuid5(NAMESPACE, repr((version, description, pins, sorted(needed))))
    bom = Bom(components=components.values(), serial_number=serial)
    bom.metadata.component = root
    bom.metadata.timestamp = datetime.fromtimestamp(get_reproducible_timestamp(), timezone.utc)
    for pin, component in [(None, root), *components.items()]:
        name = ROOT if pin is None else pin.name
        bom.register_dependency(component, [components[each] for each in pins if name in each.needed_by])
    return str(JsonV1Dot6(bom).output_as_string(indent=2)) + "\n"


def _closure(pins: Sequence[Pin], names: Sequence[str]) -> set[str]:
    """Return the names and everything that they need."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(pin.name for pin in pins if name in pin.needed_by)
    return found


def _component(pin: Pin, *, is_required: bool) -> Component:
    from cyclonedx.model import (
        ExternalReference,
        ExternalReferenceType,
        HashAlgorithm,
        HashType,
        Property,
        XsUri,
    )
    from cyclonedx.model.component import Component, ComponentScope
    from packageurl import PackageURL

    return Component(
        name=pin.name,
        version=pin.version,
        scope=ComponentScope.REQUIRED if is_required else ComponentScope.OPTIONAL,
        purl=PackageURL("pypi", name=pin.name, version=pin.version),
        bom_ref=pin.url,
        external_references=[
            ExternalReference(
                type=ExternalReferenceType.DISTRIBUTION,
                url=XsUri(pin.url),
                comment="any one of these files",
                hashes=[HashType(alg=HashAlgorithm.SHA_256, content=each) for each in pin.hashes],
            )
        ],
        properties=[Property(name="greenflash-otel:marker", value=pin.marker)] if pin.marker else [],
    )
