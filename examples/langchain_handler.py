"""A LangChain chain whose calls are recorded by a callback handler, without global instrumentation.

With OPENAI_API_KEY, GREENFLASH_API_KEY and GREENFLASH_PRODUCT_ID set it uses the real services. Without them
it uses recorded answers and a local Greenflash: ``python examples/langchain_handler.py`` works anywhere.
"""

import os
from contextlib import ExitStack

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableConfig
from langchain_openai import ChatOpenAI

import greenflash_otel as greenflash
from greenflash_otel.demo.local import local_services
from greenflash_otel.langchain import GreenflashCallbackHandler

with ExitStack() as stack:
    if not (os.environ.get("OPENAI_API_KEY") and os.environ.get("GREENFLASH_API_KEY")):
        stack.enter_context(local_services())  # sets OPENAI_* and GREENFLASH_* to local stand-ins

    prompt = ChatPromptTemplate.from_messages([("system", "Be brief."), ("user", "{question}")])
    chain = prompt | ChatOpenAI(model="gpt-4.1-nano") | StrOutputParser()
    handler = GreenflashCallbackHandler()  # one for all users and threads

    for user in ("ada", "bob"):
        config: RunnableConfig = {
            "callbacks": [handler],
            "metadata": {"conversation_id": f"capital-{user}", "user_id": user},
        }
        print(chain.invoke({"question": "What is the capital of Mexico?"}, config))

    print("delivered:", greenflash.flush(30), "-", greenflash.stats())
    greenflash.shutdown()
