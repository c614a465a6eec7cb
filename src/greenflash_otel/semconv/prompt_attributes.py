"""Read the name of a prompt and the template it was made from, as each convention writes them. Pure.

| convention     | name                 | template                        | variables                               |
|----------------|----------------------|---------------------------------|-----------------------------------------|
| OpenTelemetry  | ``gen_ai.prompt.name`` | (none)                        | ``gen_ai.prompt.variable.NAME``         |
| OpenInference  | (none)               | ``llm.prompt_template.template`` | ``llm.prompt_template.variables``      |
| OpenLLMetry    | ``traceloop.prompt.key`` | ``traceloop.prompt.template`` | ``traceloop.prompt.template_variables`` |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile

from greenflash_otel.json_values import read_json
from greenflash_otel.model.operation import Json, Operation, Part, PromptTemplate, Text
from greenflash_otel.model.prompt_templates import (
    fill,
    find_values,
    merge_prompts,
    write_template,
    write_value,
)
from greenflash_otel.model.roles import SYSTEM_ROLES
from greenflash_otel.model.telemetry import Attributes
from greenflash_otel.semconv.attributes import read_text
from greenflash_otel.semconv.formats.records import read_prompt
from greenflash_otel.semconv.redaction_marks import show

OURS = "greenflash.prompt"
"""What `prompt()` adds to the spans of other instrumentations."""
NAMES = ("gen_ai.prompt.name", "traceloop.prompt.key")
VERSIONS = ("gen_ai.prompt.version", "traceloop.prompt.version", "llm.prompt_template.version")
TEMPLATES = ("llm.prompt_template.template", "traceloop.prompt.template")
MARKERS = frozenset({OURS, *NAMES, *TEMPLATES})
VARIABLES = (
    "llm.prompt_template.variables",
    "traceloop.prompt.template_variables",
    "gen_ai.prompt.variable",
)


def read_prompt_template(attributes: Attributes, operation: Operation) -> PromptTemplate | None:
    """Return the prompt of a model call, if its span names it or has its template."""
    if MARKERS.isdisjoint(attributes):
        return None
    return merge_prompts(read_prompt(read_json(attributes.get(OURS))), _read_found(attributes, operation))


def _read_found(attributes: Attributes, operation: Operation) -> PromptTemplate | None:
    id = _find_text(attributes, NAMES)
    template = show(_find_text(attributes, TEMPLATES))
    if id is None and template is None:
        return None
    variables = _read_variables(attributes)
    version = _find_text(attributes, VERSIONS)
    prompt = _match(template, variables, operation) if template else None
    if prompt is not None:
        return PromptTemplate(id, version, prompt.variables, prompt.template)
    return None if id is None else PromptTemplate(id, version, variables)


def _match(template: str, variables: Mapping[str, Json], operation: Operation) -> PromptTemplate | None:
    """Return a template with its values, if the system prompt was made from it.

    A template may be that of a user message, which is not a prompt of the conversation.
    """
    written = write_template(template)
    if written is None:
        return None
    text = _read_system_prompt(operation)
    if not text:
        filled = fill(written, {name: write_value(variable) for name, variable in variables.items()})
        is_of_user = any(_text_of(message.parts).strip() == filled.strip() for message in operation.input)
        return None if is_of_user or not variables else PromptTemplate(variables=variables, template=written)
    if (values := find_values(written.strip(), variables, text.strip())) is not None:
        return PromptTemplate(variables=values, template=written.strip())
    filled = fill(written, {name: write_value(variable) for name, variable in variables.items()})
    if filled and filled in text:
        return PromptTemplate(variables=variables, template=text.replace(filled, written))
    return None


def _read_system_prompt(operation: Operation) -> str:
    leading = list(takewhile(lambda message: message.role in SYSTEM_ROLES, operation.input))
    texts = [_text_of(operation.system_instructions), *(_text_of(message.parts) for message in leading)]
    return "\n\n".join(text for text in texts if text)


def _text_of(parts: Sequence[Part]) -> str:
    return "\n".join(part.content for part in parts if isinstance(part, Text))


def _read_variables(attributes: Attributes) -> dict[str, Json]:
    """Read variables that are a JSON object, or an attribute each."""
    variables = dict[str, Json]()
    for prefix in VARIABLES:
        document = read_json(attributes.get(prefix))
        if isinstance(document, Mapping):
            variables |= {str(name): value for name, value in document.items()}
        start = f"{prefix}."
        for name, value in attributes.items():
            if name.startswith(start) and isinstance(value, (str, bool, int, float)):
                variables[name[len(start) :]] = value
    return variables


def _find_text(attributes: Attributes, names: tuple[str, ...]) -> str | None:
    return next((text for name in names if (text := read_text(attributes, name))), None)
