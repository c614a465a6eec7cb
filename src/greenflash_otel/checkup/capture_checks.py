"""Check what can be captured here: installed libraries, their versions, and who else records them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from typing import Final

from greenflash_otel.checkup.finding import Finding
from greenflash_otel.frameworks import SUPPORTED, Framework
from greenflash_otel.settings import Settings

OTHERS: Final[Mapping[str, Sequence[str]]] = {
    "openai": (
        "openinference-instrumentation-openai",
        "opentelemetry-instrumentation-openai",
        "opentelemetry-instrumentation-openai-v2",
    ),
    "langchain": ("openinference-instrumentation-langchain", "opentelemetry-instrumentation-langchain"),
}
"""Instrumentations of the same calls, by framework."""


def check_capture(settings: Settings, environment: Mapping[str, str]) -> Iterator[Finding]:
    """Yield what is to be said of each framework that is to be captured."""
    if not settings.enabled:
        title = "GREENFLASH_ENABLED is false: nothing is captured, outcomes included"
        yield Finding("capture.enabled", "fail", title, "remove GREENFLASH_ENABLED")
    elif environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        title = "OTEL_SDK_DISABLED is true: nothing is captured, outcomes included"
        yield Finding("capture.enabled", "fail", title, "remove OTEL_SDK_DISABLED")
    wanted = [SUPPORTED[name] for name in settings.frameworks]
    is_any_installed = any(framework.is_installed() for framework in wanted)
    for name in settings.frameworks:
        yield from _check_framework(SUPPORTED[name], is_needed=not is_any_installed)
        yield from _check_others(name)


def _check_framework(framework: Framework, *, is_needed: bool) -> Iterator[Finding]:
    if not framework.is_installed():
        step = f"pip install '{framework.requirement.replace(' ', '')}'"
        title = f"{framework.distribution} is not installed"
        if is_needed:
            yield Finding("capture.installed", "warn", f"{title}: no call of a model can be captured", step)
        else:
            yield Finding("capture.installed", "ok", f"{title}, and another library is")
        return
    version = framework.find_version()
    if version is None or framework.supports(version):
        yield Finding("capture.version", "ok", f"{framework.distribution} {version or '(version unknown)'}")
    else:
        step = f"pip install '{framework.requirement.replace(' ', '')}'"
        yield Finding("capture.version", "fail", f"{framework.distribution} {version} is not supported", step)


def _check_others(name: str) -> Iterator[Finding]:
    for distribution in OTHERS.get(name, ()):
        try:
            metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
        step = "use one of them: remove the other, or leave this one out of GREENFLASH_FRAMEWORKS"
        yield Finding(
            "capture.others", "warn", f"{distribution} is installed: calls may be recorded twice", step
        )
