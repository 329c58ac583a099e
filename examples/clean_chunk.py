"""Clean one chunk with an OpenAI-compatible model: a COMMAND for checkpoint-store run.

pip install 'checkpoint-store[cli]' openai
export OPENAI_API_KEY=...                          # the client reads it; it is never stored
export OPENAI_BASE_URL=http://localhost:11434/v1   # only for another service than OpenAI's
checkpoint-store run lecture.srt --retries 3 --timeout 120 -- python examples/clean_chunk.py
"""

import json
import os
import sys
from typing import Any

from openai import (  # type: ignore[import-not-found,unused-ignore]
    APIConnectionError,
    AuthenticationError,
    InternalServerError,
    OpenAI,
    PermissionDeniedError,
    RateLimitError,
)

MODEL = os.environ.get("OPENAI_MODEL", "gpt-4o-mini")
PROMPT = (
    "Clean this piece of a lecture transcript: remove fillers, mend punctuation, keep every thought and the speaker's "
    "own words. Answer with the cleaned piece alone."
)
AWAY = 75
"""EX_TEMPFAIL: the service is away. With --retries the run waits for it, and no chunk is failed."""
NOT_ALLOWED = 77
"""EX_NOPERM: the key is wrong, or the money is used up. The run ends at once, and no chunk is failed."""
BEFORE = "What was said before the piece, for you to understand it; do not repeat it:\n\n"


def messages(text: str, context: str) -> list[dict[str, str]]:
    """Return the question about one chunk. The context stands apart from the text that is to be cleaned."""
    system = f"{PROMPT}\n\n{BEFORE}{context}" if context else PROMPT
    return [{"role": "system", "content": system}, {"role": "user", "content": text}]


def main() -> None:
    """Read a chunk from stdin, and print the cleaned text and what it took as JSON."""
    client = OpenAI(max_retries=0)  # the command tries again, so that the store knows of each call
    question: Any = messages(sys.stdin.read(), os.environ.get("CHECKPOINT_STORE_CONTEXT", ""))
    once = {"Idempotency-Key": os.environ.get("CHECKPOINT_STORE_ATTEMPT_KEY", "")}  # the same for every try at a chunk
    try:
        answer = client.chat.completions.create(model=MODEL, messages=question, extra_headers=once)
    except (AuthenticationError, PermissionDeniedError) as error:
        print(error, file=sys.stderr)
        sys.exit(NOT_ALLOWED)
    except (APIConnectionError, RateLimitError, InternalServerError) as error:
        print(error, file=sys.stderr)
        sys.exit(NOT_ALLOWED if getattr(error, "code", None) == "insufficient_quota" else AWAY)
    choice = answer.choices[0]
    if choice.finish_reason != "stop" or not choice.message.content:
        sys.exit(f"the answer ended with {choice.finish_reason!r}")  # half an answer must not count as done
    usage = answer.usage
    result = {
        "cleaned_text": choice.message.content.strip(),
        "input_tokens": usage.prompt_tokens if usage else None,
        "output_tokens": usage.completion_tokens if usage else None,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
