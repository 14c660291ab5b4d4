"""Names in telemetry: OpenTelemetry's own where they exist, `sluice.*` where not; a test compares the former."""

from __future__ import annotations

from typing import Final

# Attributes, as in opentelemetry.semconv. They are copied because the package calls them incubating: names of ours
# must not move with an update.
OPERATION: Final = "gen_ai.operation.name"
PROVIDER: Final = "gen_ai.provider.name"
REQUEST_MODEL: Final = "gen_ai.request.model"
REQUEST_STREAM: Final = "gen_ai.request.stream"
RESPONSE_MODEL: Final = "gen_ai.response.model"
FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
FIRST_CHUNK_S: Final = "gen_ai.response.time_to_first_chunk"
INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
CACHE_READ_TOKENS: Final = "gen_ai.usage.cache_read.input_tokens"
CACHE_WRITE_TOKENS: Final = "gen_ai.usage.cache_creation.input_tokens"
REASONING_TOKENS: Final = "gen_ai.usage.reasoning.output_tokens"
TOKEN_TYPE: Final = "gen_ai.token.type"  # noqa: S105 - a kind of token, not a secret
PROMPT_NAME: Final = "gen_ai.prompt.name"
ERROR_TYPE: Final = "error.type"
METHOD: Final = "http.request.method"
ROUTE: Final = "http.route"
STATUS: Final = "http.response.status_code"

# Metrics, as in opentelemetry.semconv.
OPERATION_DURATION: Final = "gen_ai.client.operation.duration"
TOKEN_USAGE: Final = "gen_ai.client.token.usage"  # noqa: S105
TIME_TO_FIRST_CHUNK: Final = "gen_ai.client.operation.time_to_first_chunk"

# What OpenTelemetry has no name for.
TENANT: Final = "sluice.tenant"
AUTOMATION: Final = "sluice.automation"
OUTCOME: Final = "sluice.outcome"
VERDICT: Final = "sluice.verdict"
LAYER: Final = "sluice.layer"
STAGE: Final = "sluice.stage"
SIDE: Final = "sluice.entity.side"
KIND: Final = "sluice.entity.kind"

_OPERATIONS: Final = {"chat.completions": "chat", "responses": "chat", "completions": "text_completion"}


def operation(endpoint: str) -> str:
    """Return the operation that an endpoint of ours is."""
    return _OPERATIONS.get(endpoint, endpoint)
