"""What `make dist` makes: a wheel with a bill of materials, and sources that make the same wheel."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

ROOT = Path(__file__).parents[1]
BILL = re.compile(r"greenflash_otel-[^/]+\.dist-info/sboms/greenflash-otel\.cdx\.json")


def build(kind: str, root: Path, into: Path, *, date: str = "1800000000") -> Path:
    """Build the wheel or the source archive of a checkout, without a network."""
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(into)],
        cwd=root,
        env={"SOURCE_DATE_EPOCH": date, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    [built] = into.iterdir()
    return built


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def text(wheel: Path) -> str:
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if "/sboms/" in name]
        assert BILL.fullmatch(name)
        return archive.read(name).decode()


@pytest.fixture(scope="module")
def bill(text: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(text)
    return found


def names(bill: Mapping[str, Any], scope: str) -> set[str]:
    return {component["name"] for component in bill["components"] if component["scope"] == scope}


def test_the_bill_is_valid_cyclonedx(text: str, bill: Mapping[str, Any]) -> None:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    assert bill["metadata"]["component"]["purl"].startswith("pkg:pypi/greenflash-otel@")
    assert bill["metadata"]["timestamp"].startswith("2027-01-15T08:00:00")


def test_the_bill_has_what_runs_and_nothing_of_the_tests(bill: Mapping[str, Any]) -> None:
    required, optional = names(bill, "required"), names(bill, "optional")
    assert {"httpx", "wrapt", "opentelemetry-sdk", "certifi"} <= required
    assert {"openai", "langchain-core", "starlette", "grpcio", "pydantic"} <= optional
    assert not required & optional
    assert not {"pytest", "ruff", "mypy", "hypothesis"} & (required | optional)


def test_the_bill_names_the_versions_that_were_tested_with_their_hashes(bill: Mapping[str, Any]) -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    for component in bill["components"]:
        assert f"\n{component['name']}=={component['version']} " in f"\n{lock}"
        [reference] = component["externalReferences"]
        assert reference["hashes"]
        assert all(f"sha256:{each['content']}" in lock for each in reference["hashes"])


def test_the_bill_says_who_needs_whom(bill: Mapping[str, Any]) -> None:
    needs = {
        dependency["ref"].split("@")[0]: dependency.get("dependsOn", [])
        for dependency in bill["dependencies"]
    }
    ours = {each.split("@")[0] for each in needs["pkg:pypi/greenflash-otel"]}
    assert {"pkg:pypi/httpx", "pkg:pypi/openai", "pkg:pypi/starlette"} <= ours
    assert any(each.startswith("pkg:pypi/httpcore@") for each in needs["pkg:pypi/httpx"])


def test_the_wheel_has_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}
        assert "greenflash_otel/py.typed" in archive.namelist()
        assert {member.date_time[0] for member in archive.infolist()} == {2027}
    package, metadata = "greenflash_otel", wheel.name.rsplit("-py3", 1)[0] + ".dist-info"
    assert sorted(tops) == ["_greenflash_otel_pytest.py", package, metadata]


def test_the_source_archive_makes_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    """So whoever builds it elsewhere can compare; it also shows that builds can be repeated."""
    archive = build("sdist", ROOT, tmp_path / "sdist")
    with tarfile.open(archive) as source:
        if sys.version_info >= (3, 12):
            source.extractall(tmp_path, filter="data")
        else:
            source.extractall(tmp_path)  # noqa: S202 - made a moment ago, by us
    again = build("wheel", tmp_path / archive.name.removesuffix(".tar.gz"), tmp_path / "wheel")
    assert again.name == wheel.name
    assert again.read_bytes() == wheel.read_bytes()


def test_the_plugin_of_pytest_is_in_the_wheel(wheel: Path) -> None:
    """Its entry point leads to a module next to the package."""
    with zipfile.ZipFile(wheel) as archive:
        [entry_points] = [name for name in archive.namelist() if name.endswith("entry_points.txt")]
        assert "[pytest11]\ngreenflash = _greenflash_otel_pytest\n" in archive.read(entry_points).decode()
        assert "_greenflash_otel_pytest.py" in archive.namelist()
