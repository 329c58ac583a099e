"""Two paid stages for each recording: transcribe it, then correct the transcript. After a kill the same line goes on.

python examples/two_stages.py FOLDER

Each stage is a job of its own. The second one grows as results of the first arrive. Both functions are stand-ins here:
put the calls of your services in their place.
"""

import sys
from pathlib import Path
from typing import Any

from checkpoint_store import CheckpointStore, Job

Result = dict[str, Any]


def transcribe(recording: bytes) -> Result:
    """Return what is said in a recording. Costs money."""
    return {"text": recording.decode().lower().strip(), "cost": 0.006}


def correct(transcript: str) -> Result:
    """Return a transcript as its speaker would write it. Costs money."""
    words = [word for word in transcript.split() if word not in ("um", "uh")]
    return {"text": f"{' '.join(words).capitalize()}.", "cost": 0.001}


def transcripts(heard: Job) -> dict[str | int, str]:
    """Return the transcripts of the first recordings by their keys, as far as there is no gap between them.

    A second stage that grows only ever gets more chunks at its end.
    """
    keys, found = heard.keys(), dict[str | int, str]()
    for index, result in heard.items():
        if index > len(found):
            break
        found[keys[index]] = result["text"]
    return found


def correct_what_came(store: CheckpointStore, heard: Job) -> Job:
    """Correct the transcripts that the first stage has made since the last call."""
    corrected = store.open_job("corrected", chunks=transcripts(heard), model="corrector-1", on_change="extend")
    for item in corrected.map(correct):
        print(f"{item.key}: {item.result['text']}", flush=True)
    return corrected


def main(folder: Path) -> None:
    """Transcribe and correct every recording of a folder, in the order of their names."""
    recordings = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    with CheckpointStore("voices.db") as store:
        heard = store.open_job("recordings", chunks=recordings, model="listener-1", on_change="extend")
        for _ in heard.map(transcribe, ordered=True):
            correct_what_came(store, heard)
        corrected = correct_what_came(store, heard)  # what a run that was killed had not corrected yet
        costs = [job.totals("cost")["cost"] if job.total_chunks else 0 for job in (heard, corrected)]
        print(f"{corrected.total_chunks} recordings: {costs[0]:.3f} to transcribe, {costs[1]:.3f} to correct")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
