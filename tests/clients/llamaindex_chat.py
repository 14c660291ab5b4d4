"""LlamaIndex with llama-index-llms-openai and llama-index-embeddings-openai."""

from checks import (
    BASE_URL,
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
from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.embeddings.openai import OpenAIEmbedding
from llama_index.llms.openai import OpenAI, OpenAIResponses
from openai import PermissionDeniedError

llm = OpenAI(model=MODEL, api_base=BASE_URL, default_headers=LABELS)


def ask(text):
    return llm.chat([ChatMessage(role="user", content=text)])


def stream():
    pieces = [piece.delta or "" for piece in llm.stream_chat([ChatMessage(role="user", content=QUESTION)])]
    holds(len(pieces) > 3, pieces)
    return restored("".join(pieces))


def get_weather(city: str) -> str:
    """Get the weather of a city."""
    return f"Rain in {city}."


def tools():
    reply = llm.chat_with_tools([FunctionTool.from_defaults(get_weather)], user_msg=TOOL_TEXT, tool_required=True)
    called = llm.get_tool_calls_from_response(reply)[0]
    holds(called.tool_name == "get_weather" and called.tool_kwargs["city"], called)
    return called.tool_kwargs


def structured():
    return llm.as_structured_llm(Triage).chat([ChatMessage(role="user", content=TICKET)]).raw.category


def responses():
    asking = OpenAIResponses(model=MODEL, api_base=BASE_URL, default_headers=LABELS)
    return restored(str(asking.complete(QUESTION)))


def embeddings():
    vectors = OpenAIEmbedding(model=EMBEDDER, api_base=BASE_URL).get_text_embedding_batch([TICKET, QUESTION])
    holds(len(vectors) == 2, vectors)
    return len(vectors[0])


def refusal():
    strict = OpenAI(model=MODEL, api_base=BASE_URL, api_key=STRICT_KEY)
    error = refused(PermissionDeniedError, lambda: strict.complete(SECRET))
    holds(error.code == "content_blocked", error)
    return f"{type(error).__name__} {error.code}"


def usage():
    reply = ask(TICKET)
    holds(reply.additional_kwargs["completion_tokens"], reply)
    return reply.raw.usage.total_tokens


run(
    {
        "call": lambda: ask(TICKET).message.content,
        "stream": stream,
        "tools": tools,
        "structured": structured,
        "responses": responses,
        "embeddings": embeddings,
        "refused": refusal,
        "usage": usage,
        "restored": lambda: restored(ask(QUESTION).message.content),
    }
)
