"""Check the settings one by one, so that one that is wrong hides no other. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from typing import Final

from greenflash_otel.checkup.finding import Finding
from greenflash_otel.errors import ConfigurationError
from greenflash_otel.settings import NO_PRODUCT, SECRETS, SETTINGS, UUID, Settings

PREFIX: Final = "GREENFLASH_"
OTHER_VARIABLES: Final = ("GREENFLASH_GATEWAY_TOKENS",)
"""Variables of ours that are no settings."""


def check_settings(environment: Mapping[str, str]) -> tuple[Settings, list[Finding]]:
    """Return the settings, with defaults for those that are wrong, and what was found."""
    problems = {name: problem for name in SETTINGS if (problem := _find_problem(name, environment))}
    findings = [*_check_product(environment), *_check_names(environment), *problems.values()]
    if not problems:
        findings.append(Finding("settings.valid", "ok", "every setting can be read"))
    wrong = {variable for name in problems for variable in SETTINGS[name].variables}
    usable = {variable: text for variable, text in environment.items() if variable not in wrong}
    product = _read_variable("product_id", environment)
    settings = Settings.read(usable, product_id=product if UUID.fullmatch(product) else NO_PRODUCT)
    if "base_url" in problems:  # the key is for another host than the default one
        settings = replace(settings, offline_reason="the base URL cannot be read")
    if "api_key" not in problems:
        findings += check_key(settings)
    return settings, findings


def list_unknown_variables(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield each variable that looks like one of ours and is none, with the nearest that is, or an empty text."""
    known_names = [
        *(variable for setting in SETTINGS.values() for variable in setting.variables),
        *OTHER_VARIABLES,
    ]
    for variable in sorted(environment):
        if variable.startswith(PREFIX) and variable not in known_names:
            yield variable, next(iter(get_close_matches(variable, known_names, n=1)), "")


def _read_variable(name: str, environment: Mapping[str, str]) -> str:
    texts = (environment.get(variable, "").strip() for variable in SETTINGS[name].variables)
    return next(filter(None, texts), "")


def _check_product(environment: Mapping[str, str]) -> Iterator[Finding]:
    product = _read_variable("product_id", environment)
    if not product:
        step = "set GREENFLASH_PRODUCT_ID to the UUID your product has in Greenflash"
        yield Finding("settings.product", "fail", "no product is set", step)
    elif not UUID.fullmatch(product):  # it is not quoted: somebody may have put the key there
        step = "set GREENFLASH_PRODUCT_ID to the UUID your product has in Greenflash, not to its name"
        yield Finding("settings.product", "fail", "the product is no UUID", step)
    else:
        yield Finding("settings.product", "ok", f"the product is {product}")


def _check_names(environment: Mapping[str, str]) -> Iterator[Finding]:
    for variable, nearest in list_unknown_variables(environment):
        step = f"rename it to {nearest}" if nearest else "see 'greenflash-otel settings' for those there are"
        yield Finding("settings.known", "warn", f"{variable} is no variable of this library", step)


def _find_problem(name: str, environment: Mapping[str, str]) -> Finding | None:
    """Return what is wrong with one setting, whatever the others are."""
    others = {variable: text for variable, text in environment.items() if not variable.startswith(PREFIX)}
    own = {variable: environment.get(variable, "") for variable in SETTINGS[name].variables}
    if name == "product_id" or not any(text.strip() for text in own.values()):
        return None
    try:
        Settings.read({**others, **own}, product_id=NO_PRODUCT)
    except ConfigurationError as error:
        what, _, step = str(error).partition("; ")
        variable = next(variable for variable, text in own.items() if text.strip())
        shown = f"{variable} cannot be read" if name in SECRETS else what
        return Finding("settings.valid", "fail", shown, f"{variable}: {step or what}")
    return None


def check_key(settings: Settings) -> Iterator[Finding]:
    """Yield whether there is a key; it is never shown."""
    if settings.api_key is None:
        step = "set GREENFLASH_API_KEY; what waits is then delivered by 'greenflash-otel outbox flush'"
        yield Finding("settings.key", "fail", "no API key is set: what is captured waits in the outbox", step)
    else:
        yield Finding("settings.key", "ok", "an API key is set (hidden)")
