"""Google's client for Gemini, with tools by hand. Its calls have no ids."""

from __future__ import annotations

from google import genai
from google.genai import types

from tests.recordings import talk

INSTRUMENTATIONS = {
    "openllmetry": (
        "opentelemetry-instrumentation-google-generativeai",
        "opentelemetry.instrumentation.google_generativeai",
        "GoogleGenerativeAiInstrumentor",
    ),
    "openinference": (
        "openinference-instrumentation-google-genai",
        "openinference.instrumentation.google_genai",
        "GoogleGenAIInstrumentor",
    ),
}
SYSTEM, THINKS = talk.SYSTEM, True
RETURNS = {"result": talk.FOUND}, {"error": talk.FAILED}


def play(address: str) -> None:
    """Question, tools, thanks."""
    client = genai.Client(api_key="k", http_options=types.HttpOptions(base_url=address))
    declared = types.FunctionDeclaration(
        name=talk.TOOL, description=talk.DESCRIPTION, parameters_json_schema=talk.SCHEMA
    )
    config = types.GenerateContentConfig(
        system_instruction=talk.SYSTEM, tools=[types.Tool(function_declarations=[declared])]
    )
    said: list[types.Content] = []

    def ask(*parts: types.Part) -> None:
        said.append(types.Content(role="user", parts=list(parts)))
        answer = client.models.generate_content(model="gemini-3-flash", contents=said, config=config)
        said.append(answer.candidates[0].content)

    ask(types.Part.from_text(text=talk.QUESTION))
    ask(
        types.Part.from_function_response(name=talk.TOOL, response=RETURNS[0]),
        types.Part.from_function_response(name=talk.TOOL, response=RETURNS[1]),
    )
    ask(types.Part.from_text(text=talk.THANKS))
