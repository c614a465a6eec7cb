"""What ``POST /events`` takes: an outcome as a request. Pure. Source: the Events API, SDK 1.4.0."""

from __future__ import annotations

from greenflash_otel.greenflash_api.messages import Address, time_of
from greenflash_otel.greenflash_api.request import ApiRequest, encode
from greenflash_otel.model.operation import Json
from greenflash_otel.model.telemetry import NS_PER_MS
from greenflash_otel.outcomes.outcome import Outcome

PATH = "/events"


def request_of(outcome: Outcome, address: Address) -> ApiRequest:
    """The request that sends an outcome.

    ``qualityImpactScore`` is left out unless given: Greenflash derives it from ``influence`` only when it is
    absent. So is the user: nothing business-like is booked on a user whom nobody named. A rate of its own
    counts before any force that the outcome did not ask for itself.
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
        "externalConversationId": outcome.conversation_id,
        "externalUserId": outcome.user_id,
        "externalOrganizationId": outcome.organization_id,
        "properties": outcome.properties or None,
        "sampleRate": address.sample_rate if outcome.sample_rate is None else outcome.sample_rate,
        "forceSample": force_sample,
    }
    body = encode({name: value for name, value in fields.items() if value is not None})
    return ApiRequest("outcome", PATH, body, conversation_id=outcome.conversation_id or "")
