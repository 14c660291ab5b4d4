"""OpenAI's JSON and server-sent events, as values."""
