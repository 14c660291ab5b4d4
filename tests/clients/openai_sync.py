"""openai for Python, as it comes."""

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
from openai import OpenAI, PermissionDeniedError

client = OpenAI()  # OPENAI_BASE_URL and OPENAI_API_KEY say where
labelled = client.with_options(default_headers=LABELS)


def ask(text, **more):
    return labelled.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": text}], **more)


def call():
    reply = labelled.chat.completions.with_raw_response.create(
        model=MODEL, messages=[{"role": "user", "content": TICKET}]
    )
    holds(reply.headers["x-sluice-call-id"].startswith("call_"), reply.headers)
    return reply.parse().choices[0].message.content


def stream():
    pieces = [c.choices[0].delta.content or "" for c in ask(QUESTION, stream=True) if c.choices]
    holds(len(pieces) > 3, pieces)
    return restored("".join(pieces))


def tools():
    called = ask(TOOL_TEXT, tools=[TOOL], tool_choice="required").choices[0].message.tool_calls[0]
    holds(called.function.name == "get_weather" and "city" in called.function.arguments, called)
    return called.function.arguments


def structured():
    reply = labelled.chat.completions.parse(
        model=MODEL, messages=[{"role": "user", "content": TICKET}], response_format=Triage
    )
    return reply.choices[0].message.parsed.category


def responses():
    with labelled.responses.stream(model=MODEL, input=QUESTION) as events:
        kinds = [event.type for event in events]
        done = events.get_final_response()
    holds(kinds[-1] == "response.completed" and done.usage.output_tokens, kinds)
    return restored(done.output_text)


def background():
    """Leave a stream after its first events, and follow it from there."""
    begun = labelled.responses.create(model=MODEL, input=QUESTION, background=True, stream=True)
    seen = [event for _, event in zip(range(3), begun, strict=False)]
    begun.close()
    name, number = seen[0].response.id, seen[-1].sequence_number
    rest = list(labelled.responses.retrieve(name, stream=True, starting_after=number))
    holds([event.sequence_number for event in rest] == list(range(number + 1, number + 1 + len(rest))), rest)
    holds(rest[-1].type == "response.completed", rest)
    return restored(labelled.responses.retrieve(name).output_text)


def embeddings():
    vectors = client.embeddings.create(model=EMBEDDER, input=[TICKET, QUESTION]).data
    holds(len(vectors) == 2, vectors)
    return len(vectors[0].embedding)


def refusal():
    strict = OpenAI(api_key=STRICT_KEY)
    message = [{"role": "user", "content": SECRET}]
    error = refused(PermissionDeniedError, lambda: strict.chat.completions.create(model=MODEL, messages=message))
    holds(error.code == "content_blocked" and error.request_id, error)
    return f"{type(error).__name__} {error.code}"


def usage():
    last = list(ask(TICKET, stream=True, stream_options={"include_usage": True}))[-1]
    holds(last.usage.completion_tokens and ask(TICKET).usage.prompt_tokens, last)
    return last.usage.total_tokens


run(
    {
        "call": call,
        "stream": stream,
        "tools": tools,
        "structured": structured,
        "responses": responses,
        "background": background,
        "embeddings": embeddings,
        "refused": refusal,
        "usage": usage,
        "restored": lambda: restored(ask(QUESTION).choices[0].message.content),
    }
)
