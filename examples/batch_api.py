"""Put a text through a provider's batch interface: half the price, answers within a day, and nothing submitted twice.

export OPENAI_API_KEY=...      # or ANTHROPIC_API_KEY with --provider anthropic; it is never stored
python examples/batch_api.py examples/rice-university-1962.txt

The program submits all paragraphs as one batch, asks for the answers now and then, records them, and submits the
lines that failed once more. Kill it whenever you like: the same line finds the batch that the service holds.

What makes that so: before a batch is submitted, a name for it is recorded as the handle of its chunks, and the name
goes with the batch. Once the service has said the batch's id, the id is recorded. A run that finds a name without an
id looks for the batch among those of the service.
"""

import argparse
import hashlib
import json
import os
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from checkpoint_store import CheckpointStore, Job, PendingChunk

POLL_SECONDS: Final = float(os.environ.get("BATCH_POLL_SECONDS", "60"))
LINES_MAX: Final = 10_000
"""The most lines of one batch; each service allows more."""
PROMPT: Final = (
    "Clean this paragraph of a lecture transcript: remove fillers and stutters, mend punctuation, keep every thought. "
    "Answer with the cleaned text alone."
)
TRIES_MAX: Final = 5
NOT_FOUND: Final = 404
TOO_MANY: Final = 429
SERVER_ERRORS: Final = 500
OK: Final = 200

Answer = dict[str, Any] | str
"""What came of one line of a batch: a result, or why there is none."""


class Service(Protocol):
    """What this program asks of a provider. A batch has a name of ours, and gets an id from the service."""

    model: str

    def newest(self) -> str:
        """Return the id of the batch that was submitted last; ``-`` where there is none."""

    def submit(self, name: str, texts: dict[str, str]) -> str:
        """Submit a batch of texts by line id, and return its id. It is never repeated: who calls again pays again."""

    def find(self, name: str, after: str) -> str | None:
        """Return the id of the batch of this name that was submitted after another one; None where there is none."""

    def answers(self, batch_id: str) -> dict[str, Answer] | None:
        """Return what came of each line of a batch; None where the service is not done with it."""


# -- the job


def work(job: Job, service: Service) -> None:
    """Do all chunks of a job that are left."""
    while chunks := list(job.pending()):  # claimed, for as long as the list is there
        batches: dict[str, list[PendingChunk]] = defaultdict(list)
        for chunk in chunks:
            if chunk.handle is not None:  # submitted by an earlier try
                batches[chunk.handle].append(chunk)
        new = [chunk for chunk in chunks if chunk.handle is None]
        for start in range(0, len(new), LINES_MAX):
            part = new[start : start + LINES_MAX]
            handle = f"? {uuid.uuid4().hex[:16]} {service.newest()}"
            job.record_handle([chunk.index for chunk in part], handle)  # durable before anything is sent
            batches[handle] += part
        at_work = [(members, *submitted(job, service, handle, members)) for handle, members in batches.items()]
        for members, batch_id, name in at_work:
            collect(members, batch_id, name, service)


def submitted(job: Job, service: Service, handle: str, chunks: Sequence[PendingChunk]) -> tuple[str, str]:
    """Return id and name of the batch behind a handle; submit it where no earlier run did."""
    batch_id, name, after = handle.split(" ")
    if batch_id == "?":
        texts = {line_id(name, chunk): str(chunk.data) for chunk in chunks}
        batch_id = service.find(name, after) or service.submit(name, texts)
        job.record_handle([chunk.index for chunk in chunks], f"{batch_id} {name} {after}")
    return batch_id, name


def collect(chunks: Sequence[PendingChunk], batch_id: str, name: str, service: Service) -> None:
    """Wait for a batch, and record what came of each chunk; a line that failed goes into the next batch.

    Of the chunks that share a line, the first has the tokens that the line cost, so that totals count them once. It is
    recorded last: a run that is killed in between leaves it to the next one.
    """
    while (answers := service.answers(batch_id)) is None:
        print(f"{batch_id}: {len(chunks)} chunks are not done yet", file=sys.stderr)
        time.sleep(POLL_SECONDS)
    last_to_first = sorted(chunks, key=lambda chunk: chunk.index, reverse=True)
    first = {line_id(name, chunk): chunk.index for chunk in last_to_first}
    for chunk in last_to_first:
        line = line_id(name, chunk)
        answer = answers.get(line, f"batch {batch_id} has no answer for it")
        if isinstance(answer, dict):
            chunk.complete(answer if chunk.index == first[line] else answer | {"input_tokens": 0, "output_tokens": 0})
        else:
            chunk.record_handle(None)  # the service holds nothing for this chunk any more
            chunk.fail(answer)  # after three of these the chunk is failed


