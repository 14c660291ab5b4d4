import hashlib
from typing import Any

import pytest
from itsdangerous import URLSafeSerializer

from metrics.record.master import MasterKey
from metrics.record.token import Grant, TokenRefusedError, secret_of, sign, verify

SECRET = secret_of(MasterKey(b"m" * 32))
GRANT = Grant("u1", "acme", ("viewer", "auditor"))


def test_a_token_says_who_asks_for_which_tenant_and_in_which_roles() -> None:
    assert verify(SECRET, sign(SECRET, GRANT, 1000), 1200) == GRANT


def test_a_token_ends() -> None:
    token = sign(SECRET, GRANT, 1000, ttl_s=60)
    assert verify(SECRET, token, 1059)
    with pytest.raises(TokenRefusedError, match="expired"):
        verify(SECRET, token, 1060)


CLAIMS = {"sub": "u", "tenant": "acme", "roles": ["viewer"], "aud": "recorder", "exp": 2000}


def signed(
    claims: object, secret: bytes = SECRET, salt: str = "query-token", digest_method: Any = hashlib.sha256
) -> str:
    """Sign anything as tokens are signed."""
    how = {"digest_method": digest_method, "key_derivation": "hmac"}
    return URLSafeSerializer(secret, salt, signer_kwargs=how).dumps(claims)


@pytest.mark.parametrize(
    "claims",
    [
        {**CLAIMS, "aud": "somebody"},
        {key: value for key, value in CLAIMS.items() if key != "exp"},
        {**CLAIMS, "tenant": ""},
        {**CLAIMS, "tenant": 5},
        {**CLAIMS, "roles": []},
        {**CLAIMS, "roles": ["king"]},
        {**CLAIMS, "roles": None},
        {**CLAIMS, "exp": "soon"},
    ],
)
def test_a_token_that_lacks_something_is_refused(claims: dict[str, object]) -> None:
    with pytest.raises(TokenRefusedError):
        verify(SECRET, signed(claims), 1000)


def test_forged_and_foreign_tokens_are_refused() -> None:
    token = sign(SECRET, GRANT, 1000)
    body, _, seal = token.rpartition(".")
    foreign = sign(secret_of(MasterKey(b"x" * 32)), GRANT, 1000)
    made_up = (token[:-2], token + "a", token + "\udc80", foreign, "", ".", "a.b.c", "é.é.é")
    mixed = (f"{foreign.rpartition('.')[0]}x.{seal}", f"{body}.", f"{seal}.{seal}", body, signed(CLAIMS, b"x" * 32))
    weaker = (signed(CLAIMS, digest_method=hashlib.sha1), signed(CLAIMS, salt="cookie"))
    for bad in (*made_up, *mixed, *weaker):
        with pytest.raises(TokenRefusedError):
            verify(SECRET, bad, 1000)
    assert verify(SECRET, signed(CLAIMS), 1000)


@pytest.mark.parametrize("other", [[1], "none", None, {}])
def test_what_is_signed_but_no_query_token_is_refused(other: object) -> None:
    with pytest.raises(TokenRefusedError):
        verify(SECRET, signed(other), 1000)
