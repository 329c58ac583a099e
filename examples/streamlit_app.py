"""A screen for a long job: start, live progress, pause, resume after a reload, discard.

pip install checkpoint-store streamlit
cd examples && streamlit run streamlit_app.py

Any click, a reload and a closed tab end the loop as Ctrl-C does in a terminal: Streamlit raises an exception where the
script calls it next, here in ``on_event``. The chunks in hand are finished and recorded, and the job is paused.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import streamlit as st

from checkpoint_store import CheckpointStore, CheckpointStoreError, LoopEvent


def clean(text: str) -> dict[str, Any]:
    """Stand for the call that costs money."""
    time.sleep(0.1)
    return {"cleaned_text": " ".join(text.split()), "cost": 0.002}


def main() -> None:
    """Show the screen for one transcript of the working folder."""
    st.title("Clean a transcript")
    transcripts = sorted(Path().glob("*.txt"))
    if not transcripts:
        st.info("Put a .txt file into this folder.")
        return
    path = st.selectbox("Transcript", transcripts)
    paragraphs = [part for part in path.read_text("utf-8").split("\n\n") if part.strip()]
    try:
        with CheckpointStore("talks.db") as store:
            show(store, path.name, paragraphs)
    except CheckpointStoreError as error:
        st.error(str(error))


def show(store: CheckpointStore, file_name: str, paragraphs: list[str]) -> None:
    """Show how far the job is, and what can be done about it."""
    plan = {"chunks": paragraphs, "model": "stand-in", "on_change": "reuse"}
    left = store.plan(file_name, **plan).chunks_to_do  # type: ignore[arg-type]
    bar = st.progress(1 - left / max(1, len(paragraphs)), f"{len(paragraphs) - left} of {len(paragraphs)} done")
    start, pause, discard = st.columns(3)
    is_started = start.button("Resume" if left < len(paragraphs) else "Start", disabled=not left)
    pause.button("Pause")  # whatever is clicked ends the loop below
    if discard.button("Discard"):
        for job in store.jobs(file_name=file_name):
            store.delete_job(job.job_id)
        st.rerun()
    if is_started:
        job = store.open_job(file_name, **plan)  # type: ignore[arg-type]

        def draw(event: LoopEvent) -> None:
            done = job.progress()
            bar.progress(done.percent / 100, f"{done.completed_chunks} of {done.total_chunks} done ({event.kind})")

        for _ in job.map(clean, workers=2, on_event=draw, on_pause="return"):
            pass
        st.rerun()
    if not left and paragraphs:
        job = store.job(file_name)
        st.metric("Cost", f"{job.costs().cost:.3f}")
        text = "\n\n".join(result["cleaned_text"] for result in job.results())
        st.download_button("Download", text, f"{file_name}.cleaned.txt")


main()
