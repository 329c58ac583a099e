"""Fail once, where nothing but the core is installed."""

from __future__ import annotations

import sys
from importlib import import_module

import checkpoint_store

sys.modules["tenacity"] = sys.modules["tqdm"] = None  # type: ignore[assignment]  # as where they are not installed
import_module("checkpoint_store.cli")
calls = []


def flaky(text):
    calls.append(text)
    if len(calls) == 1:
        raise ConnectionError("the line is down")
    return text


with checkpoint_store.CheckpointStore("talks.db") as store:
    print(store.map(flaky, ["a"], file_name="f"), len(calls))
