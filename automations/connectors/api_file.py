"""The file that describes a JSON HTTP API: addresses, how to sign in, its pace, and its operations."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

Env = Annotated[str, StringConstraints(pattern=r"^[A-Z_][A-Z0-9_]*$")]
PathText = Annotated[str, StringConstraints(pattern=r"^/\S*$", max_length=500)]
HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]+$", max_length=100)]


class BadApiFile(ValueError):
    """The file describes no API; each line says file:line:column, the key and what is wrong."""


class _Block(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Auth(_Block):
    """How to sign in: a header with a secret, or a name and a password. All are names of environment variables."""

    header: HeaderName = "authorization"
    prefix: str = "Bearer "
    env: Env | None = None
    user_env: Env | None = None
    password_env: Env | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        basic = (self.user_env is not None, self.password_env is not None)
        if basic[0] != basic[1] or (self.env is not None) == basic[0]:
            raise ValueError("give either `env`, or `user_env` and `password_env`")
        return self


class Pages(_Block):
    """How a long list continues: `next` in the answer goes into the query as `parameter`; `number` counts pages."""

    parameter: str
    next: str | None = None
    number: bool = False
    at_most: int = Field(default=100, ge=1, le=10_000)


class Operation(_Block):
    """One thing the API can do. Words in braces in `path` are filled in, quoted."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: PathText
    query: dict[str, str] = {}
    items: str | None = Field(default=None, description="Dotted path of the list in the answer.")
    pages: Pages | None = None
    repeatable: bool | None = None


class ApiFile(_Block):
    """A JSON HTTP API."""

    api: str
    schema_: Literal[1] = Field(alias="schema")
    base_url: str | None = None
    base_url_env: Env | None = None
    auth: Auth | None = None
    headers: dict[str, str] = {}
    idempotency_header: HeaderName | None = None
    per_second: float | None = Field(default=None, gt=0, le=1000)
    timeout_s: float = Field(default=20, gt=0, le=300)
    operations: dict[str, Operation]

    @model_validator(mode="after")
    def _one_address(self) -> Self:
        if (self.base_url is None) == (self.base_url_env is None):
            raise ValueError("give either `base_url` or `base_url_env`")
        return self


def read_api(path: Path) -> ApiFile:
    """Read a file.

    Raises:
        BadApiFile: it describes no API.
    """
    try:
        data: Any = YAML(typ="rt").load(path.read_bytes())
    except MarkedYAMLError as error:
        mark = error.problem_mark
        place = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise BadApiFile(f"{path.name}{place}: {error.problem}") from error
    except (YAMLError, UnicodeDecodeError) as error:
        raise BadApiFile(f"{path.name}:1:1: no YAML in UTF-8") from error
    try:
        return ApiFile.model_validate(data)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        raise BadApiFile("\n".join(_line(path.name, data, each["loc"], each["msg"]) for each in found)) from error


def read_named(environ: Mapping[str, str], setting: str) -> ApiFile:
    """Read the file that a setting names.

    Raises:
        BadApiFile: there is none, or it describes no API.
    """
    try:
        return read_api(Path(environ[setting]))
    except OSError as error:
        raise BadApiFile(f"{setting} names {environ[setting]}, which cannot be read: {error.strerror}") from error


def _line(name: str, data: Any, loc: tuple[str | int, ...], message: str) -> str:
    """Write one problem with its place: that of the key, or of the mapping that lacks it."""
    line, column = 0, 0
    for part in loc:
        marks = getattr(data, "lc", None)
        if marks is None or not isinstance(data, dict) or part not in data:
            break
        line, column = marks.key(part)
        data = data[part]
    return f"{name}:{line + 1}:{column + 1}: {'.'.join(map(str, loc))}: {message}"
