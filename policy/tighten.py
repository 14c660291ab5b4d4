"""The closed list of changes that only make a policy stricter: what labels may activate and floors may ask."""

from typing import Literal

from pydantic import Field

from policy.blocks_redaction import Kind, Media, NamesMode, Profile, Rules
from policy.values import Block, Days, Name, OneOrMore, Share, Text


class StricterRedaction(Block):
    on_failure: Literal["block"] | None = Field(default=None, description="Refuse when a detector fails.")
    min_score: Share | None = Field(default=None, description="Lowers every least score to at most this.")
    names: NamesMode | None = Field(default=None, description="Raises the names model to at least this.")
    answer_names: NamesMode | None = Field(default=None, description="Raises the names model of answers likewise.")
    profiles: tuple[Profile, ...] = Field(default=(), description="Profiles added.")
    request: Rules = Field(default_factory=dict, description="Rules added; the stricter operator stands.")
    answer: Rules = Field(default_factory=dict, description="Rules added; the stricter operator stands.")
    restore: Literal["never"] | None = Field(default=None, description="Nobody gets values back.")
    media: Media | None = Field(default=None, description="Raises the treatment of media to at least this.")
    deny: dict[Kind, tuple[Text, ...]] = Field(default_factory=dict, description="Values added.")
    presidio: tuple[Text, ...] = Field(default=(), description="Presidio recognizers added.")


class ShorterRetention(Block):
    """Classes a label may shorten; metadata and audit prove what happened and are not among them."""

    content: Days | None = Field(default=None, description="At most this.")
    review: Days | None = Field(default=None, description="At most this.")
    automation: Days | None = Field(default=None, description="At most this.")


class StricterFailure(Block):
    log: Literal["block"] | None = Field(default=None, description="Refuse when the record cannot be made durable.")


class StricterLogging(Block):
    request: Literal["none"] | None = Field(default=None, description="Keep no request content.")
    answer: Literal["none"] | None = Field(default=None, description="Keep no answer content.")
    provider: Literal["none"] | None = Field(default=None, description="The provider keeps nothing.")


class StricterCache(Block):
    mode: Literal["off"] | None = Field(default=None, description="No reuse of answers.")


class StricterRouting(Block):
    regions: tuple[Name, ...] | None = Field(
        default=None, description="Only these regions, of those the policy allows."
    )
    min_quality: Share | None = Field(default=None, description="Raises the least quality to at least this.")


class Stricter(Block):
    """Changes of which each can only tighten; several of them join in any order."""

    redaction: StricterRedaction = Field(default=StricterRedaction(), description="See `redaction`.")
    retention: ShorterRetention = Field(default=ShorterRetention(), description="See `retention`.")
    routing: StricterRouting = Field(default=StricterRouting(), description="See `routing`.")
    cache: StricterCache = Field(default=StricterCache(), description="See `cache`.")
    delivery: Literal["buffered"] | None = Field(default=None, description="Judge before anything is shown.")
    failure: StricterFailure = Field(default=StricterFailure(), description="See `failure`.")
    logging: StricterLogging = Field(default=StricterLogging(), description="See `logging`.")


class Tighten(Stricter):
    """Changes that apply while a call carries all the labels of `when`."""

    when: dict[Name, OneOrMore] = Field(min_length=1, description="Label name to value or values; all must match.")
