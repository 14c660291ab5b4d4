"""Secrets: at least forty formats, none of them spelled out in this file as a scanner would find it."""

import pytest

from policy.kinds import GROUPS
from redaction.find import Finder
from redaction.recognizers.catalogue import BUILT_IN
from redaction.resolve import resolve

A = "a8Kd03jfLq92mXz7Pw5T"  # twenty characters that look random
H = "3f786850e387550fdab8"  # twenty hexadecimal ones
U = "QWERTY12345ASDFG"  # sixteen upper-case ones

FORMATS = [
    "AKIA" + U,
    "ASIA" + U,
    "AWS_SECRET_ACCESS_KEY=" + A * 2,
    "aws_session_token=" + A * 4,
    "AZURE_STORAGE_KEY=" + A * 4,
    "AccountKey=" + A * 4 + "==",
    "AIza" + "Sy" + A + A[:13],
    "ya29." + A * 2,
    "GOCSPX-" + A + "abcd",
    "dop_v1_" + H * 3,
    "HRKU-" + A + A,
    "v1.0-" + H * 3,
    "hvs." + A + A,
    "dapi" + H + H[:12],
    "LTAI" + A,
    "sbp_" + H * 2,
    "pscale_tkn_" + A * 2,
    "sk-ant-" + "api03-" + A * 4,
    "sk-proj-" + A * 5,
    "sk-" + A + A[:18],
    "sk-or-v1-" + H * 3,
    "hf_" + A + A[:14].replace("0", "x"),
    "gsk_" + A * 2,
    "xai-" + A * 3,
    "r8_" + A * 2,
    "tvly-" + A,
    "lsv2_pt_" + H * 2,
    "ghp_" + A + A[:16],
    "gho_" + A + A[:16],
    "github_pat_" + A * 4,
    "glpat-" + A,
    "ATATT3" + A * 4,
    "npm_" + A + A[:16],
    "pypi-" + A * 4,
    "dckr_pat_" + A + "abcdefg",
    "rubygems_" + H * 2,
    "AKCp" + A * 3,
    "CCIPAT_" + A * 2,
    "pul-" + H * 2,
    "dp.pt." + A * 2,
    "xoxb-" + "1234567890-" + A,
    "xapp-1-" + A * 2,
    "https://hooks.slack.com/services/" + "T000/B000/" + A,
    "https://discord.com/api/webhooks/123456789012/" + A * 2,
    "1234567890:AA" + A + "abcdefghijklm",
    "SK" + H + H[:12],
    "SG." + A + "ab." + A * 2,
    "key-" + H + H[:12],
    "xkeysib-" + H * 3,
    "secret_" + A * 2 + "abc",
    "lin_api_" + A * 2,
    "figd_" + A * 2,
    "sk_" + "live_" + A,
    "rk_" + "test_" + A,
    "whsec_" + A * 2,
    "sq0atp-" + A + "ab",
    "shpat_" + H + H[:12],
    "rzp_live_" + A[:14],
    "NRAK-" + U + "ABCDEFGHIJK",
    "sntrys_" + A * 3,
    "glc_" + A * 3,
    "phx_" + A * 2,
    "ops_eyJ" + A * 3,
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0." + A * 2,
    "postgres://app:" + "pa55word@db.internal:5432/app",
    "mongodb+srv://u:" + "s3cr3t@cluster0.example.net/db",
    "redis://:" + "hunter2@10.0.0.1:6379/0",
    "Authorization: Bearer " + A * 2,
    "Bearer " + A * 2,
    "x-api-key: " + A,
    "api_key = '" + A + "'",
    "CLIENT_SECRET=" + A,
    "DB_PASSWORD=hunter2!x",
    '"password": "Tr0ub4dor&3"',
    "the password is Tr0ub4dor3",
    "temporary password Tr0ub4dor_3!",
    "pass: Tr0ub4dor3!",
    "user admin pw Tr0ub4dor3",
    "curl -u admin:" + "s3cr3tpw https://x",
    "export STRIPE_SECRET_KEY=" + A,
    "-----BEGIN RSA PRIVATE " + "KEY-----\nMIIEowIBAAKCAQEA\n-----END RSA PRIVATE " + "KEY-----",
    "-----BEGIN OPENSSH PRIVATE " + "KEY-----\n" + A * 30,
    "AGE-SECRET-KEY-1" + U * 3,
    'password: "correct horse ' + 'battery"',
    "SECRET_KEY_BASE=" + H * 3,
]


@pytest.fixture(scope="module")
def finder() -> Finder:
    return Finder(BUILT_IN, b"k" * 32)


@pytest.mark.parametrize("specimen", FORMATS)
def test_secret_is_found_under_a_secret_kind(finder: Finder, specimen: str) -> None:
    text = f"use {specimen} now"
    found = [one for one in resolve(finder.find(text), text) if one.score >= 0.45]
    assert {one.kind for one in found} <= GROUPS["secrets"] | {"EMAIL_ADDRESS", "IP_ADDRESS"}
    hidden = "".join(
        "*" if any(one.start <= place < one.end for one in found) else char for place, char in enumerate(text)
    )
    assert not any(
        part in hidden for part in (A[4:12], H[4:12], U[:8], "pa55word", "s3cr3t", "hunter2", "Tr0ub4dor", "MIIEow")
    )


def test_there_are_forty_formats_and_more() -> None:
    assert len(FORMATS) >= 40
