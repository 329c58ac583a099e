"""Clients of a service on this machine, which read no certificates: to read them takes longer than a call."""

from __future__ import annotations

from functools import cache
from typing import Any

import httpx


def post(url: str, text: str = "") -> httpx.Response:
    """Call a service by httpx."""
    return httpx.post(url, content=text, verify=False)


@cache
def _connections() -> httpx.Client:
    return httpx.Client(verify=False)


def client_of_openai(url: str) -> Any:
    """Return a client of openai, which calls a service in place of OpenAI's and tries no call again."""
    import openai  # half a second, which only the process that runs these tests takes

    return openai.OpenAI(base_url=url, api_key="none", max_retries=0, http_client=_connections())
