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
    APIError,
    AuthenticationError,
    InternalServerError,
    NotFoundError,
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
WRONG_SETTINGS = 78
"""EX_CONFIG: the service knows no such model, or the address is wrong. The run ends at once, and no chunk is failed."""
BEFORE = "What was said before the piece, for you to understand it; do not repeat it:\n\n"


def messages(text: str, context: str) -> list[dict[str, str]]:
    """Return the question about one chunk. The context stands apart from the text that is to be cleaned."""
    system = f"{PROMPT}\n\n{BEFORE}{context}" if context else PROMPT
    return [{"role": "system", "content": system}, {"role": "user", "content": text}]


def exit_code(error: APIError) -> int:
    """Return what an error says: whether to wait, to end the run, or to try this chunk again."""
    if isinstance(error, AuthenticationError | PermissionDeniedError) or error.code == "insufficient_quota":
        return NOT_ALLOWED
    if isinstance(error, NotFoundError):
        return WRONG_SETTINGS
    return AWAY if isinstance(error, APIConnectionError | RateLimitError | InternalServerError) else 1


def main() -> None:
    """Read a chunk from stdin, and print the cleaned text and what it took as JSON."""
    client = OpenAI(max_retries=0)  # the command tries again, so that the store knows of each call
    question: Any = messages(sys.stdin.read(), os.environ.get("CHECKPOINT_STORE_CONTEXT", ""))
    once = {"Idempotency-Key": os.environ.get("CHECKPOINT_STORE_ATTEMPT_KEY", "")}  # the same for every try at a chunk
    answer: Any
    try:
        answer = client.chat.completions.create(model=MODEL, messages=question, extra_headers=once)
    except APIError as error:
        print(f"{error} (model {MODEL}, {client.base_url})", file=sys.stderr)
        sys.exit(exit_code(error))
    except json.JSONDecodeError:  # an empty answer, or half of one
        answer = None
    if not getattr(answer, "choices", None):  # a proxy's page, or an error with HTTP 200
        print(f"no answer of a model: {str(answer)[:500]}", file=sys.stderr)
        sys.exit(AWAY)
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
