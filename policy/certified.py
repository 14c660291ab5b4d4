"""Certificates and policies together: who asks for a certificate, and whether one is in force."""

from collections.abc import Container
from datetime import datetime

from policy.blocks_output import Certified
from policy.certificate import Certificate, CertificateKey
from policy.model import Policy
from policy.snapshot import Snapshot
from policy.stricter import tightened


def asked_for(snapshot: Snapshot, key: CertificateKey) -> tuple[Policy, Certified] | None:
    """Find the policy whose `certified` band judges traffic of this key now, tightened or not."""
    for entry in snapshot.entries:
        for policy in (entry.policy, *(tightened(entry.policy, block) for block in entry.policy.tighten)):
            wanted = policy.confidence.certified if policy.confidence else None
            if wanted is not None and (policy.scorer_hash, policy.output_hash) == (key.scorer, key.policy):
                return policy, wanted
    return None


def state(made: Certificate, snapshot: Snapshot, withdrawn: Container[str], now: datetime) -> str:
    """Say in a word or a sentence whether a certificate is in force."""
    found = asked_for(snapshot, made.of())
    if found is None:
        return "unused: no policy has these scorers and output-shaping parts now"
    reason = snapshot.certificates.standing(made.of(), made.threshold, found[1], withdrawn, now).reason
    return "in force" if reason == "certified" else reason
