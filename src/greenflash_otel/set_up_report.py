"""Say what `instrument()` has set up, and warn where it captures nothing or changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, Final
from urllib.parse import urlsplit

from greenflash_otel import internal_errors
from greenflash_otel.errors import ConfigurationError
from greenflash_otel.frameworks import SUPPORTED, Framework
from greenflash_otel.settings import MEMORY, SECRETS, Settings

UNQUOTED: Final = frozenset({*SECRETS, "redact", "default_user_id"})
"""Settings whose values are secret, personal or code: a difference is named without them."""


def report_set_up(settings: Settings, *, shares_provider: bool) -> None:
    """Log what is instrumented, where it is delivered and where it waits; warn where nothing is captured.

    Args:
        shares_provider: Whether the application passed a tracer provider. Then other instrumentations may
            make spans, and that none of ours can is no mistake.
    """
    if settings.off_reason is not None:
        report_off(settings)
        return
    wanted = [SUPPORTED[name] for name in settings.frameworks]
    found = [framework for framework in wanted if framework.is_installed()]
    if wanted and not found and not shares_provider:
        names = [framework.distribution for framework in wanted]
        lacking = f"neither {' nor '.join(names)} is" if len(names) > 1 else f"{names[0]} is not"
        internal_errors.warn_once(
            f"instrument() captures no call of a model: {lacking} installed in this environment. Install "
            f"'{wanted[0].requirement}', or pass the tracer_provider of another instrumentation",
            key="nothing to instrument",
        )
    for framework in found:
        _check_version(framework)
    recorded = " and ".join(map(_add_version, found)) or "no calls of its own"
    internal_errors.inform_once(f"records {recorded}; {describe_delivery(settings)}")


def report_off(settings: Settings) -> None:
    """Say that nothing is captured, and why; as a warning unless the application asked for it."""
    if not settings.enabled:
        internal_errors.inform_once(f"captures nothing: {settings.off_reason}")
    else:
        internal_errors.warn_once(
            f"captures nothing: {settings.off_reason}. Set both, or set GREENFLASH_ENABLED=false to hide this line"
        )


def describe_delivery(settings: Settings) -> str:
    """Say where captured data goes, and where it waits until it is there."""
    if settings.export == "none":
        return "makes spans only, and delivers nothing"
    if settings.export == "otlp":
        return "sends spans to an OpenTelemetry Collector"
    if settings.offline_reason is not None:
        return f"delivers nothing: {settings.offline_reason}"
    place = "in memory" if settings.outbox == MEMORY else f"in {settings.outbox}"
    url = remove_password(settings.base_url)
    return f"delivers to {url}, product {settings.product_id}; the outbox is {place}"


def report_second_call(
    first: Settings, arguments: Mapping[str, Any], *, other_objects: Sequence[str] = ()
) -> None:
    """Warn if `instrument()` was called again with other settings, and name what differs.

    Args:
        first: What the first call set up.
        arguments: Those of this call by name; None if the application left one out.
        other_objects: Names of arguments that are objects, and not those of the first call.
    """
    with internal_errors.guarded("compare the settings of a second instrument()"):
        try:
            differing = [
                *_list_differences(first, arguments),
                *(f"{name} is another one" for name in other_objects),
            ]
        except ConfigurationError as error:
            differing = [str(error)]
        if differing:
            internal_errors.warn_once(
                f"instrument() was called again; it changes nothing, but: {'; '.join(differing)}. "
                "Call shutdown() first to instrument anew"
            )


def remove_password(url: str) -> str:
    """Return a URL without the user and password that it may contain."""
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return "an address that cannot be read"
    return parts._replace(netloc=host).geturl()


def _list_differences(first: Settings, arguments: Mapping[str, Any]) -> list[str]:
    values = {name: value for name, value in arguments.items() if value is not None}
    before = {field.name: getattr(first, field.name) for field in fields(first)}
    second = Settings.read({}, **{**before, **values})
    return [
        _describe_difference(name, getattr(first, name), getattr(second, name))
        for name in values
        if getattr(first, name) != getattr(second, name)
    ]


def _describe_difference(name: str, first: object, second: object) -> str:
    if name in UNQUOTED:
        return f"{name} is another one"
    if name == "base_url":
        first, second = remove_password(str(first)), remove_password(str(second))
        if first == second:
            return "base_url has another user or password"
    return f"{name} is {second!r}, and {first!r} stays"


def _check_version(framework: Framework) -> None:
    version = framework.find_version()
    if version is not None and not framework.supports(version):
        internal_errors.warn_once(
            f"{framework.distribution} {version} is not supported, so its calls may not be captured: install "
            f"{framework.requirement}",
            key=f"unsupported {framework.distribution}",
        )


def _add_version(framework: Framework) -> str:
    return f"{framework.distribution} {framework.find_version() or '(version unknown)'}"
