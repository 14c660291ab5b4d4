"""Requests and answers of realistic size: 3 kB in, 1.2 kB out; every body differs."""

import orjson

SYSTEM = (
    "You are the support assistant of a mid-sized logistics company. Answer politely, in the customer's language,"
    " in at most two paragraphs. Never promise refunds; refer to the returns policy instead. Delivery takes two "
    "to four working days within the country and up to nine abroad. Orders above the free shipping limit are "
    "delivered without charge. If the customer mentions a damaged parcel, ask for a photo and the parcel label. "
    "If the message is about an invoice, route it to accounting and say so. Categories are billing, delivery, "
    "damage, returns, account, other. Priorities are low, normal, high, urgent. "
) * 2
USER = (
    "Hello, my name is Maria Schneider and I am writing about order {n}. The parcel should have arrived on "
    "Tuesday but the driver left a note only. You can reach me at maria.schneider{n}@example.com or by phone at "
    "+49 30 901820{k}. I paid with my card 4242 4242 4242 4242 and would like the amount back on my account DE89 "
    "3704 0044 0532 0130 00 if the parcel does not turn up. I have been a customer for more than six years and "
    "never had a problem with any of the previous deliveries, which is why I am a little surprised that nobody "
    "answered my first message of last week. Please tell me where the parcel is now, whether I can collect it "
    "myself at the depot, and until when it will be kept there. "
)
FILLER = (
    "The neighbour on the ground floor usually accepts parcels for the whole house, so that would be fine as well. "
)
ANSWER = (
    "Thank you for your message. The parcel is at the depot and can be collected from tomorrow morning; please "
    "bring the note and an identity document. It will be kept for ten days. If you prefer a second delivery, "
    "answer this message with a day that suits you. We are sorry that your first message stayed unanswered and "
    "have passed this on to the team. "
)


def request_body(n: int, *, stream: bool = False, model: str = "bench-model", fresh: bool = False) -> bytes:
    """Return request number `n`, about 3.1 kB; `fresh`: its system prompt is its own too."""
    user = USER.format(n=1_000_000 + n, k=f"{n % 100:02d}") + FILLER * 5
    messages = [
        {"role": "system", "content": f"Shift {n}. {SYSTEM}" if fresh else SYSTEM},
        {"role": "user", "content": user},
    ]
    body: dict[str, object] = {"model": model, "messages": messages, "temperature": 0.2}
    if stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return orjson.dumps(body)


def answer_body(n: int) -> bytes:
    """Return the answer to request `n`, about 1.2 kB."""
    message = {"role": "assistant", "content": f"Case {n}. " + ANSWER * 2}
    return orjson.dumps(
        {
            "id": f"chatcmpl-{n:012x}",
            "object": "chat.completion",
            "created": 1_760_000_000,
            "model": "bench-model",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}],
            "usage": USAGE,
        }
    )


USAGE = {"prompt_tokens": 640, "completion_tokens": 160, "total_tokens": 800}


def stream_events(n: int, chunks: int, *, leading_space: bool) -> list[bytes]:
    """Return the server-sent events of a streamed answer of `chunks` content deltas, token shape "word " or " word"."""
    words = (ANSWER * 8).split()
    base = {
        "id": f"chatcmpl-{n:012x}",
        "object": "chat.completion.chunk",
        "created": 1_760_000_000,
        "model": "bench-model",
    }
    events = [base | {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}]}]
    for i in range(chunks):
        word = words[(n + i) % len(words)]
        token = f" {word}" if leading_space else f"{word} "
        events.append(base | {"choices": [{"index": 0, "delta": {"content": token}, "finish_reason": None}]})
    events.append(base | {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    events.append(base | {"choices": [], "usage": USAGE})
    return [b"data: " + orjson.dumps(event) + b"\n\n" for event in events] + [b"data: [DONE]\n\n"]
