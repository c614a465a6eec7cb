"""Every lower bound of `pyproject.toml` is a version that `make test-lowest` really installs."""

from __future__ import annotations

import re
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found,unused-ignore]

ROOT = Path(__file__).parents[1]
LOWEST = ROOT / "tests" / "versions" / "lowest.txt"
RUNS_LOWEST = Path(sys.prefix).name == "lowest"


def requirements() -> list[Requirement]:
    """What the project needs, with all of its extras."""
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    texts = {
        *project["dependencies"],
        *(entry for extra in project["optional-dependencies"].values() for entry in extra),
    }
    return [found for found in map(Requirement, sorted(texts)) if found.name != project["name"]]


def lower_bound(requirement: Requirement) -> Version:
    [bound] = [bound.version for bound in requirement.specifier if bound.operator == ">="]
    return Version(bound)


@pytest.mark.parametrize("requirement", requirements(), ids=lambda requirement: str(requirement.name))
def test_the_lowest_environment_has_the_lower_bound(requirement: Requirement) -> None:
    """Else nobody knows whether the bound works: raise it to what the resolver had to take, and say why."""
    pins = dict(re.findall(r"^([\w.-]+)==([^\s;]+)", LOWEST.read_text(encoding="utf-8"), re.MULTILINE))
    assert Version(pins[requirement.name]) == lower_bound(requirement)


@pytest.mark.parametrize("requirement", requirements(), ids=lambda requirement: str(requirement.name))
def test_every_dependency_has_an_upper_bound(requirement: Requirement) -> None:
    """A next major version may break what it likes; it is let in when our tests have seen it."""
    assert any(bound.operator == "<" for bound in requirement.specifier)


@pytest.mark.skipif(not RUNS_LOWEST, reason="is about the environment of `make test-lowest`")
@pytest.mark.parametrize("requirement", requirements(), ids=lambda requirement: str(requirement.name))
def test_the_lowest_is_what_runs_here(requirement: Requirement) -> None:
    assert Version(version(requirement.name)) == lower_bound(requirement)
