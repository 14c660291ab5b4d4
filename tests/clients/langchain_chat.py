"""LangChain with langchain-openai."""

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
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from openai import PermissionDeniedError

chat = ChatOpenAI(model=MODEL, default_headers=LABELS, include_response_headers=True, stream_usage=True)


def call():
    reply = chat.bind(extra_headers=LABELS | {"x-sluice-step": "call"}).invoke(TICKET)
    holds(reply.response_metadata["headers"]["x-sluice-call-id"].startswith("call_"), reply)
    return reply.text


def stream():
    pieces = [chunk.text for chunk in chat.stream(QUESTION)]
    holds(len(pieces) > 3, pieces)
    return restored("".join(pieces))


def tools():
    called = chat.bind_tools([TOOL], tool_choice="any").invoke(TOOL_TEXT).tool_calls[0]
    holds(called["name"] == "get_weather" and called["args"]["city"], called)
    return called["args"]


def responses():
    asking = ChatOpenAI(model=MODEL, default_headers=LABELS, use_responses_api=True)
    return restored(asking.invoke(QUESTION).text)


def embeddings():
    """Text must be sent as text: token ids cannot be searched for personal data, and are refused."""
    vectors = OpenAIEmbeddings(model=EMBEDDER, check_embedding_ctx_length=False).embed_documents([TICKET, QUESTION])
    holds(len(vectors) == 2, vectors)
    return len(vectors[0])


def refusal():
    error = refused(PermissionDeniedError, lambda: ChatOpenAI(model=MODEL, api_key=STRICT_KEY).invoke(SECRET))
    holds(error.code == "content_blocked", error)
    return f"{type(error).__name__} {error.code}"


def usage():
    full = None
    for chunk in chat.stream(TICKET):
        full = chunk if full is None else full + chunk
    holds(full.usage_metadata and full.usage_metadata["output_tokens"], full)
    return chat.invoke(TICKET).usage_metadata["total_tokens"]


run(
    {
        "call": call,
        "stream": stream,
        "tools": tools,
        "structured": lambda: chat.with_structured_output(Triage).invoke(TICKET).category,
        "responses": responses,
        "embeddings": embeddings,
        "refused": refusal,
        "usage": usage,
        "restored": lambda: restored(chat.invoke(QUESTION).text),
    }
)
