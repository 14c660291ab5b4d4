"""Certificates: which outputs may pass without a person, under which guarantee, and their use per call.

A certificate is a file `certificates/ID.yaml` of the policy folder, written by `sluice confidence fit`, activated by
merging it, and found in `Snapshot.certificates` by its `CertificateKey`. The gateway, for each output judged under a
`certified` band and scored:

    key = certificate_key(bound.policy, facts, step, prompt, model_answered)   # hashes are cached on the policy
    standing = snapshot.certificates.standing(key, score, asked, withdrawn, now)
    drawn = audit_coin(secret, call_id, standing.rate)
    notes["audit"] = standing.record(key, asked, drawn=drawn)                  # into `call.end`
    decide.judge(confidence, hold, score, standing.threshold)

`asked` is the policy's `confidence.certified`, `withdrawn` the ids that the control database withdrew.
`standing.threshold` is None unless the certificate is in force, so nothing passes by one that is not.
"""

import hmac
from bisect import bisect_right
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import PurePath
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import AwareDatetime, Field, StringConstraints, model_validator

from policy import binomial
from policy.blocks_output import Certified, OpenShare
from policy.model import Facts, FormatVersion, Policy
from policy.problems import Problem, Source, near
from policy.values import Block, Contradiction, Count, ModelName, Name, Positive, Share, Text

Hash12 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{12}$")]
Reason = Literal["certified", "below", "absent", "withdrawn", "expired", "weaker"]
UNCERTIFIED_RATE = 1.0
_COIN_SIDES = 2**64


class CertificateKey(NamedTuple):
    """What a certificate holds for; another value in any part is other traffic."""

    tenant: str
    automation: str | None
    step: str | None
    prompt: str | None
    model: str | None
    scorer: str
    policy: str


class KeyBlock(Block):
    tenant: Name = Field(default="default", description="Tenant of the calls.")
    automation: Name = Field(description="Automation of the calls.")
    step: Text | None = Field(default=None, description="Step of the calls.")
    prompt: Text | None = Field(default=None, description="Prompt with its version.")
    model: ModelName = Field(description="The model that answered.")
    scorer: Hash12 = Field(description="Version of the scorers and of how they are combined.")
    policy: Hash12 = Field(description="Hash of the parts of the policy that shape an output.")


class Window(Block):
    id: Text = Field(description="The window of audits the outcomes are from.")
    audit_rate: Share = Field(description="Share of outputs that were audited in it.")
    since: AwareDatetime = Field(description="First call.")
    until: AwareDatetime = Field(description="Last call.")


class Sample(Block):
    n: Positive = Field(description="Audited outcomes, in the order of their calls.")
    errors: Count = Field(description="Errors among them.")
    unanswered: Count = Field(default=0, description="Audits without an answer; each is an error.")
    calibration: Count = Field(description="The oldest of them, which only calibrate.")


class Look(Block):
    planned: tuple[Positive, ...] = Field(min_length=1, description="Outcome counts at which a fit is allowed.")
    used: tuple[Positive, ...] = Field(min_length=1, description="Looks taken so far, this one last.")
    delta: OpenShare = Field(description="Part of `delta` spent at this look.")


class Test(Block):
    threshold: Share = Field(description="Outputs with at least this score.")
    passed: Positive = Field(description="How many of the sample they are.")
    errors: Count = Field(description="Errors among them.")
    p_value: Share = Field(description="Probability of so few errors if the error rate were `alpha`.")


class Bin(Block):
    low: Share = Field(description="Least score.")
    high: Share = Field(description="Greatest score.")
    n: Positive = Field(description="Outcomes.")
    predicted: Share = Field(description="Mean calibrated probability.")
    observed: Share = Field(description="Share that was correct.")


class Calibration(Block):
    method: Literal["isotonic", "logistic"] = Field(description="How the map was fitted.")
    scores: tuple[Share, ...] = Field(min_length=1, description="Rising scores.")
    probabilities: tuple[Share, ...] = Field(min_length=1, description="Probability of being correct at each.")
    error: Share = Field(description="Mean distance of predicted and observed on the outcomes that certify.")
    bins: tuple[Bin, ...] = Field(default=(), description="Reliability diagram, on the outcomes that certify.")

    @model_validator(mode="after")
    def _a_map(self) -> Self:
        if len(self.scores) != len(self.probabilities) or list(self.scores) != sorted(set(self.scores)):
            message = "`scores` must rise, with one probability each; fit the certificate again"
            raise Contradiction(message, "scores")
        return self

    def at(self, score: float) -> float:
        """Give the calibrated probability of a score, between two points on a straight line."""
        scores, values = self.scores, self.probabilities
        above = bisect_right(scores, score)
        if above in (0, len(scores)):
            return values[max(above - 1, 0)]
        share = (score - scores[above - 1]) / (scores[above] - scores[above - 1])
        return values[above - 1] + share * (values[above] - values[above - 1])


