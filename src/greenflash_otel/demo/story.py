"""Four conversations with an ordinary OpenAI client, as applications have them."""

from __future__ import annotations

import json

from openai import OpenAI
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam

import greenflash_otel as greenflash

WEATHER: ChatCompletionToolParam = {
    "type": "function",
    "function": {
        "name": "get_current_weather",
        "description": "Get the current weather in a given location",
        "parameters": {"type": "object", "properties": {"location": {"type": "string"}}},
    },
}


def play_all(client: OpenAI) -> None:
    """Play all four, each in a conversation of its own."""
    with greenflash.conversation(
        "chat-42", user_id="ada", organization_id="acme", properties={"plan": "free"}
    ):
        play_chat(client)
        greenflash.record_outcome("upgrade", "149.00", value_type="currency", influence="positive")
    with greenflash.conversation("streamed-answer", user_id="bob"):
        play_stream(client)
    with greenflash.conversation("weather", user_id="cleo"):
        use_tools(client)
    with greenflash.conversation("arithmetic", user_id="dan"):
        play_reasoning(client)


def play_chat(client: OpenAI) -> None:
    """Play three turns; the whole history is sent with each."""
    history: list[ChatCompletionMessageParam] = []
    for question in (
        "Generate a random noun in Korean. Respond with just that word.",
        "Now, generate a sentence using the word you just gave me.",
        "What is the capital of Mexico?",
    ):
        history.append({"role": "user", "content": question})
        answer = client.chat.completions.create(model="gpt-4.1-nano", messages=history)
        history.append({"role": "assistant", "content": answer.choices[0].message.content})


def play_stream(client: OpenAI) -> None:
    """Read an answer chunk by chunk."""
    chunks = client.chat.completions.create(
        model="gpt-3.5-turbo",
        messages=[{"role": "user", "content": "Tell me a funny joke, a one-liner."}],
        stream=True,
        stream_options={"include_usage": True},
    )
    for _ in chunks:
        pass  # an application would show each piece


def use_tools(client: OpenAI) -> None:
    """Play two tool calls at once, their results, and the answer made from them."""
    weather = {"Seattle, WA": "50 degrees and raining", "San Francisco, CA": "70 degrees and sunny"}
    messages: list[ChatCompletionMessageParam] = [
        {"role": "system", "content": "You're a helpful assistant."},
        {"role": "user", "content": "What's the weather in Seattle and San Francisco today?"},
    ]
    completion = client.chat.completions.create(model="gpt-4o-mini", messages=messages, tools=[WEATHER])
    message = completion.choices[0].message
    messages.append(message.to_dict())  # type: ignore[arg-type]  # the SDK takes its own answer back
    for call in message.tool_calls or ():
        if call.type == "function":
            location = json.loads(call.function.arguments)["location"]
            messages.append({"role": "tool", "tool_call_id": call.id, "content": weather[location]})
    client.chat.completions.create(model="gpt-4o-mini", messages=messages)


def play_reasoning(client: OpenAI) -> None:
    """Ask a model that thinks before it answers, through the Responses API."""
    client.responses.create(model="gpt-5-mini", input="What is 2 + 2?", reasoning={"summary": "auto"})