def line_id(name: str, chunk: PendingChunk) -> str:
    """Return the id of a chunk's line: paragraphs that are the same share one line, wherever they stand."""
    return f"{name}-{hashlib.sha256(str(chunk.data).encode()).hexdigest()[:32]}"


# -- the providers


class OpenAI:
    """Files and batches of OpenAI. A batch has its name in its metadata."""

    model = os.environ.get("OPENAI_MODEL", "gpt-4o-mini")
    base = os.environ.get("OPENAI_BASE_URL", "https://api.openai.com/v1")

    def __init__(self) -> None:
        self.headers = {"Authorization": f"Bearer {os.environ['OPENAI_API_KEY']}"}

    def newest(self) -> str:
        """See :class:`Service`."""
        return next((str(batch["id"]) for batch in self.batches()), "-")

    def submit(self, name: str, texts: dict[str, str]) -> str:
        """Upload the lines, which costs nothing, and make a batch of them."""
        lines = [
            {"custom_id": line, "method": "POST", "url": "/v1/chat/completions", "body": self.question(text)}
            for line, text in texts.items()
        ]
        content = "".join(json.dumps(line) + "\n" for line in lines).encode()
        head = 'Content-Disposition: form-data; name="purpose"\r\n\r\nbatch'
        file_head = f'Content-Disposition: form-data; name="file"; filename="{name}.jsonl"\r\n\r\n'
        form = f"--{name}\r\n{head}\r\n--{name}\r\n{file_head}".encode() + content + f"\r\n--{name}--\r\n".encode()
        multipart = self.headers | {"Content-Type": f"multipart/form-data; boundary={name}"}
        uploaded = json.loads(post(f"{self.base}/files", form, multipart))
        wanted = {"input_file_id": uploaded["id"], "endpoint": "/v1/chat/completions", "completion_window": "24h"}
        body = json.dumps(wanted | {"metadata": {"name": name}}).encode()
        return str(json.loads(post(f"{self.base}/batches", body, self.headers))["id"])

    def question(self, text: str) -> dict[str, Any]:
        """Return the body of one request."""
        messages = [{"role": "system", "content": PROMPT}, {"role": "user", "content": text}]
        return {"model": self.model, "messages": messages}

    def find(self, name: str, after: str) -> str | None:
        """See :class:`Service`."""
        for batch in self.batches():
            if batch["id"] == after:
                break
            if (batch.get("metadata") or {}).get("name") == name:
                return str(batch["id"])
        return None

    def batches(self) -> Iterator[dict[str, Any]]:
        """Yield all batches, the newest first."""
        return pages(f"{self.base}/batches?limit=100", "after", self.headers)

    def answers(self, batch_id: str) -> dict[str, Answer] | None:
        """See :class:`Service`."""
        batch = json.loads(get(f"{self.base}/batches/{batch_id}", self.headers) or '{"status": "gone"}')
        if batch["status"] in ("validating", "in_progress", "finalizing", "cancelling"):
            return None
        files = [batch[name] for name in ("output_file_id", "error_file_id") if batch.get(name)]
        texts = [get(f"{self.base}/files/{file}/content", self.headers) for file in files]
        found = [json.loads(line) for text in texts for line in text.splitlines() if line.strip()]
        return {line["custom_id"]: self.answer(line) for line in found}

    def answer(self, line: dict[str, Any]) -> Answer:
        """Return what came of one line."""
        response = line.get("response") or {}
        if line.get("error") or response.get("status_code") != OK:
            return json.dumps(line.get("error") or response)
        choice, usage = response["body"]["choices"][0], response["body"]["usage"]
        if choice["finish_reason"] != "stop":
            return f"the answer ended with {choice['finish_reason']!r}"
        tokens = {"input_tokens": usage["prompt_tokens"], "output_tokens": usage["completion_tokens"]}
        return {"cleaned_text": choice["message"]["content"], **tokens}


