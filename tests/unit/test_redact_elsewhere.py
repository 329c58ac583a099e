"""What is taken for a secret, counted over forms that were written down before the rules."""

from __future__ import annotations

import time

import pytest

from checkpoint_store.model.codec.secrets import redact_secrets, redact_text
from checkpoint_store.model.error_text import ERROR_LENGTH_MAX, describe

from .redact_tools import is_rejected
from .secrets_elsewhere import BASIC, HARMLESS, HARMLESS_MESSAGES, HEX, MESSAGES, MIXED, SECRETS, WORDS

FOUND = 86  # of 96: raise it when a rule gets better, never lower it


def test_recall_in_configs() -> None:
    """86 of 96 forms are found: header lists, name beside value, lines of YAML, prefixes of issuers."""
    missed = [config for config in SECRETS if not is_rejected(config)]
    assert (len(SECRETS), len(SECRETS) - len(missed)) == (96, FOUND), missed


def test_recall_in_messages() -> None:
    """No error message of 40 keeps the secret that it mentions."""
    kept = [text for text in MESSAGES if any(part in redact_text(text) for part in (MIXED[:20], WORDS, HEX, BASIC))]
    assert (len(MESSAGES), kept) == (40, [])
    assert [text for text in MESSAGES if redact_text(text) == text] == []


def test_false_positives_in_configs() -> None:
    """None of 77 harmless configs is refused, or changed on import."""
    assert len(HARMLESS) == 77
    assert [config for config in HARMLESS if is_rejected(config) or redact_secrets(config) != config] == []


def test_false_positives_in_messages() -> None:
    """None of 36 harmless messages loses a word."""
    assert len(HARMLESS_MESSAGES) == 36
    assert [text for text in HARMLESS_MESSAGES if redact_text(text) != text] == []


def test_what_is_rejected_is_what_is_redacted() -> None:
    """What is refused is what an import redacts, and what was redacted is accepted."""
    assert [config for config in SECRETS if is_rejected(config) != (redact_secrets(config) != config)] == []
    assert [config for config in SECRETS if is_rejected(redact_secrets(config))] == []


@pytest.mark.slow_variants
@pytest.mark.parametrize(
    "piece", ["a-", "key ", "password ", "api_key: ", "A1b2", "token=", "x: ", "a: b\n", "> \t", "-"]
)
def test_a_long_message_is_read_in_a_moment(piece: str) -> None:
    """No repetition makes the search for secrets slow: a message of 16 Ki characters takes less than a second."""
    started = time.process_time()
    describe(piece * (ERROR_LENGTH_MAX // len(piece)))
    assert time.process_time() - started < 1.0
