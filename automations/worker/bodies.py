"""What requests to the worker carry: checked bodies, and no body of any size."""

from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from automations.flow.engine import TooLarge

MOST_BYTES: Final = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Bounded:
    """Ends the reading of a body that is too large, whoever sends it: nobody has signed in before it is read."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        left = MOST_BYTES

        async def bounded() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise TooLarge(f"The body has more than {MOST_BYTES} bytes.")
            return message

        await self.app(scope, bounded, send)


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Replay(_Body):
    """Another input for a dead letter; none: the same again."""

    input: Any = None


class Many(_Body):
    """Which dead letters to replay: by id, or all of an automation, or of a cause."""

    ids: list[str] = Field(default=[], max_length=1000)
    automation: str | None = None
    cause: str | None = None


class Inputs(_Body):
    """Inputs of one automation."""

    inputs: list[Any] = Field(min_length=1, max_length=1000)


class Reason(_Body):
    """Why a dead letter is put away."""

    reason: str = Field(min_length=1, max_length=2000)


class Answer(_Body):
    """Whether an effect happened, and what it gave where later steps need it."""

    happened: bool
    output: Any = None


class Gold(_Body):
    """Ids of the passages that a run's search should have found."""

    ids: list[Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_.\-]{0,63}$")]] = Field(
        min_length=1, max_length=20
    )


class Wanted(_Body):
    """Which runs to list."""

    state: str | None = None
    automation: str | None = None
    cause: str | None = None
    before_us: int | None = None
    limit: int = Field(default=100, ge=1, le=1000)
