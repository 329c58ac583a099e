"""``examples/streamlit_app.py``, by Streamlit's own library for testing apps."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from conftest import ROOT, wait_until
from streamlit.runtime.scriptrunner import RerunData
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.local_script_runner import LocalScriptRunner

from checkpoint_store import CheckpointStore, Job

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

APP = ROOT / "examples" / "streamlit_app.py"
PARAGRAPHS = [f"Paragraph   {number}." for number in range(30)]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with one transcript."""
    (tmp_path / "talk.txt").write_text("\n\n".join(PARAGRAPHS), "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def runners(monkeypatch: pytest.MonkeyPatch) -> list[LocalScriptRunner]:
    """What runs the app's script, the newest last: a browser talks to it while the script is at work."""
    made: list[LocalScriptRunner] = []
    original = LocalScriptRunner.__init__

    def noted(self: LocalScriptRunner, *arguments: Any, **options: Any) -> None:
        original(self, *arguments, **options)
        made.append(self)

    monkeypatch.setattr(LocalScriptRunner, "__init__", noted)
    return made


@pytest.fixture
def seen(folder: Path) -> Iterator[CheckpointStore]:
    """The app's store, as another program sees it."""
    CheckpointStore("talks.db").close()
    with CheckpointStore("talks.db", read_only=True) as store:
        yield store


def opened() -> AppTest:
    """A browser's tab with the app in it."""
    app = AppTest.from_file(str(APP), default_timeout=120).run()
    assert not app.exception
    return app


def labels(app: AppTest) -> list[str]:
    return [button.label for button in app.button]


def press(app: AppTest, label: str) -> None:
    next(button for button in app.button if button.label == label).click().run()
    assert not app.exception


def bar(app: AppTest) -> str:
    return str(app.get("progress")[0].proto.text)  # type: ignore[union-attr]


def while_at_work(seen: CheckpointStore, act: Callable[[], None]) -> threading.Thread:
    """Do something in the middle of the app's loop: as soon as three chunks are complete."""

    def watch() -> None:
        wait_until(lambda: (job := seen.latest_job()) is not None and job.progress().completed_chunks >= 3)
        act()

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


def job_of(seen: CheckpointStore) -> Job:
    job = seen.latest_job()
    assert job is not None
    return job


def test_start_to_download(seen: CheckpointStore) -> None:
    """A person starts the job, and gets the text and what it cost."""
    app = opened()
    assert (labels(app), bar(app)) == (["Start", "Pause", "Discard"], "0 of 30 done")
    assert seen.jobs() == []
    press(app, "Start")
    assert (bar(app), app.metric[0].value) == ("30 of 30 done", "0.060")
    assert [result["cleaned_text"] for result in job_of(seen).results()][7] == "Paragraph 7."
    assert next(button for button in app.button if button.label == "Resume").disabled


def test_a_click_pauses_and_resume_goes_on(seen: CheckpointStore, runners: list[LocalScriptRunner]) -> None:
    """Pause ends the loop in the middle; what was in hand is recorded, and nothing is in doubt. Resume does the rest."""
    app = opened()
    thread = while_at_work(seen, lambda: runners[-1].request_rerun(RerunData()))
    press(app, "Start")
    thread.join()
    job = job_of(seen)
    done = job.progress().completed_chunks
    assert 3 <= done < 30
    assert (job.status, job.in_doubt_chunks(), bar(app)) == ("paused", [], f"{done} of 30 done")
    press(app, "Resume")
    assert (job.status, bar(app)) == ("completed", "30 of 30 done")


def test_after_a_reload_the_job_is_offered(seen: CheckpointStore, runners: list[LocalScriptRunner]) -> None:
    """A tab that is closed in the middle pauses the job; a new one shows how far it is, and goes on."""
    app = opened()

    def close_the_tab() -> None:
        runners[-1].request_stop()

    thread = while_at_work(seen, close_the_tab)
    press(app, "Start")
    thread.join()
    job = job_of(seen)
    wait_until(lambda: not job.is_active)
    done = job.progress().completed_chunks
    assert (done < 30, job.status, job.in_doubt_chunks()) == (True, "paused", [])
    again = opened()
    assert (labels(again), bar(again)) == (["Resume", "Pause", "Discard"], f"{done} of 30 done")
    press(again, "Resume")
    assert (bar(again), job.totals("cost")["cost"]) == ("30 of 30 done", pytest.approx(0.06))


def test_discard_begins_from_nothing(seen: CheckpointStore) -> None:
    """The results are deleted, and the job can be started again."""
    app = opened()
    press(app, "Start")
    press(app, "Discard")
    assert (labels(app)[0], bar(app), seen.jobs()) == ("Start", "0 of 30 done", [])


def test_an_edited_transcript_keeps_what_is_paid_for(folder: Path, seen: CheckpointStore) -> None:
    """One paragraph is new: one chunk is left."""
    press(opened(), "Start")
    (folder / "talk.txt").write_text("\n\n".join([*PARAGRAPHS, "A new one."]), "utf-8")
    app = opened()
    assert bar(app) == "30 of 31 done"
    press(app, "Resume")
    assert bar(app) == "31 of 31 done"


def test_an_empty_folder(folder: Path) -> None:
    """A person is told what to do."""
    (folder / "talk.txt").unlink()
    assert opened().info[0].value == "Put a .txt file into this folder."
