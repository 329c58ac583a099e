"""Clean a transcript with an OpenAI-compatible model; after anything, the same line goes on.

pip install 'checkpoint-store[all]' openai
export OPENAI_API_KEY=...                          # the client reads it; it is never stored
export OPENAI_BASE_URL=http://localhost:11434/v1   # only for another service than OpenAI's
python examples/clean_with_llm.py examples/rice-university-1962.txt
"""

import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

from openai import OpenAI  # type: ignore[import-not-found,unused-ignore]
from semantic_text_splitter import TextSplitter

from checkpoint_store import CheckpointStore, current_attempt

MODEL = os.environ.get("OPENAI_MODEL", "gpt-4o-mini")
TIMEOUT_SECONDS = float(os.environ.get("OPENAI_TIMEOUT", "120"))
CHUNK_SIZE = 2000
PROMPT = (
    "Clean this piece of a lecture transcript: remove fillers, stutters and timestamps, mend punctuation and "
    "paragraphs, keep every thought and the speaker's own words. Answer with the cleaned text alone."
)


def clean(client: OpenAI, text: str) -> dict[str, Any]:
    """Return the cleaned text of one chunk and what it cost."""
    messages: Any = [{"role": "system", "content": PROMPT}, {"role": "user", "content": text}]
    once = {"Idempotency-Key": current_attempt().attempt_key}  # the same for every try at this chunk
    answer = client.chat.completions.create(model=MODEL, messages=messages, extra_headers=once)
    if not answer.choices:
        raise RuntimeError(f"an answer without a choice: {answer}")  # some gateways report an error like this
    choice = answer.choices[0]
    if choice.finish_reason != "stop" or not choice.message.content:
        # Half an answer must not count as a chunk that is done.
        message = f"the answer ended with {choice.finish_reason!r}"
        raise RuntimeError(message)
    usage = answer.usage
    return {
        "cleaned_text": choice.message.content.strip(),
        "input_tokens": usage.prompt_tokens if usage else None,
        "output_tokens": usage.completion_tokens if usage else None,
    }


def main(path: Path) -> None:
    """Clean ``path``, four chunks at a time, and write the text beside it."""
    client = OpenAI(max_retries=0, timeout=TIMEOUT_SECONDS)  # map tries again, so that the store knows of each call
    chunks = TextSplitter(CHUNK_SIZE).chunks(path.read_text(encoding="utf-8"))
    config = {"chunk_size": CHUNK_SIZE, "prompt": PROMPT}  # another prompt is another plan
    with CheckpointStore() as store:
        job = store.open_job(path.name, chunks=chunks, model=MODEL, config=config)
        for _ in job.map(partial(clean, client), workers=4, max_attempts=5, progress=True):
            pass  # what comes here is durable; Ctrl-C ends the script, and the same line goes on
        text = "\n\n".join(result["cleaned_text"] for result in job.results())
        print(job.totals("input_tokens", "output_tokens"), file=sys.stderr)
    path.with_suffix(".cleaned.txt").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
