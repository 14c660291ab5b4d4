import jwt
import pytest

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
        verify(SECRET, jwt.encode(claims, SECRET, "HS256"), 1000)


def test_a_token_is_one_that_others_can_read() -> None:
    claims = jwt.decode(sign(SECRET, GRANT, 4_000_000_000), SECRET, algorithms=["HS256"], audience="recorder")
    assert claims == {**CLAIMS, "sub": "u1", "roles": ["viewer", "auditor"], "exp": 4_000_000_300}


def test_forged_unsigned_and_foreign_tokens_are_refused() -> None:
    token = sign(SECRET, GRANT, 1000)
    head, body, seal = token.split(".")
    foreign = sign(secret_of(MasterKey(b"x" * 32)), GRANT, 1000)
    unsigned = jwt.encode(CLAIMS, "", algorithm="none")
    made_up = (token[:-2], token + "a", token + "=", token + "\udc80", foreign, unsigned, "", ".", "a.b.c", "é.é.é")
    mixed = (f"{head}.{foreign.split('.')[1]}x.{seal}", f"{head}.{body}.", f"{head}.{seal}")
    for bad in (*made_up, *mixed):
        with pytest.raises(TokenRefusedError):
            verify(SECRET, bad, 1000)


def test_what_is_signed_but_no_query_token_is_refused() -> None:
    headed = jwt.encode(CLAIMS, SECRET, "HS256", headers={"kid": "1"})
    for bad in (headed, jwt.api_jws.encode(b"[1]", SECRET, "HS256"), jwt.api_jws.encode(b"none", SECRET, "HS256")):
        with pytest.raises(TokenRefusedError):
            verify(SECRET, bad, 1000)
