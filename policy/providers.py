"""Where models are; their addresses come from `providers.yaml` or the environment, never from callers."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, StringConstraints, model_validator

from policy.addresses import is_address, is_forbidden
from policy.values import Block, Contradiction, EnvName, Flag, ModelName, Name, Positive, Share

Seconds = Annotated[float, Field(strict=True, gt=0, le=3600, allow_inf_nan=False)]
Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$", max_length=500)]

ApiVersion = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}(-preview)?$")]
Deployment = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
AZURE_VERSION = "2024-10-21"


class Timeouts(Block):
    connect_s: Seconds = Field(default=5.0, description="To open a connection.")
    first_byte_s: Seconds = Field(default=60.0, description="To the first byte of an answer.")
    idle_s: Seconds = Field(default=60.0, description="Between two pieces of a streamed answer.")
    total_s: Seconds = Field(default=600.0, description="For the whole call.")


class Breaker(Block):
    """When a model that fails is left alone; every provider and model has a breaker of its own."""

    failures: Positive = Field(default=5, description="Failures in a row that open it.")
    share: Share = Field(default=0.5, description="Share of failed calls that opens it.")
    min_calls: Positive = Field(default=20, description="Calls in `window_s` before the share counts.")
    window_s: Seconds = Field(default=30.0, description="How long calls are counted together.")
    cooldown_s: Seconds = Field(default=10.0, description="How long it stays open before one call may probe.")


class ProviderBlock(Block):
    """One upstream that speaks the OpenAI wire, or Azure's variety of it."""

    kind: Literal["openai", "azure"] = Field(default="openai", description="The wire it speaks.")
    base_url: Url | None = Field(
        default=None,
        description="Address with its version path (`azure`: the resource's endpoint, without any path); "
        "the default of `base_url_env`.",
    )
    base_url_env: EnvName | None = Field(default=None, description="Environment variable that holds the address.")
    api_key_env: EnvName | None = Field(
        default=None, description="Environment variable that holds the key; none: no key."
    )
    deployments: dict[ModelName, Deployment] = Field(
        default_factory=dict, description="`azure`: model to deployment; a model that is not named is its own."
    )
    api_version: ApiVersion | None = Field(
        default=None, description=f"`azure`: version of its interface; without it `{AZURE_VERSION}`."
    )
    region: Name | None = Field(default=None, description="Where its models run.")
    simulated: Flag = Field(default=False, description="Its answers come from no real model, and are marked so.")
    responses: Literal["native", "translated"] | None = Field(
        default=None,
        description="`translated`: it has no Responses API, so those calls reach it as chat completions. "
        "Without it `native`, and `translated` where `simulated` is true or `kind` is `azure`.",
    )
    timeouts: Timeouts = Field(default=Timeouts(), description="Limits of patience.")
    breaker: Breaker = Field(default=Breaker(), description="When it is left alone.")

    @model_validator(mode="after")
    def _has_an_address(self) -> Self:
        if self.base_url is None and self.base_url_env is None:
            raise ValueError("give `base_url`, `base_url_env` or both")
        if self.base_url and _never_a_provider(self.base_url):
            raise Contradiction(
                "this address belongs to a machine's own services, not to a model; use the provider's address",
                "base_url",
            )
        return self

    @model_validator(mode="after")
    def _azure_alone(self) -> Self:
        if self.kind == "azure" and self.responses == "native":
            message = "`responses: native` needs the address that ends in /openai/v1, with `kind: openai`"
            raise Contradiction(message, "responses")
        if self.kind != "azure" and (self.deployments or self.api_version):
            where = "deployments" if self.deployments else "api_version"
            raise Contradiction("`deployments` and `api_version` belong to `kind: azure`", where)
        return self


class Provider(ProviderBlock):
    """A provider with its name."""

    name: Name

    @property
    def translates_responses(self) -> bool:
        """Say whether calls of the Responses API reach it as chat completions."""
        return self.responses == "translated" or (self.responses is None and (self.simulated or self.kind == "azure"))

    def address(self, environment: Mapping[str, str]) -> str | None:
        """Give the base URL: the environment's if set, else the file's; without a trailing slash."""
        named = environment.get(self.base_url_env, "") if self.base_url_env else ""
        return (named or self.base_url or "").rstrip("/") or None

    def api_key(self, environment: Mapping[str, str]) -> str | None:
        """Give the key from the environment, if there is one."""
        return (environment.get(self.api_key_env) or None) if self.api_key_env else None


class ProviderList(Block):
    """The file `providers.yaml`."""

    schema_: Annotated[int, Field(strict=True, ge=1, le=1)] = Field(
        validation_alias="schema", serialization_alias="schema", description="Version of the format."
    )
    providers: dict[Name, ProviderBlock] = Field(default_factory=dict, description="Name to provider.")

    def named(self) -> dict[str, Provider]:
        """Give the providers with their names."""
        return {name: Provider(name=name, **dict(block)) for name, block in self.providers.items()}


def split_model(model: ModelName, providers: Mapping[str, object], default: str) -> tuple[str, str]:
    """Split `provider/model`; a name whose first part is no provider belongs to the default one, whole."""
    head, slash, rest = model.partition("/")
    return (head, rest) if slash and rest and head in providers else (default, model)


def _never_a_provider(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return is_address(host) and is_forbidden(host)
