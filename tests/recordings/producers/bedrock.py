"""AWS's client for Bedrock: Converse, with tools by hand."""

from __future__ import annotations

from typing import Any

import boto3

from tests.recordings import talk

INSTRUMENTATIONS = {
    "otel": (
        "opentelemetry-instrumentation-botocore",
        "opentelemetry.instrumentation.botocore",
        "BotocoreInstrumentor",
    ),
    "openllmetry": (
        "opentelemetry-instrumentation-bedrock",
        "opentelemetry.instrumentation.bedrock",
        "BedrockInstrumentor",
    ),
    "openinference": (
        "openinference-instrumentation-bedrock",
        "openinference.instrumentation.bedrock",
        "BedrockInstrumentor",
    ),
}
SYSTEM, THINKS = talk.SYSTEM, True
ENVIRONMENT = {"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "true"}


def play(address: str) -> None:
    """Question, tools, thanks."""
    client = boto3.client(
        "bedrock-runtime",
        endpoint_url=address,
        region_name="eu-west-1",
        aws_access_key_id="k",
        aws_secret_access_key="k",  # of nobody
    )
    schema = {"json": talk.SCHEMA}
    spec = {"name": talk.TOOL, "description": talk.DESCRIPTION, "inputSchema": schema}
    said: list[Any] = []

    def ask(*content: Any) -> None:
        said.append({"role": "user", "content": list(content)})
        answer = client.converse(
            modelId="anthropic.claude-sonnet-5",
            system=[{"text": talk.SYSTEM}],
            messages=said,
            toolConfig={"tools": [{"toolSpec": spec}]},
        )
        said.append(answer["output"]["message"])

    def result(id: str, text: str) -> Any:
        status = "error" if text == talk.FAILED else "success"
        return {"toolResult": {"toolUseId": id, "content": [{"text": text}], "status": status}}

    ask({"text": talk.QUESTION})
    ask(*(result(id, text) for id, text in talk.RESULTS.items()))
    ask({"text": talk.THANKS})
