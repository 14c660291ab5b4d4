"""The simulated provider: an OpenAI-compatible server with small real methods behind it."""
