"""Keys are known by their shape; code, digests and prose stay as they are."""

from __future__ import annotations

import base64
import json
import random
import string

import pytest

from hermes_plugin_redaction.shapes import SHAPES, SHOWN, masker

mask = masker(SHAPES)
dice = random.Random(7)


def some(length: int, alphabet: str = string.ascii_letters + string.digits) -> str:
    return "".join(dice.choice(alphabet) for _ in range(length))


def token(claims: dict[str, str]) -> str:
    parts = [{"alg": "HS256", "typ": "JWT"}, claims]
    encoded = [base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts]
    return ".".join((*encoded, some(43)))


# Made here, so that no scanner takes the test itself for a leak.
SECRETS = {
    "openai": "sk-" + some(48),
    "openai project": "sk-proj-" + some(60, string.ascii_letters + "-_"),
    "anthropic": "sk-ant-" + "api03-" + some(80),
    "openrouter": "sk-or-" + "v1-" + some(64, "0123456789abcdef"),
    "github": "ghp_" + some(36),
    "github fine": "github_pat_" + some(60),
    "gitlab": "glpat-" + some(20),
    "slack": "xoxb-" + "123456789012-" + some(24),
    "google": "AIza" + some(35),
    "aws": "AKIA" + some(16, string.ascii_uppercase + string.digits),
    "hugging face": "hf_" + some(34),
    "stripe": "sk_live_" + some(24),
    "telegram": "123456789:AA" + some(33),
    "jwt": token({"sub": "1234567890", "name": "A Person"}),
    "npm": "npm_" + some(36),
}


@pytest.mark.parametrize("kind", SECRETS)
@pytest.mark.parametrize("around", ["{}", "the key is {}, keep it", '{{"k": "{}"}}', "K={}\nL=1"])
def test_a_key_is_hidden_wherever_it_stands(kind: str, around: str) -> None:
    hidden = mask(around.format(SECRETS[kind]))
    assert SECRETS[kind] not in hidden
    assert SHOWN in hidden


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("export DB_PASSWORD=Xk29fjQ81mzP", "Xk29fjQ81mzP"),
        ('"client_secret": "9f8A7b6C5d4E3f2a"', "9f8A7b6C5d4E3f2a"),
        ("postgres://app:s3cr3tpw@db.internal:5432/x", "s3cr3tpw"),
        ("redis://:hunter22@localhost/0", "hunter22"),
        ("Authorization: Bearer abcDEF123ghiJKL", "abcDEF123ghiJKL"),
        ("curl -H 'Authorization: token 0123456789abcdef'", "0123456789abcdef"),
        ("api_key: a1b2c3d4e5f6a7b8c9d0", "a1b2c3d4e5f6a7b8c9d0"),
    ],
)
def test_a_value_is_hidden_by_what_stands_before_it(text: str, secret: str) -> None:
    hidden = mask(text)
    assert hidden == text.replace(secret, SHOWN)


def test_a_private_key_is_hidden_whole_and_when_cut_off() -> None:
    begin, end = (
        "-----BEGIN OPENSSH " + "PRIVATE KEY-----",
        "-----END OPENSSH " + "PRIVATE KEY-----",
    )
    body = "\n".join(some(70) for _ in range(8))
    assert mask(f"a\n{begin}\n{body}\n{end}\nb") == f"a\n{SHOWN}\nb"
    assert mask(f"a\n{begin}\n{body}") == f"a\n{SHOWN}"


@pytest.mark.parametrize(
    "text",
    [
        "commit 3a59c1f0d2b44e6f8a9b7c6d5e4f3a2b1c0d9e8f",
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "api_key = os.environ['OPENAI_API_KEY']",
        "password = getpass.getpass()",
        "token: str | None = None",
        'API_KEY="your-api-key-here"',
        "secret_name: projects/one/secrets/two",
        "key = sorted(items, key=lambda item: item.name)",
        "the primary key: customer_identifier",
        "https://example.com/a?b=c",
        "git@github.com:someone/project.git",
        "postgres://user:${DB_PASSWORD}@db/x",
        "Authorization: Bearer $TOKEN",
        "task-management and risk-assessment-of-all-things",
        "uuid 123e4567-e89b-12d3-a456-426614174000",
        "keyboard: qwertz, monkey: banana",
        "eyJust a word",
        f"{SHOWN} and token={SHOWN}",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert mask(text) == text


def test_what_was_hidden_is_not_hidden_again() -> None:
    once = mask("\n".join(f"KEY={secret}" for secret in SECRETS.values()))
    assert mask(once) == once
