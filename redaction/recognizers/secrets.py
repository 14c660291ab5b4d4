"""Recognizers of the group secrets: keys and tokens by their published formats, then by what stands before them."""

from redaction.recognizers import entropy
from redaction.recognizers.base import Check, Recognizer

_W = r"[\w-]"


def _token(name: str, kind: str, pattern: str, run: str = "", score: float = 0.95) -> Recognizer:
    return Recognizer(name, kind, pattern, score, run=run)


def _password(name: str, pattern: str, run: str, check: Check | None, score: float = 0.85) -> Recognizer:
    return Recognizer(name, "PASSWORD", pattern, score, group=1, run=run, ignore_case=True, check=check)


_CLOUD = (
    _token(
        "aws_access_key",
        "AWS_ACCESS_KEY",
        r"\b(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA|AGPA|AIDA|AIPA|ANPA|ANVA|AROA|APKA)[A-Z0-9]{16}\b",
    ),
    Recognizer(
        "aws_secret_key",
        "AWS_SECRET_KEY",
        r"\b(?:aws[\w .-]{0,20}(?:secret|key)[\w .-]{0,12}"
        r"|secret[_ -]?access[_ -]?key)[\"']?[ :=>]{1,4}[\"']?([A-Za-z0-9/+]{12})",
        0.95,
        group=1,
        run=r"[A-Za-z0-9/+=]",
        ignore_case=True,
    ),
    Recognizer(
        "aws_secret_shape",
        "AWS_SECRET_KEY",
        r"\b[A-Za-z0-9/+]{40}\b",
        0.1,
        context=r"aws|akia|secret|amazon|credential|access key",
        near=0.8,
        check=entropy.mixed,
        joints="-._/:+=",
        reach=100,
    ),
    Recognizer(
        "aws_session_token",
        "AWS_SECRET_KEY",
        r"\b(?:aws_?session_?token|x-amz-security-token)[\"']?[ :=]{1,3}[\"']?([A-Za-z0-9/+]{16})",
        0.95,
        group=1,
        run=r"[A-Za-z0-9/+=%]",
        ignore_case=True,
    ),
    _token("azure_storage_key", "SECRET", r"\bAccountKey=[A-Za-z0-9+/]{20}", run=r"[A-Za-z0-9+/=]"),
    _token("azure_sas", "SECRET", r"\bsig=[A-Za-z0-9%]{20}", run=r"[\w%+/=-]", score=0.8),
    _token("azure_ad_secret", "SECRET", r"\b[A-Za-z0-9_~.]{3}\dQ~[A-Za-z0-9_~.-]{31}", run=r"[A-Za-z0-9_~.-]"),
    _token("google_api_key", "GOOGLE_API_KEY", r"\bAIza[\w-]{30}", run=_W),
    _token("google_oauth", "GOOGLE_API_KEY", r"\b(?:ya29\.[\w-]{16}|GOCSPX-[\w-]{20}|1//0[\w-]{20})", run=r"[\w.-]"),
    _token("digitalocean", "SECRET", r"\bdo[opr]_v1_[a-f0-9]{20}", run=r"\w"),
    _token("heroku", "SECRET", r"\bHRKU-[\w-]{20}", run=_W),
    _token("cloudflare", "SECRET", r"\b(?:v1\.0-[a-f0-9]{20}|cf(?:k|ut|at)_[\w-]{20})", run=_W),
    _token("fly_io", "SECRET", r"\b(?:fo1_[\w-]{20}|fm[12][ar]?_[\w+/]{20})", run=r"[\w+/=,-]"),
    _token(
        "hashicorp_vault", "SECRET", r"\b(?:hv[bsr]\.[\w-]{20}|[A-Za-z0-9]{14}\.atlasv1\.[\w=-]{20})", run=r"[\w=-]"
    ),
    _token("databricks", "SECRET", r"\bdapi[a-f0-9]{30}", run=r"[a-f0-9-]"),
    _token("alibaba", "SECRET", r"\bLTAI[A-Za-z0-9]{16}", run=r"\w"),
    _token("supabase", "SECRET", r"\b(?:sbp_[a-f0-9]{20}|sb_(?:secret|publishable)_[\w-]{16})", run=_W),
    _token("planetscale", "SECRET", r"\bpscale_(?:tkn|pw|oauth)_[\w.=-]{20}", run=r"[\w.=-]"),
)
_MODELS = (
    _token("anthropic", "ANTHROPIC_KEY", r"\bsk-ant-[\w-]{12}", run=_W),
    _token("openai", "OPENAI_KEY", r"\bsk-(?:proj-|svcacct-|admin-|None-)[\w-]{12}", run=_W),
    Recognizer("openai_legacy", "OPENAI_KEY", r"\bsk-[A-Za-z0-9]{20}", 0.9, run=_W),
    _token("openrouter", "SECRET", r"\bsk-(?:or-v1|or|lf|sluice)-[\w-]{16}", run=_W),
    _token("huggingface", "SECRET", r"\b(?:hf_[A-Za-z0-9]{20}|api_org_[A-Za-z0-9]{20})", run=r"\w"),
    _token(
        "groq_xai_fireworks",
        "SECRET",
        r"\b(?:gsk_|xai-|fw_|pplx-|csk-|r8_|tgp_v1_|nvapi-|esecret_|jina_|pa-)[A-Za-z0-9_-]{20}",
        run=_W,
    ),
    _token("tavily_langsmith", "SECRET", r"\b(?:tvly-[\w-]{16}|lsv2_(?:pt|sk)_[\w-]{20}|pcsk_[\w-]{20})", run=_W),
)
_FORGES = (
    _token("github", "GITHUB_TOKEN", r"\bgh[pousr]_[A-Za-z0-9]{16}", run=r"\w"),
    _token("github_pat", "GITHUB_TOKEN", r"\bgithub_pat_\w{16}", run=r"\w"),
    _token(
        "gitlab",
        "GITLAB_TOKEN",
        r"\b(?:gl(?:pat|dt|rt|cbt|ptt|ft|imt|agent|soat|oas|ffct)-[\w-]{16}|GR1348941[\w-]{16})",
        run=r"[\w.-]",
    ),
    _token(
        "bitbucket_atlassian", "SECRET", r"\b(?:ATATT3[\w-]{20}|ATBB[A-Za-z0-9]{20}|ATCTT3[\w-]{20})", run=r"[\w=-]"
    ),
    _token("npm", "NPM_TOKEN", r"\bnpm_[A-Za-z0-9]{20}", run=r"\w"),
    _token("pypi", "PYPI_TOKEN", r"\bpypi-[\w-]{16}", run=_W),
    _token(
        "rubygems_crates_docker",
        "SECRET",
        r"\b(?:rubygems_[a-f0-9]{20}|cio[A-Za-z0-9]{32}|dckr_(?:pat|oat)_[\w-]{16})",
        run=_W,
    ),
    _token("artifactory", "SECRET", r"\b(?:AKCp[A-Za-z0-9]{20}|cmVmdGtuO[A-Za-z0-9]{20})", run=r"\w"),
    _token(
        "circleci_buildkite",
        "SECRET",
        r"\b(?:CCIPAT_\w{16}|CCIPRJ_\w{16}|bkua_[a-z0-9]{20}|sonar_\w{10}|sq[pua]_[a-f0-9]{20})",
        run=r"\w",
    ),
    _token(
        "terraform_pulumi_doppler",
        "SECRET",
        r"\b(?:pul-[a-f0-9]{20}|dp\.(?:pt|st|ct|sa|scim|audit)\.[\w.-]{16}|dop_v1_[a-f0-9]{16})",
        run=r"[\w.-]",
    ),
)
_CHAT = (
    _token("slack", "SLACK_TOKEN", r"\bxox[abceoprs]-[\w-]{10}", run=_W),
    _token("slack_app", "SLACK_TOKEN", r"\bxapp-\d-[\w-]{10}", run=_W),
    _token("slack_webhook", "SLACK_WEBHOOK", r"\bhooks\.slack\.com/(?:services|workflows|triggers)/\w", run=r"[\w/-]"),
    _token(
        "discord_teams_webhook",
        "SECRET",
        r"\b(?:discord(?:app)?\.com/api/webhooks/\d{8}|webhook\.office\.com/webhookb2/[\w-]{8})",
        run=r"[\w/@-]",
    ),
    _token("discord_bot", "SECRET", r"\b[MNO][A-Za-z\d_-]{23,25}\.[\w-]{6}\.[\w-]{20}", run=_W),
    _token("telegram_bot", "SECRET", r"\b\d{8,10}:AA[\w-]{30}", run=_W),
    _token("twilio", "TWILIO_KEY", r"\b(?:SK|AC)[0-9a-f]{32}\b"),
    _token("sendgrid", "SENDGRID_KEY", r"\bSG\.[\w-]{16}", run=r"[\w.-]"),
    _token(
        "mail_services",
        "SECRET",
        r"\b(?:key-[0-9a-f]{32}|[0-9a-f]{32}-us\d{1,2}|xkeysib-[a-f0-9]{20}|re_[A-Za-z0-9]{8}_[A-Za-z0-9]{12})",
        run=_W,
    ),
    _token(
        "notion_linear_figma",
        "SECRET",
        r"\b(?:secret_[A-Za-z0-9]{32}|ntn_[A-Za-z0-9]{20}|lin_(?:api|oauth)_\w{20}|fig[do]r?_[\w-]{20})",
        run=_W,
    ),
    _token(
        "airtable_asana",
        "SECRET",
        r"\b(?:pat[A-Za-z0-9]{14}\.[a-f0-9]{20}"
        r"|\d/\d{10,18}:[a-f0-9]{20})",
        run=r"\w",
    ),
)
_PAYMENT = (
    _token("stripe", "STRIPE_KEY", r"\b(?:[rs]k|pk)_(?:live|test)_[A-Za-z0-9]{10}", run=r"\w"),
    _token("stripe_webhook", "STRIPE_KEY", r"\bwhsec_[A-Za-z0-9+/]{16}", run=r"[A-Za-z0-9+/=]"),
    _token(
        "square_paypal",
        "SECRET",
        r"\b(?:sq0(?:atp|csp|idp)-[\w-]{16}|EAAA[\w-]{40}|access_token\$(?:production|sandbox)\$\w{10})",
        run=r"[\w$-]",
    ),
    _token("shopify", "SECRET", r"\bshp(?:at|ss|ca|pa|ua)_[a-fA-F0-9]{20}", run=r"\w"),
    _token(
        "plaid_adyen_razorpay",
        "SECRET",
        r"\b(?:access-(?:sandbox|development|production)-[0-9a-f-]{20}|AQE[a-z]hm[\w+/]{16}|rzp_(?:live"
        r"|test)_\w{14})",
        run=r"[\w+/=.-]",
    ),
    _token("meta", "SECRET", r"\bEAA[A-Za-z0-9]{30}", run=r"\w"),
)
_OBSERVE = (
    _token(
        "newrelic_sentry",
        "SECRET",
        r"\b(?:NRAK-[A-Z0-9]{20}|NRJS-[a-f0-9]{16}|sntr[yu]s_[\w+/=-]{20})",
        run=r"[\w+/=-]",
    ),
    _token(
        "grafana_dynatrace",
        "SECRET",
        r"\b(?:gl(?:c|sa)_[\w+/=]{20}|dt0[cs]\d{2}\.[A-Z0-9]{20}|phx_[A-Za-z0-9]{20})",
        run=r"[\w+/=.]",
    ),
    _token("age_key", "PRIVATE_KEY", r"\bAGE-SECRET-KEY-1[A-Z0-9]{20}", run=r"\w"),
    _token("onepassword", "SECRET", r"\bops_eyJ[\w-]{20}", run=r"[\w=-]"),
)
_GENERIC = (
    Recognizer(
        "private_key",
        "PRIVATE_KEY",
        r"-----BEGIN [A-Z0-9 ]{0,24}PRIVATE KEY",
        1.0,
        until=r"-----END [A-Z0-9 ]{0,24}PRIVATE KEY(?: BLOCK)?-----",
    ),
    Recognizer("putty_key", "PRIVATE_KEY", r"\bPuTTY-User-Key-File-\d: ", 1.0, until=r"Private-MAC: [0-9a-f]{1,64}"),
    Recognizer("jwt", "JWT", r"\beyJ[\w-]{8}", 0.95, run=r"[\w.=-]", confirm=r"eyJ[\w-]{8,}\.[\w-]{4,}(?:\.[\w-]*)?"),
    Recognizer(
        "connection_string",
        "CONNECTION_STRING",
        r"\b[A-Za-z][\w+.-]{1,20}://[^\s/:@?#\"'<>\[\]]{0,30}:[^\s/@?#\"'<>\[\]]",
        0.95,
        run=r"[^\s\"'<>]",
        confirm=r"[A-Za-z][\w+.-]{1,20}://[^\s/:@?#\"'<>\[\]]{0,30}:[^\s/@\"'<>]+@[^\s\"'<>]+[\w/]",
    ),
    Recognizer(
        "bearer",
        "BEARER_TOKEN",
        r"\b(?:authorization[\"']?\s{0,3}[:=]\s{0,3}[\"']?(?:bearer|basic|token|apikey)|bearer)\s{1,3}([\w~+/-]{6})",
        0.9,
        group=1,
        run=r"[\w.~+/=-]",
        ignore_case=True,
        check=entropy.tokenish,
    ),
    Recognizer(
        "api_key_header",
        "SECRET",
        r"\b(?:x-[a-z]{2,12}-?(?:api-?)?(?:key|token)|api-?key|x-api-key)[\"']?: {0,2}[\"']?([\w+/-]{8})",
        0.85,
        group=1,
        run=r"[\w.+/=-]",
        ignore_case=True,
        check=entropy.tokenish,
    ),
    Recognizer(
        "assignment",
        "SECRET",
        r"(?:api[ _-]?key|secret(?:[ _-]?(?:access|api|client|signing))?(?:[ _-]?key)?|access[ _-]?key"
        r"|(?:access|auth|refresh|api|id|bot|deploy)[_-]?token"
        r"|client[_-]?secret|encryption[_-]?key|signing[_-]?key|private[_-]?key"
        r"|(?:master|storage|shared|webhook|hmac|jwt|subscription)[_-]?key)(?:[_-](?:base|value|prod|dev|test|live|\d))?[\"']?\s{0,2}(?::=|=>|=|:)\s{0,2}[\"']?([^\s\"',;(){}\[\]<>$]{8})",
        0.85,
        group=1,
        run=r"[^\s\"',;(){}<>]",
        ignore_case=True,
        check=entropy.tokenish,
    ),
    _password(
        "password",
        r"(?:passw(?:or)?d|passwd|passphrase|passcode|pwd|passwort|contrasena|mot de passe"
        r"|kennwort)[\"']?\s{0,2}(?::=|=>|=|:)\s{0,2}[\"']?([^\s\"',;<>\[\]]{4})",
        r"[^\s\"',;<>]",
        entropy.not_a_word_for_nothing,
    ),
    _password(
        "password_quoted",
        r"(?:passw(?:or)?d|passphrase|pwd)[\"']?\s{0,2}[:=]\s{0,2}[\"']([^\"'\n]{4,38})[\"']",
        "",
        entropy.not_a_word_for_nothing,
    ),
    _password(
        "password_is",
        r"\b(?:password|passcode|passphrase|pin(?: code)?|pwd)(?: for (?:the |my |our |your )?[\w-]{2,14})?"
        r" (?:is|was|to) [\"'`]?([^\s\"'`,;<>\[\]]{4})",
        r"[^\s\"'`,;<>]",
        entropy.passwordish,
        0.7,
    ),
    _password(
        "password_then",
        r"\b(?:(?:password|passcode|passphrase|pwd|pw):?|pass:) [\"'`]?([^\s\"'`,;<>\[\]]{6})",
        r"[^\s\"'`,;<>]",
        entropy.surely_passwordish,
        0.7,
    ),
    _password("pin", r"\bpin(?: code| number| no)?[\"']?[ :=#]{1,4}(?:is\b[ :]{1,2})?(\d{4,8})\b", "", None, 0.7),
    _password("curl_user", r"\bcurl\b[^\n|;]{0,20} -u ?[\"']?[\w.@-]{1,20}:([^\s\"'@]{4})", r"[^\s\"']", None),
    Recognizer(
        "high_entropy",
        "SECRET",
        r"\b[A-Za-z0-9+/_-]{24,60}={0,2}",
        0.1,
        context=r"(?:secret|token|api[ _-]?key|credential|password|passwd|auth)\b",
        near=0.6,
        check=entropy.random_looking,
        joints="./:",
        reach=40,
    ),
)

RECOGNIZERS = (*_CLOUD, *_MODELS, *_FORGES, *_CHAT, *_PAYMENT, *_OBSERVE, *_GENERIC)
