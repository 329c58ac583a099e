"""What is taken for a secret, counted over forms that nobody looked at while the rules were made."""

from __future__ import annotations

from typing import Any, Final

from checkpoint_store.model.codec.secrets import redact_text

from .redact_tools import is_rejected

V: Final = "q7Zt2LmX9cVb4Kd8Rw1Y"
H: Final = "9f86d081884c7d659a2feaa0c55ad015"
SECRETS: Final[list[Any]] = [
    {"headers": [["X-Api-Key", V]]},
    {"headers": {"x-goog-api-key": "AIza" + V + "abcdefghijklmno"}},
    {"env": [{"name": "OPENAI_API_KEY", "value": V}]},
    {"env": [{"key": "MISTRAL_API_KEY", "val": V}]},
    {"args": ["--token", V]},
    {"args": ["--api-key=" + V]},
    {"url": "https://user:" + V + "@host/v1"},
    {"url": "https://api.x.com/v1?api_key=" + V},
    {"dsn": "postgresql://bob:hunter22@db/x"},
    {"auth": ["bob", "correct horse"]},
    {"authorization": "Basic Ym9iOmh1bnRlcjIy"},
    {"openai": {"key": "sk-" + V + V}},
    {"hf": "hf_" + V + "abcdefghijkl"},
    {"slack": "xoxb-123456789012-" + V},
    {"aws": {"access_key_id": "AKIAIOSFODNN7EXAMPLE", "secret_access_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}},
    {"gh": "github_pat_" + V + V},
    {"jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0." + V + V},
    {"cookie": "session=" + V},
    {"private": "-----BEGIN RSA PRIVATE KEY-----\nMIIE"},
    {"client_secret": V},
    {"clientSecret": V},
    {"passphrase": "correct horse battery"},
    {"credentials": {"password": "abc12345"}},
    {"cmd": "curl -H 'Authorization: Bearer " + V + "' https://x"},
    {"cmd": "OPENAI_API_KEY=" + V + " python x.py"},
    {"headers": "X-API-KEY: " + V},
    {"azure": {"api-key": H}},
    {"subscription_key": H},
    {"signature": "hmac " + H},
    {"webhook": "https://hooks.slack.com/services/T000/B000/" + V},
    {"google": {"type": "service_account", "private_key_id": H}},
    {"sas": "?sv=2020&sig=" + V + "%3D"},
    {"connection": "AccountName=x;AccountKey=" + V + V + "=="},
    {"anthropic": "sk-ant-api03-" + V + V},
    {"groq": "gsk_" + V + V},
    {"apikey": V},
    {"API-KEY": V},
    {"bearer": V},
    {"access_token": V},
    {"refreshToken": V},
    {"id": "Bearer " + V},
    {"netrc": "machine x login bob password " + V},
    {"opts": [{"header": "Authorization", "content": "Bearer " + V}]},
    {"pat": V},
    {"proxy": "http://u:" + V + "@proxy:3128"},
    {"stripe": "sk_live_" + V},
    {"params": [("token", V)]},
    {"params": {"auth_token": V}},
    {"telegram": "123456789:AA" + V + "abcdefghijkl"},
    {"npm": "npm_" + V + "abcdefghijklmnop"},
]
HARMLESS: Final[list[Any]] = [
    {"max_tokens": 512},
    {"tokenizer": "cl100k_base"},
    {"stop_token": "<|im_end|>"},
    {"token_count": 3},
    {"key_points": ["a", "b"]},
    {"password_prompt": False},
    {"prompt": "Explain what a password is and why secrets matter"},
    {"prompt": "The key: be concise"},
    {"model": "gpt-4o-2024-08-06"},
    {"system_fingerprint": "fp_44709d6fcb"},
    {"sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"},
    {"commit": "35040d3f0a3f4be0e6e9c1d2"},
    {"url": "https://api.openai.com/v1/chat?model=x"},
    {"path": "/home/bob/keys/readme.md"},
    {"uuid": "3f48999c-c66a-4477-938d-0faf82ba9197"},
    {"keyboard": "qwerty"},
    {"monkey": "business"},
    {"author": "Ann Key"},
    {"primary_key": "id"},
    {"sort_key": "created_at"},
    {"foreign_key": "user_id"},
    {"key_field": "name"},
    {"pad_token": "[PAD]"},
    {"bos_token": "<s>"},
    {"unk_token": "<unk>"},
    {"token_limit": "4096"},
    {"prompt": "Authorization to proceed is granted"},
    {"secretary": "Mrs Jones"},
    {"tokens": ["a", "b"]},
    {"auth": None},
    {"api_key_env": "OPENAI_API_KEY"},
    {"key": "C minor"},
    {"date": "2026-11-27T08:00:00Z"},
    {"language": "en-US"},
    {"image": "sha256:" + H},
    {"cache_key": "talk-1"},
    {"partition_key": "2024"},
    {"pass_through": "yes"},
    {"compass": "north"},
    {"passes": 2},
    {"bypass_cache": "true"},
    {"voice_id": "21m00Tcm4TlvDq8ikWAM"},
    {"prompt": "Write about the token economy: tokens, keys, and passwords."},
    {"session": "lecture 3"},
    {"cookie_policy": "strict"},
    {"signature_line": "Best, Bob"},
    {"credential_type": "none"},
    {"base64": "aGVsbG8gd29ybGQ="},
    {"glossary": {"key": "the main note of a piece"}},
    {"schema": {"properties": {"password": {"type": "string"}}}},
]
MESSAGES: Final = [
    "Incorrect API key provided: " + V + ". You can find",
    "401 Unauthorized: invalid x-api-key " + V,
    "Error: token '" + V + "' expired",
    "HTTPError for url: https://x/v1?key=" + V,
    "Authorization: Bearer " + V,
    "{'x-api-key': '" + V + "'}",
    "password authentication failed for user bob with password hunter22",
    "AuthenticationError: Your api_key=" + V + " is wrong",
    "Invalid key: " + V,
    "could not connect to postgres://u:" + V + "@db:5432/x",
    "export OPENAI_API_KEY=" + V,
    "API key " + V + " has been revoked",
    "curl: -u bob:" + V + " failed",
    "Set-Cookie: sid=" + V + "; HttpOnly",
    "Secret " + V + " not valid",
]
HARMLESS_MESSAGES: Final = [
    "Rate limit reached for gpt-4o in organization org-AbC123 on tokens per min (TPM): Limit 30000, Used 29000",
    "KeyError: 'cleaned_text'",
    "This model's maximum context length is 8192 tokens",
    "token limit exceeded: 4096",
    "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
    "request_id: req_011CSHoEeqs5C35K2UUqR7Fy",
    "Invalid key: cleaned",
    "missing key 'text' in answer",
    "password is required",
    "Connection to api.openai.com timed out. (connect timeout=30)",
    "the job key is 3f48999c-c66a-4477-938d-0faf82ba9197",
    "Unexpected token < in JSON at position 0",
]


def test_recall_in_configs() -> None:
    """46 of 50 forms are found; raise the number when a rule gets better, never lower it."""
    missed = [config for config in SECRETS if not is_rejected(config)]
    assert (len(SECRETS), [next(iter(config)) for config in missed]) == (50, ["signature", "google", "netrc", "pat"])


def test_recall_in_messages() -> None:
    """None of 15 error messages keeps the secret that it mentions."""
    kept = [text for text in MESSAGES if V in redact_text(text) or "hunter22" in redact_text(text)]
    assert (len(MESSAGES), kept) == (15, [])


def test_false_positives() -> None:
    """None of 50 harmless configs is refused, and none of 12 harmless messages loses a word."""
    assert (len(HARMLESS), [config for config in HARMLESS if is_rejected(config)]) == (50, [])
    changed = [text for text in HARMLESS_MESSAGES if redact_text(text) != text]
    assert (len(HARMLESS_MESSAGES), changed) == (12, [])
