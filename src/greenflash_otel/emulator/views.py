"""Stored values as the JSON that the API answers with, and in full for the emulator's own routes. Pure."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Mapping
from typing import Any, TypeAlias

from pydantic.alias_generators import to_camel

from greenflash_otel.emulator.contract.messages import SystemPrompt
from greenflash_otel.emulator.store.writing import Receipt
from greenflash_otel.emulator.stored import StoredConversation, StoredMessage, StoredOrganization, StoredUser

JsonObject: TypeAlias = dict[str, Any]
"""A JSON object to be sent. Any: stored content stays as free-form as it came."""

_NAMESPACE = uuid.UUID("8f2f3f6e-6a0c-5d0e-9a5e-5f1b7d0a4c11")
_NO_PROMPT_ID = str(uuid.UUID(int=0))
_ROLE_OF_TYPE: Mapping[str, str] = {
    "user_message": "user",
    "assistant_message": "assistant",
    "system_message": "system",
    "tool_call": "tool_call",
    "observation": "observation",
    "final_response": "final_response",
}
"""The six roles that ``GET /interactions/{id}`` knows; how the other types read back is not documented."""


def write_in_full(stored: Any) -> Any:  # Any: a stored value, whichever, and JSON of its shape
    """Write every field of a stored value under its camelCase name."""
    if dataclasses.is_dataclass(stored):
        return {
            to_camel(field.name): write_in_full(getattr(stored, field.name))
            for field in dataclasses.fields(stored)
        }
    return [write_in_full(value) for value in stored] if isinstance(stored, tuple) else stored


def write_messages_answer(receipt: Receipt, prompt: str | SystemPrompt | None) -> JsonObject:
    """Write the answer of ``POST /messages``."""
    answer: JsonObject = {
        "success": True,
        "conversationId": receipt.conversation_id,
        "messages": [
            {
                "messageId": message.id,
                "messageType": message.type,
                "status": "created" if message.created else "deduplicated",
                **({"externalMessageId": message.external_id} if message.external_id else {}),
            }
            for message in receipt.messages
        ],
        "systemPromptPromptId": _derive_prompt_id(prompt),
        "systemPromptComponentIds": _derive_component_ids(prompt),
    }
    if isinstance(prompt, SystemPrompt) and prompt.variables is not None:
        answer["promptVariables"] = prompt.variables
    return answer


def write_interaction(conversation: StoredConversation) -> JsonObject:
    """Return an entry of ``GET /interactions``."""
    rating = conversation.ratings[-1] if conversation.ratings else None
    return {
        "id": conversation.id,
        "externalId": conversation.external_id,
        "participantId": conversation.user_id,
        "externalParticipantId": conversation.external_user_id,
        "organizationId": conversation.organization_id,
        "organizationExternalId": conversation.external_organization_id,
        "productId": conversation.product_id,
        "versionId": _derive_uuid("version", conversation.product_id),
        "model": conversation.model,
        "rating": rating and rating.rating,
        "ratingMin": rating and rating.rating_min,
        "ratingMax": rating and rating.rating_max,
        "feedback": rating and rating.feedback,
        "createdAt": conversation.created_at,
        "updatedAt": conversation.updated_at,
        "properties": conversation.properties,
    }


def write_interaction_detail(conversation: StoredConversation, user: StoredUser) -> JsonObject:
    """Write the answer of ``GET /interactions/{id}``: types without a documented form are left out."""
    return {
        **write_interaction(conversation),
        "messages": [
            _read_back(message) for message in conversation.messages if message.type in _ROLE_OF_TYPE
        ],
        "participant": {
            "id": user.id,
            "externalId": user.external_id,
            "email": user.email,
            "name": user.name,
        },
    }


def write_participant(user: StoredUser) -> JsonObject:
    """Return a user as ``/users`` answers; optional fields only where they are known."""
    optional = {"name": user.name, "email": user.email, "phone": user.phone}
    return {
        "id": user.id,
        "externalId": user.external_id,
        "anonymized": user.anonymized,
        "properties": user.properties,
        "organizationId": user.organization_id,
        "externalOrganizationId": user.external_organization_id,
        "createdAt": user.created_at,
        "updatedAt": user.updated_at,
        **{name: value for name, value in optional.items() if value is not None},
    }


def write_organization(stored: StoredOrganization) -> JsonObject:
    """Return an organization as ``/organizations`` answers."""
    return {
        "id": stored.id,
        "externalId": stored.external_id,
        "properties": stored.properties,
        "createdAt": stored.created_at,
        "updatedAt": stored.updated_at,
        **({"name": stored.name} if stored.name is not None else {}),
    }


def write_product(product_id: str, since: str) -> JsonObject:
    """Return an entry of ``GET /products``. A product exists here once a request has named it."""
    return {
        "id": product_id,
        "name": f"Product {product_id[:8]}",
        "icon": None,
        "color": None,
        "createdAt": since,
        "updatedAt": since,
    }


def _read_back(message: StoredMessage) -> JsonObject:
    return {
        "role": _ROLE_OF_TYPE[message.type],
        "content": message.content or "",
        "timestamp": message.created_at,
    }


def _derive_prompt_id(prompt: str | SystemPrompt | None) -> str:
    """Return the id of a prompt. Named prompts keep their lineage; every other text is a prompt of its own."""
    if prompt is None:
        return _NO_PROMPT_ID
    if isinstance(prompt, str):
        return _derive_uuid("text", prompt)
    if prompt.prompt_id is not None:
        return prompt.prompt_id
    if prompt.external_prompt_id is not None:
        return _derive_uuid("prompt", prompt.external_prompt_id)
    return _derive_uuid("text", "\n".join(_list_texts(prompt)))


def _derive_component_ids(prompt: str | SystemPrompt | None) -> list[str]:
    return [_derive_uuid("component", text) for text in _list_texts(prompt)]


def _list_texts(prompt: str | SystemPrompt | None) -> list[str]:
    if prompt is None:
        return []
    if isinstance(prompt, str):
        return [prompt]
    if prompt.content is not None:
        return [prompt.content]
    return [component.content for component in prompt.components or ()]


def _derive_uuid(kind: str, text: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, f"{kind}\n{text}"))
