"""What the tests of secrets share."""

from __future__ import annotations

from checkpoint_store import SecretInConfig
from checkpoint_store.model.codec.secrets import reject_secrets


def is_rejected(config: object) -> bool:
    """Whether a config is refused."""
    try:
        reject_secrets(config)
    except SecretInConfig:
        return True
    return False
