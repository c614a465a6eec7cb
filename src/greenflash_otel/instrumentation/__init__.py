"""Make the OpenAI SDK and LangChain emit spans in the OpenTelemetry GenAI convention.

Knows spans only: nothing here knows Greenflash's API, and nothing above reads anything but the spans.
What the application sees stays as it is, whatever happens in here.
"""
