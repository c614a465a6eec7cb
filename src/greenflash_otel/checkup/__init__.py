"""Check an installation: settings, the way to Greenflash, the outbox, and what is captured."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from greenflash_otel import internal_errors, runtime
from greenflash_otel.checkup.api_checks import check_api
from greenflash_otel.checkup.capture_checks import check_capture
from greenflash_otel.checkup.finding import Finding
from greenflash_otel.checkup.outbox_checks import check_delivery, check_outbox
from greenflash_otel.checkup.settings_checks import check_key, check_settings


@dataclass(frozen=True, slots=True)
class Checkup:
    """What was found, in the order in which one would mend it."""

    findings: tuple[Finding, ...]

    @property
    def is_ok(self) -> bool:
        """Whether nothing failed; warnings do not count."""
        return not self.count("fail")

    def count(self, state: str) -> int:
        """Count the findings of a state."""
        return sum(finding.state == state for finding in self.findings)

    def __str__(self) -> str:
        counts = f"{self.count('fail')} failed, {self.count('warn')} warnings, {self.count('ok')} passed"
        return "\n".join([*map(str, self.findings), counts])


def examine(environment: Mapping[str, str] = os.environ) -> Checkup:
    """Check the installation that an environment describes. Sends nothing but one request for the products."""
    return Checkup(tuple(_examine(environment)))


def doctor() -> Checkup:
    """Check this process: what `instrument()` has set up, the way to Greenflash, and what became of everything.

    It asks Greenflash for the products of the account, sends nothing else, and changes nothing. It may take ten
    seconds where the API does not answer, so call it at the start of a program or in a notebook. It raises nothing.

    Returns:
        The findings; printed, one line each, with a next step for each fault.
    """
    findings: list[Finding] = []
    with internal_errors.guarded("check this process"):
        findings.extend(_examine_process())
    return Checkup(tuple(findings))


def _examine_process() -> Iterator[Finding]:
    active = runtime.find_active_settings()
    if active is None:
        step = "call greenflash.instrument() at the start of this process"
        yield Finding("capture.instrumented", "fail", "instrument() was not called in this process", step)
        yield from _examine(os.environ)
        return
    settings, http_client = active
    yield Finding("capture.instrumented", "ok", f"instrument() was called with export={settings.export!r}")
    if settings.export == "greenflash":
        yield from check_key(settings)
        yield from check_api(settings, http_client)
        yield from check_delivery(runtime.stats())
    yield from check_capture(settings, os.environ)


def _examine(environment: Mapping[str, str]) -> Iterator[Finding]:
    settings, findings = check_settings(environment)
    yield from findings
    if settings.export == "greenflash":
        yield from check_api(settings)
        yield from check_outbox(settings)
    yield from check_capture(settings, environment)


__all__ = ["Checkup", "Finding", "doctor", "examine"]
