"""pydantic-ai: agents on the Responses API (what `openai:` means) and on chat completions."""

import asyncio

from checks import (
    EMBEDDER,
    LABELS,
    MODEL,
    QUESTION,
    SECRET,
    STRICT_KEY,
    TICKET,
    TOOL_TEXT,
    Triage,
    holds,
    refused,
    restored,
    run,
)
from pydantic_ai import Agent, Embedder, ModelHTTPError, NativeOutput
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.settings import ModelSettings

settings = ModelSettings(extra_headers=LABELS)
chat = Agent(OpenAIChatModel(MODEL), model_settings=settings)
responses = Agent(f"openai:{MODEL}", model_settings=settings)


async def stream(agent):
    async with agent.run_stream(QUESTION) as answer:
        pieces = [piece async for piece in answer.stream_text(delta=True, debounce_by=None)]
    holds(len(pieces) > 3, pieces)
    return restored("".join(pieces))


def tools():
    asked = []
    agent = Agent(OpenAIChatModel(MODEL), model_settings=settings)

    @agent.tool_plain
    def get_weather(city: str) -> str:
        """Get the weather of a city."""
        asked.append(city)
        return f"Rain in {city}."

    agent.run_sync(TOOL_TEXT)
    holds(asked, asked)
    return asked[0]


def structured():
    kinds = [Triage, NativeOutput(Triage)]
    agents = [Agent(OpenAIChatModel(MODEL), output_type=kind, model_settings=settings) for kind in kinds]
    return ", ".join(agent.run_sync(TICKET).output.category for agent in agents)


def refusal():
    strict = Agent(OpenAIChatModel(MODEL, provider=OpenAIProvider(api_key=STRICT_KEY)))
    error = refused(ModelHTTPError, lambda: strict.run_sync(SECRET))
    holds(error.status_code == 403 and error.body["code"] == "content_blocked", error)
    return f"{type(error).__name__} {error.status_code} {error.body['code']}"


def usage():
    used = chat.run_sync(TICKET).usage
    holds(used.output_tokens and used.input_tokens, used)
    return used.total_tokens


run(
    {
        "call": lambda: chat.run_sync(TICKET).output,
        "stream": lambda: asyncio.run(stream(chat)),
        "tools": tools,
        "structured": structured,
        "responses": lambda: asyncio.run(stream(responses)),
        "embeddings": lambda: len(Embedder(f"openai:{EMBEDDER}").embed_query_sync(TICKET).embeddings[0]),
        "refused": refusal,
        "usage": usage,
        "restored": lambda: restored(chat.run_sync(QUESTION).output),
    }
)