class Anthropic:
    """Message batches of Anthropic. A batch has no name there, but its answers have the ids of the lines."""

    model = os.environ.get("ANTHROPIC_MODEL", "claude-haiku-4-5")
    base = os.environ.get("ANTHROPIC_BASE_URL", "https://api.anthropic.com") + "/v1/messages/batches"

    def __init__(self) -> None:
        self.headers = {"x-api-key": os.environ["ANTHROPIC_API_KEY"], "anthropic-version": "2023-06-01"}

    def newest(self) -> str:
        """See :class:`Service`."""
        return next((str(batch["id"]) for batch in self.batches()), "-")

    def submit(self, name: str, texts: dict[str, str]) -> str:
        """See :class:`Service`. The name is in the ids of the lines."""
        del name
        requests = [{"custom_id": line, "params": self.question(text)} for line, text in texts.items()]
        body = json.dumps({"requests": requests}).encode()
        return str(json.loads(post(self.base, body, self.headers))["id"])

    def question(self, text: str) -> dict[str, Any]:
        """Return the body of one request."""
        return {
            "model": self.model,
            "max_tokens": 4096,
            "system": PROMPT,
            "messages": [{"role": "user", "content": text}],
        }

    def find(self, name: str, after: str) -> str | None:
        """Look at the answers of the batches that were submitted since; they are there once a batch has ended."""
        for batch in self.batches():
            if batch["id"] == after:
                break
            while (answers := self.answers(batch["id"])) is None:
                time.sleep(POLL_SECONDS)
            if any(line.startswith(f"{name}-") for line in answers):
                return str(batch["id"])
        return None

    def batches(self) -> Iterator[dict[str, Any]]:
        """Yield all batches, the newest first."""
        return pages(f"{self.base}?limit=100", "after_id", self.headers)

    def answers(self, batch_id: str) -> dict[str, Answer] | None:
        """See :class:`Service`."""
        batch = json.loads(get(f"{self.base}/{batch_id}", self.headers) or '{"processing_status": "gone"}')
        if batch["processing_status"] in ("in_progress", "canceling"):
            return None
        text = get(batch["results_url"], self.headers) if batch.get("results_url") else ""
        found = [json.loads(line) for line in text.splitlines() if line.strip()]
        return {line["custom_id"]: self.answer(line["result"]) for line in found}

    def answer(self, result: dict[str, Any]) -> Answer:
        """Return what came of one line."""
        if result["type"] != "succeeded":
            return json.dumps(result)
        message = result["message"]
        if message["stop_reason"] != "end_turn":
            return f"the answer ended with {message['stop_reason']!r}"
        text = "".join(part["text"] for part in message["content"] if part["type"] == "text")
        usage = message["usage"]
        return {
            "cleaned_text": text,
            "input_tokens": usage["input_tokens"],
            "output_tokens": usage["output_tokens"],
        }


# -- HTTP


def get(url: str, headers: dict[str, str]) -> str:
    """Return what stands at a URL, and "" where nothing does. Reading is free, so that it is repeated after trouble."""
    for tries in range(1, TRIES_MAX + 1):
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60) as reply:
                return str(reply.read().decode())
        except urllib.error.HTTPError as error:
            if error.code == NOT_FOUND:
                return ""
            if tries == TRIES_MAX or not (error.code == TOO_MANY or error.code >= SERVER_ERRORS):
                raise
        except OSError:
            if tries == TRIES_MAX:
                raise
        time.sleep(min(POLL_SECONDS, 2**tries))
    raise AssertionError


def post(url: str, body: bytes, headers: dict[str, str]) -> str:
    """Send something once. Where no answer comes, the next run finds out what came of it."""
    typed = {"Content-Type": "application/json"} | headers
    request = urllib.request.Request(url, body, typed, method="POST")  # the service's own address
    with urllib.request.urlopen(request, timeout=300) as reply:
        return str(reply.read().decode())


def pages(url: str, cursor: str, headers: dict[str, str]) -> Iterator[dict[str, Any]]:
    """Yield the items of a list, page by page."""
    after = ""
    while True:
        page = json.loads(get(url + after, headers))
        yield from page["data"]
        if not page["has_more"]:
            return
        after = f"&{cursor}={page['last_id']}"


def main() -> None:
    """Clean a text, and write the cleaned text beside it."""
    parser = argparse.ArgumentParser(description="Put a text through a provider's batch interface.")
    parser.add_argument("path", type=Path)
    parser.add_argument("--provider", choices=("openai", "anthropic"), default="openai")
    given = parser.parse_args()
    service: Service = OpenAI() if given.provider == "openai" else Anthropic()
    chunks = [part.strip() for part in given.path.read_text("utf-8").split("\n\n") if part.strip()]
    plan: dict[str, Any] = {"model": service.model, "provider": given.provider, "config": {"prompt": PROMPT}}
    with CheckpointStore() as store, store.open_job(given.path.name, chunks=chunks, on_change="reuse", **plan) as job:
        work(job, service)
        for record in job.failed_chunks():
            print(f"chunk {record.chunk_index} failed: {record.error}", file=sys.stderr)
        text = "\n\n".join(result["cleaned_text"] for result in job.results())
        print(job.totals("input_tokens", "output_tokens"), file=sys.stderr)
    given.path.with_suffix(".cleaned.txt").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
