"""A chat with its outcome, from an ordinary OpenAI client to Greenflash.

With OPENAI_API_KEY, GREENFLASH_API_KEY and GREENFLASH_PRODUCT_ID set it uses the real services. Without them
it uses recorded answers and a local Greenflash: ``python examples/quickstart.py`` works anywhere.
"""

import os
from contextlib import ExitStack

from openai import OpenAI

import greenflash_otel as greenflash
from greenflash_otel.demo.local import local_services
from greenflash_otel.demo.story import play_all

with ExitStack() as stack:
    if not (os.environ.get("OPENAI_API_KEY") and os.environ.get("GREENFLASH_API_KEY")):
        stack.enter_context(local_services())  # sets OPENAI_* and GREENFLASH_* to local stand-ins

    greenflash.instrument()
    client = OpenAI()

    with greenflash.conversation("quickstart", user_id="ada", organization_id="acme"):
        answer = client.chat.completions.create(
            model="gpt-4.1-nano",
            messages=[{"role": "user", "content": "What is the capital of Mexico?"}],
        )
        print(answer.choices[0].message.content)
        greenflash.record_outcome("upgrade", "149.00", value_type="currency", influence="positive")

    play_all(client)  # a chat, a stream, tools and reasoning: see greenflash_otel/demo/story.py

    print("delivered:", greenflash.flush(30), "-", greenflash.stats())
    greenflash.shutdown()
