"""openai for Python, its asynchronous client."""

import asyncio

from checks import (
    EMBEDDER,
    LABELS,
    MODEL,
    QUESTION,
    SECRET,
    STRICT_KEY,
    TICKET,
    TOOL,
    TOOL_TEXT,
    Triage,
    holds,
    refused,
    restored,
    run,
)
from openai import AsyncOpenAI, PermissionDeniedError


def client(**more):
    return AsyncOpenAI(default_headers=LABELS, **more)


def said(text):
    return {"model": MODEL, "messages": [{"role": "user", "content": text}]}


async def ask(text, **more):
    async with client() as asking:
        return await asking.chat.completions.create(**said(text), **more)


async def stream():
    async with client() as asking:
        events = await asking.chat.completions.create(**said(QUESTION), stream=True)
        pieces = [event.choices[0].delta.content or "" async for event in events if event.choices]
    holds(len(pieces) > 3, pieces)
    return restored("".join(pieces))


async def tools():
    called = (await ask(TOOL_TEXT, tools=[TOOL], tool_choice="required")).choices[0].message.tool_calls[0]
    holds("city" in called.function.arguments, called)
    return called.function.arguments


async def structured():
    async with client() as asking:
        reply = await asking.chat.completions.parse(**said(TICKET), response_format=Triage)
    return reply.choices[0].message.parsed.category


async def embeddings():
    async with client() as asking:
        return len((await asking.embeddings.create(model=EMBEDDER, input=TICKET)).data[0].embedding)


async def blocked():
    async with client(api_key=STRICT_KEY) as asking:
        return await asking.chat.completions.create(**said(SECRET))


def refusal():
    error = refused(PermissionDeniedError, lambda: asyncio.run(blocked()))
    holds(error.code == "content_blocked", error)
    return f"{type(error).__name__} {error.code}"


async def usage():
    replies = await asyncio.gather(*(ask(TICKET) for _ in range(8)))
    holds(all(reply.usage.completion_tokens for reply in replies), replies)
    return sum(reply.usage.total_tokens for reply in replies)


run(
    {
        "call": lambda: asyncio.run(ask(TICKET)).choices[0].message.content,
        "stream": lambda: asyncio.run(stream()),
        "tools": lambda: asyncio.run(tools()),
        "structured": lambda: asyncio.run(structured()),
        "embeddings": lambda: asyncio.run(embeddings()),
        "refused": refusal,
        "usage": lambda: asyncio.run(usage()),
        "restored": lambda: restored(asyncio.run(ask(QUESTION)).choices[0].message.content),
    }
)
