"""The public function `prompt`: which prompt the enclosed model calls use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias, cast

from greenflash_otel import runtime
from greenflash_otel.arguments import (
    Id,
    Repairs,
    choose,
    read_either_id,
    read_flag,
    read_greenflash_id,
    read_id,
    read_properties,
    read_text,
    report,
)
from greenflash_otel.context import Scope
from greenflash_otel.errors import InvalidPromptError
from greenflash_otel.internal_errors import guarded
from greenflash_otel.model.greenflash_ids import PREFIX
from greenflash_otel.model.operation import ConversationContext
from greenflash_otel.model.prompt_templates import write_template
from greenflash_otel.model.prompts import (
    COMPONENT_SOURCES,
    COMPONENT_TYPES,
    ComponentSource,
    ComponentType,
    PromptComponent,
    PromptTemplate,
)

Component: TypeAlias = PromptComponent | Mapping[str, Any] | str


def prompt(
    id: Id | None = None,
    template: str | Sequence[Component] | None = None,
    variables: Mapping[str, Any] | None = None,
    *,
    version: str | None = None,
    greenflash_prompt_id: Id | None = None,
    strict: bool | None = None,
) -> Scope:
    """Say which prompt the enclosed model calls use, so that Greenflash shows it as one, however it is filled.

        with greenflash.prompt("support", "You help {{name}}.", {"name": "Ada"}):
            client.chat.completions.create(...)

    Use it like `conversation()`, inside or around it. What is sent to the model stays as you send it.

    Args:
        id: Your name for the prompt, sent as ``externalPromptId``: its versions stay together. Without a template it
            names a prompt that Greenflash has.
        template: Its text, with ``{{name}}`` for each variable; or its parts, each a `PromptComponent`, a dict with the
            same fields, or a text.
        variables: The values. Those that are left out are read from the system prompt, if it is the filled template.
        version: Your name for this version.
        greenflash_prompt_id: The id that Greenflash gave the prompt. It counts before ``id``.
        strict: Raise on bad arguments; by default the setting ``strict``.

    Raises:
        InvalidPromptError: Only if ``strict``: an argument is bad; the message says what to write.
    """
    repairs, stored_prompt = Repairs(), PromptTemplate()
    with guarded("read the arguments of prompt()"):
        named = read_either_id("prompt_id", id, greenflash_prompt_id, repairs)
        stored_prompt = PromptTemplate(named, read_text("version", version, repairs))
        stored_prompt = replace(
            stored_prompt, variables=read_properties(variables, repairs, name="variables")
        )
        if template is None or isinstance(template, str):
            text = read_text("template", template, repairs)
            stored_prompt = replace(
                stored_prompt, template=text and (write_template(text, "mustache") or text)
            )
        else:
            components = [_read_component(component, repairs) for component in template]
            stored_prompt = replace(
                stored_prompt,
                components=tuple(component for component in components if component is not None),
            )
    is_usable = bool(stored_prompt.id or stored_prompt.template or stored_prompt.components)
    if not is_usable and not repairs.problems:
        repairs.note("id", id, "missing", "the name of the prompt, or its template")
    report("prompt()", repairs, InvalidPromptError, strict=strict, is_usable=is_usable)
    if not runtime.captures_content():
        stored_prompt = PromptTemplate(stored_prompt.id, stored_prompt.version)
    return Scope(ConversationContext(prompt=stored_prompt if is_usable else None), opens=False)


def _read_component(component: object, repairs: Repairs) -> PromptComponent | None:
    if isinstance(component, str):
        component = {"content": component}
    fields: Mapping[str, Any] = component if isinstance(component, Mapping) else {}
    if isinstance(component, PromptComponent):
        fields = {name: getattr(component, name) for name in PromptComponent.__dataclass_fields__}
    content = read_text("content", fields.get("content"), repairs)
    if content is None:
        repairs.note("template", component, "left out", "parts that have a text in content")
        return None
    made_there = read_greenflash_id("greenflash_id", fields.get("greenflash_id"), repairs)
    return PromptComponent(
        write_template(content, "mustache") or content,
        type=cast("ComponentType | None", choose("type", fields.get("type"), COMPONENT_TYPES, repairs)),
        source=cast(
            "ComponentSource | None", choose("source", fields.get("source"), COMPONENT_SOURCES, repairs)
        ),
        name=read_text("name", fields.get("name"), repairs),
        is_dynamic=bool(read_flag("is_dynamic", fields.get("is_dynamic"), repairs)),
        id=read_id("id", fields.get("id"), repairs),
        greenflash_id=made_there and made_there.removeprefix(PREFIX),
    )
