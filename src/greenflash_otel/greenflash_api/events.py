"""Write an outcome as a request to ``POST /events``. Pure. Source: the Events API, SDK 1.4.0."""

from __future__ import annotations

from greenflash_otel.greenflash_api.messages import Address, time_of
from greenflash_otel.greenflash_api.request import ApiRequest, encode, name_thing
from greenflash_otel.model.operation import Json
from greenflash_otel.model.telemetry import NS_PER_MS
from greenflash_otel.outcomes.outcome import Outcome

PATH = "/events"


def request_of(outcome: Outcome, address: Address) -> ApiRequest:
    """Return the request that sends an outcome.

    An outcome without ``qualityImpactScore`` or user sends none. Greenflash derives the score from ``influence``
    only if it is absent. An outcome must not count for a user that the application did not name. The outcome's
    own rate counts before a ``force_sample`` that is only a setting.
    """
    force_sample = outcome.force_sample
    if force_sample is None and outcome.sample_rate is None:
        force_sample = address.force_sample
    fields: dict[str, Json] = {
        "eventType": outcome.event_type,
        "productId": address.product_id,
        "value": outcome.value,
        "valueType": outcome.value_type,
        "influence": outcome.influence,
        "qualityImpactScore": outcome.quality_impact_score,
        "eventAt": time_of(outcome.event_at_ns // NS_PER_MS),
        "insertId": outcome.insert_id,
        **name_thing("Conversation", outcome.conversation_id),
        **name_thing("User", outcome.user_id),
        **name_thing("Organization", outcome.organization_id),
        "properties": outcome.properties or None,
        "sampleRate": address.sample_rate if outcome.sample_rate is None else outcome.sample_rate,
        "forceSample": force_sample,
    }
    body = encode({name: value for name, value in fields.items() if value is not None})
    return ApiRequest("outcome", PATH, body, conversation_id=outcome.conversation_id or "")
