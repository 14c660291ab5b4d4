"""instructor around the openai client."""

import instructor
from checks import LABELS, MODEL, QUESTION, SECRET, STRICT_KEY, TICKET, TOOL_TEXT, Triage, holds, refused, restored, run
from instructor.core import InstructorRetryException
from openai import OpenAI, PermissionDeniedError
from pydantic import BaseModel


class Weather(BaseModel):
    """Get the weather of a city."""

    city: str


class Note(BaseModel):
    contact_email: str


by_tool = instructor.from_openai(OpenAI(default_headers=LABELS))
by_schema = instructor.from_openai(OpenAI(default_headers=LABELS), mode=instructor.Mode.JSON_SCHEMA)


def said(text):
    return {"model": MODEL, "messages": [{"role": "user", "content": text}]}


def stream():
    partial = list(by_tool.create_partial(response_model=Note, **said(QUESTION)))
    return restored(partial[-1].contact_email)


def refusal():
    # Without a tool: the policy of this key denies all that it does not name.
    strict = instructor.from_openai(OpenAI(api_key=STRICT_KEY), mode=instructor.Mode.JSON_SCHEMA)
    error = refused(InstructorRetryException, lambda: strict.create(response_model=Triage, **said(SECRET)))
    cause = error.__cause__
    holds(isinstance(cause, PermissionDeniedError) and cause.code == "content_blocked", error)
    return f"{type(error).__name__} {type(cause).__name__} {cause.code}"


def usage():
    _, completion = by_tool.create_with_completion(response_model=Triage, **said(TICKET))
    holds(completion.usage.completion_tokens, completion)
    return completion.usage.total_tokens


run(
    {
        "call": lambda: by_tool.create(response_model=None, **said(TICKET)).choices[0].message.content,
        "stream": stream,
        "tools": lambda: by_tool.create(response_model=Weather, **said(TOOL_TEXT)).city,
        "structured": lambda: by_schema.create(response_model=Triage, **said(TICKET)).category,
        "refused": refusal,
        "usage": usage,
        "restored": lambda: restored(by_schema.create(response_model=Note, **said(QUESTION)).contact_email),
    }
)