class Certificate(Block):
    """One file of the folder `certificates/`."""

    certificate: Name = Field(description="Unique id, the file's name; stands in records.")
    schema_: FormatVersion = Field(
        validation_alias="schema", serialization_alias="schema", description="Format version."
    )
    key: KeyBlock = Field(description="What it holds for.")
    alpha: OpenShare = Field(description="Largest error rate among passed outputs.")
    delta: OpenShare = Field(description="Probability that this is not kept.")
    metric: Name = Field(default="success", description="Metric of the outcomes.")
    window: Window = Field(description="Where the data is from.")
    sample: Sample = Field(description="The outcomes.")
    look: Look = Field(description="When the data was looked at.")
    threshold: Share = Field(description="Least score that passes.")
    coverage: Share = Field(description="Share of the sample that would have passed.")
    tests: tuple[Test, ...] = Field(
        min_length=1, description="Passed tests in their fixed order, the threshold's last."
    )
    calibration: Calibration = Field(description="From a score to a probability, for display.")
    activated_by: Text = Field(description="Who wants it in force.")
    fitted_at: AwareDatetime = Field(description="When it was fitted.")
    expires: AwareDatetime = Field(description="From then on it is not used.")

    @model_validator(mode="after")
    def _shows_what_it_says(self) -> Self:
        if self.tests[-1].threshold != self.threshold:
            raise Contradiction("`threshold` must be that of the last test; fit the certificate again", "threshold")
        if self.look.delta > self.delta or not set(self.look.used) <= set(self.look.planned):
            raise Contradiction("`look` spends more than was planned; fit the certificate again", "look")
        if any(binomial.cdf(t.errors, t.passed, self.alpha) > self.look.delta for t in self.tests):
            raise Contradiction("a test does not show the guarantee; fit the certificate again", "tests")
        if self.expires <= self.fitted_at:
            raise Contradiction("`expires` must be after `fitted_at`", "expires")
        return self

    def of(self) -> CertificateKey:
        """Give the key under which it is found."""
        return CertificateKey(**self.key.model_dump())


@dataclass(frozen=True, slots=True)
class Standing:
    """How an output stands to the certificate of its key; `rate` and `window` are those of its audit coin."""

    passes: bool
    reason: Reason
    rate: float
    window: str
    certificate: str | None = None
    threshold: float | None = None
    probability: float | None = None

    def record(self, key: CertificateKey, asked: Certified, *, drawn: bool) -> dict[str, Any]:
        """Give the object `audit` of `call.end`."""
        return {
            "rate": self.rate,
            "drawn": drawn,
            "window": self.window,
            "deadline_s": int(asked.audit_deadline.total_seconds()),
            "certificate": self.certificate,
            "reason": self.reason,
            "probability": self.probability,
            "prompt": key.prompt,
            "model": key.model,
            "scorer": key.scorer,
            "policy": key.policy,
        }


@dataclass(frozen=True, slots=True)
class Certificates:
    """All certificates of a policy tree."""

    by_key: Mapping[CertificateKey, Certificate] = field(default_factory=dict)

    @classmethod
    def of(cls, certificates: Iterable[Certificate]) -> Self:
        return cls({each.of(): each for each in certificates})

    def standing(
        self, key: CertificateKey, score: float, asked: Certified, withdrawn: Container[str], now: datetime
    ) -> Standing:
        """Say whether a score passes by the certificate of its key, and how its audit coin is tossed; microseconds."""
        found = self.by_key.get(key)
        if found is None:
            return Standing(False, "absent", UNCERTIFIED_RATE, "none/1")
        name, probability = found.certificate, found.calibration.at(score)
        lapsed = _lapsed(found, asked, withdrawn, now)
        if lapsed is not None:
            return Standing(False, lapsed, UNCERTIFIED_RATE, f"{name}.{lapsed}/1", name, None, probability)
        rate, threshold = asked.audit_rate, found.threshold
        passes = score >= threshold
        reason: Reason = "certified" if passes else "below"
        return Standing(passes, reason, rate, f"{name}/{rate:g}", name, threshold, probability)


def _lapsed(found: Certificate, asked: Certified, withdrawn: Container[str], now: datetime) -> Reason | None:
    if found.certificate in withdrawn:
        return "withdrawn"
    if now >= found.expires:
        return "expired"
    return "weaker" if found.alpha > asked.alpha or found.delta > asked.delta else None


def certificate_key(
    policy: Policy, facts: Facts, step: str | None, prompt: str | None, model: str | None
) -> CertificateKey:
    """Name the traffic an output belongs to; `prompt` is `name@version`, `model` the one that answered."""
    return CertificateKey(facts.tenant, facts.automation, step, prompt, model, policy.scorer_hash, policy.output_hash)


def audit_coin(secret: bytes, call_id: str, rate: float) -> bool:
    """Toss the coin of a call: the same for ever, not to be foreseen without the secret, heads at the given rate."""
    drawn = hmac.digest(secret, b"audit\0" + call_id.encode(), "sha256")
    return int.from_bytes(drawn[:8]) < rate * _COIN_SIDES


def clashes(loaded: Iterable[tuple[Certificate, Source]]) -> Iterator[Problem]:
    """List certificates that are not in the file of their id, or are for the same key."""
    keys: dict[CertificateKey, str] = {}
    for certificate, source in loaded:
        if PurePath(source.file).stem != certificate.certificate:
            yield near(source.places, ("certificate",), f"rename this file to {certificate.certificate}.yaml")
        if (other := keys.setdefault(certificate.of(), source.file)) != source.file:
            yield near(source.places, ("key",), f"{other} is for the same key; remove the older of the two")
