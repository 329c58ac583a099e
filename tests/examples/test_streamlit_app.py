"""``examples/streamlit_app.py``, by Streamlit's own library for testing apps."""

from __future__ import annotations

import itertools
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from conftest import ROOT

from checkpoint_store import CheckpointStore, Job, current_attempt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from streamlit.testing.v1 import AppTest
    from streamlit.testing.v1.local_script_runner import LocalScriptRunner

# Streamlit is imported by the functions that need it: every worker imports this module, and one runs its tests.
APP = ROOT / "examples" / "streamlit_app.py"
PARAGRAPHS = [f"Paragraph   {number}." for number in range(30)]


@pytest.fixture(scope="module", autouse=True)
def _no_folder_is_left() -> Iterator[None]:
    """Streamlit's library leaves an empty folder to the end of the process, and a warning."""
    from streamlit.testing.v1 import app_test

    yield
    app_test.TMP_DIR.cleanup()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with one transcript."""
    (tmp_path / "talk.txt").write_text("\n\n".join(PARAGRAPHS), "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def runners(monkeypatch: pytest.MonkeyPatch) -> list[LocalScriptRunner]:
    """What runs the app's script, the newest last: a browser talks to it while the script is at work."""
    from streamlit.testing.v1.local_script_runner import LocalScriptRunner

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
    from streamlit.testing.v1 import AppTest

    app = AppTest.from_file(str(APP), default_timeout=120).run()
    assert not app.exception
    return app


def rerun(runner: LocalScriptRunner) -> None:
    """Run the script again, as Streamlit does when somebody clicks while it is at work."""
    from streamlit.runtime.scriptrunner import RerunData

    runner.request_rerun(RerunData())


def labels(app: AppTest) -> list[str]:
    return [button.label for button in app.button]


def press(app: AppTest, label: str) -> None:
    next(button for button in app.button if button.label == label).click().run()
    assert not app.exception


def bar(app: AppTest) -> str:
    return str(app.get("progress")[0].proto.text)  # type: ignore[union-attr]


@pytest.fixture(autouse=True)
def in_the_middle(monkeypatch: pytest.MonkeyPatch) -> InTheMiddle:
    """The service answers at once; what a test does in the middle comes while the fifth and sixth calls are made."""
    made = InTheMiddle(time.sleep)
    monkeypatch.setattr(time, "sleep", made.sleep)
    return made


class InTheMiddle:
    """What a person does while the app is at work."""

    def __init__(self, sleep: Callable[[float], None]) -> None:
        self.act: Callable[[], object] | None = None
        self._sleep, self._calls, self._is_done = sleep, itertools.count(1), threading.Event()

    def sleep(self, seconds: float) -> None:
        """Stand for ``time.sleep``: of the app's service, and of everybody else."""
        try:
            current_attempt()
        except LookupError:
            self._sleep(seconds)
            return
        number = next(self._calls)
        if self.act is not None and number == 6:
            self.act()
            self._is_done.set()
        assert self.act is None or number != 5 or self._is_done.wait(60)


def job_of(seen: CheckpointStore) -> Job:
    job = seen.latest_job()
    assert job is not None
    return job


@pytest.mark.slow
def test_start_to_download(seen: CheckpointStore) -> None:
    """A person starts the job, and gets the text and what it cost."""
    app = opened()
    assert (labels(app), bar(app)) == (["Start", "Pause", "Discard"], "0 of 30 done")
    assert seen.jobs() == []
    press(app, "Start")
    assert (bar(app), app.metric[0].value) == ("30 of 30 done", "0.060")
    assert [result["cleaned_text"] for result in job_of(seen).results()][7] == "Paragraph 7."
    assert next(button for button in app.button if button.label == "Resume").disabled


@pytest.mark.slow
def test_a_click_pauses_and_resume_goes_on(
    seen: CheckpointStore, runners: list[LocalScriptRunner], in_the_middle: InTheMiddle
) -> None:
    """Pause ends the loop in the middle; what was in hand is recorded, and nothing is in doubt. Resume does the rest."""
    app = opened()
    in_the_middle.act = lambda: rerun(runners[-1])
    press(app, "Start")
    job = job_of(seen)
    done = job.progress().completed_chunks
    assert done in (6, 7)
    assert (job.status, job.in_doubt_chunks(), bar(app)) == ("paused", [], f"{done} of 30 done")
    press(app, "Resume")
    assert (job.status, bar(app)) == ("completed", "30 of 30 done")


@pytest.mark.slow
def test_after_a_reload_the_job_is_offered(
    seen: CheckpointStore, runners: list[LocalScriptRunner], in_the_middle: InTheMiddle
) -> None:
    """A tab that is closed in the middle pauses the job; a new one shows how far it is, and goes on."""
    app = opened()

    def close_the_tab() -> None:
        runners[-1].request_stop()

    in_the_middle.act = close_the_tab
    press(app, "Start")
    job = job_of(seen)
    done = job.progress().completed_chunks
    assert done in (6, 7)
    assert (job.is_active, job.status, job.in_doubt_chunks()) == (False, "paused", [])
    again = opened()
    assert (labels(again), bar(again)) == (["Resume", "Pause", "Discard"], f"{done} of 30 done")
    press(again, "Resume")
    assert (bar(again), job.totals("cost")["cost"]) == ("30 of 30 done", pytest.approx(0.06))


@pytest.mark.slow
def test_discard_begins_from_nothing(seen: CheckpointStore) -> None:
    """The results are deleted, and the job can be started again."""
    app = opened()
    press(app, "Start")
    press(app, "Discard")
    assert (labels(app)[0], bar(app), seen.jobs()) == ("Start", "0 of 30 done", [])


@pytest.mark.slow
def test_an_edited_transcript_keeps_what_is_paid_for(folder: Path, seen: CheckpointStore) -> None:
    """A transcript with a new paragraph has a single chunk left to pay for."""
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
