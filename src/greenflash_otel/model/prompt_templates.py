"""Match a prompt with the template that it was made from, so that one prompt is one however it is filled. Pure.

A template is written as Greenflash takes it: ``{{name}}`` is the place of a value. Values are believed only if the
template filled with them is the prompt, word for word.
"""

from __future__ import annotations

import json
import re
import string
from collections.abc import Mapping, Sequence
from dataclasses import replace

from greenflash_otel.model.operation import Json, PromptTemplate

PLACEHOLDER = re.compile(r"\{\{([^{}]+)\}\}")
TAG = re.compile(r"\{\{\{?&?\s*([\w.$-]+)\s*\}?\}\}")
"""Placeholders of values in the languages Mustache and Jinja."""
STATEMENT = re.compile(r"\{%|\{#|\{\{\s*[#^/>!]|\{\{[^}]*[|(\[]")
"""What computes something in them."""


def write_template(template: str, language: str | None = None) -> str | None:
    """Return a template in Greenflash's form; None if it does more than put values in.

    Args:
        language: LangChain's name of it: ``f-string``, ``mustache`` or ``jinja2``. None: as it looks.
    """
    if language is None:
        language = "mustache" if TAG.search(template) else "f-string"
    if language != "f-string":
        return None if STATEMENT.search(template) else TAG.sub(r"{{\1}}", template)
    written = list[str]()
    try:
        for literal, name, _, _ in string.Formatter().parse(template):
            written.append(literal)
            if name is not None:
                written.append(f"{{{{{name}}}}}")
    except ValueError:  # it has a lonely brace
        return None
    return "".join(written)


def find_values(template: str, variables: Mapping[str, Json], text: str) -> dict[str, str] | None:
    """Return the values with which a template is a text; None if there are none.

    Args:
        template: In Greenflash's form.
        variables: What is known of them.
    """
    parts = PLACEHOLDER.split(template)
    literals, names = parts[::2], parts[1::2]
    values = {name: write_value(variables[name]) for name in names if name in variables}
    if len(values) == len(set(names)) and fill(template, values) == text:
        return values
    extracted = _extract(literals, names, text)
    return extracted if extracted is not None and fill(template, extracted) == text else None


def merge_prompts(by_hand: PromptTemplate | None, recognised: PromptTemplate | None) -> PromptTemplate | None:
    """Return what `prompt()` says of a call, completed by what was found: a name by hand may lack its text."""
    if by_hand is None or recognised is None:
        return by_hand or recognised
    if by_hand.template is not None or by_hand.components:
        return by_hand
    return replace(
        recognised,
        id=by_hand.id or recognised.id,
        version=by_hand.version or recognised.version,
        variables={**recognised.variables, **by_hand.variables},
    )


def find_missing_values(prompt: PromptTemplate, text: str | None) -> PromptTemplate:
    """Return a prompt with the values that the application did not say, if the text of a call shows them."""
    template = prompt.template
    if not template or not text or all(name in prompt.variables for name in PLACEHOLDER.findall(template)):
        return prompt
    values = find_values(template, prompt.variables, text)
    return prompt if values is None else replace(prompt, variables=values)


def fill(template: str, variables: Mapping[str, str]) -> str:
    """Return a template in Greenflash's form with values put in."""
    return PLACEHOLDER.sub(lambda name: variables.get(name[1], name[0]), template)


def write_value(value: Json) -> str:
    """Return a value as text: Greenflash takes no other."""
    if isinstance(value, Mapping) and isinstance(text := value.get("text"), str):
        return text  # a part of OpenAI's
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def join_templates(texts: Sequence[str], templates: Sequence[PromptTemplate | None]) -> PromptTemplate | None:
    """Return the template of a prompt that consists of several texts, of which some come from templates."""
    if not any(templates):
        return None
    written, variables = list[str](), dict[str, Json]()
    for text, template in zip(texts, templates, strict=True):
        agrees = template is not None and all(
            variables.get(name, v) == v for name, v in template.variables.items()
        )
        if template is not None and agrees and template.template is not None:
            written.append(template.template)
            variables |= template.variables
        else:
            written.append(text)
    return PromptTemplate(variables=variables, template="\n\n".join(written))


def _extract(literals: Sequence[str], names: Sequence[str], text: str) -> dict[str, str] | None:
    """Find the values between the fixed texts of a template."""
    if not text.startswith(literals[0]) or not names:
        return None
    values, at = dict[str, str](), len(literals[0])
    for place, name in enumerate(names):
        literal, is_last = literals[place + 1], place + 1 == len(names)
        end = len(text) - len(literal) if is_last else text.find(literal, at)
        if end < at or (not literal and not is_last):
            return None
        values[name] = text[at:end]
        at = end + len(literal)
    return values
