"""Errors in OpenAI's shape."""

from typing import Any

_TYPES = {401: "invalid_request_error", 429: "requests", 500: "server_error"}


class WireError(Exception):
    """An error the client sees: HTTP status, message, the parameter at fault and a code."""

    def __init__(self, status: int, message: str, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.param = param
        self.code = code

    def body(self) -> dict[str, Any]:
        """Give the error as the wire object."""
        kind = _TYPES.get(self.status, "invalid_request_error")
        return {"error": {"message": str(self), "type": kind, "param": self.param, "code": self.code}}
