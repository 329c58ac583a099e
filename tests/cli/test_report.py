"""The command ``report``: a page to look at."""

from __future__ import annotations

import json
import signal
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from rich.filesize import decimal

from checkpoint_store import CheckpointStore

from .conftest import ROOT, SIX, Folder
from .test_entry import WITHOUT

if TYPE_CHECKING:
    from pathlib import Path


def index(page: Path | str) -> dict[str, object]:
    """What a page says of its jobs."""
    text = page if isinstance(page, str) else page.read_text("utf-8")
    found: dict[str, object] = json.loads(text.partition('id="index">')[2].partition("</script>")[0])
    return found


@pytest.fixture
def done(lecture: Folder) -> Folder:
    """A folder with a lecture that ``run`` has worked on."""
    lecture.run("run", "lecture.txt", *SIX, *lecture.command())
    return lecture


def test_report_writes_a_page(done: Folder) -> None:
    """``report`` writes report.html about the newest job, readable by its owner alone, and names its place."""
    said = done.run("report").stderr
    page = done.path / "report.html"
    assert said == f"{page}: 1 job, 6 chunks, {decimal(page.stat().st_size)}\n"
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    (job,) = index(page)["jobs"]
    assert (job["file_name"], job["completed"], job["status"]) == ("lecture.txt", 6, "completed")


@pytest.mark.slow
def test_report_of_named_jobs(done: Folder) -> None:
    """``report`` takes file names and beginnings of ids, ``--json`` for a script, and - for stdout."""
    done.write("other.txt", "Another talk.")
    done.run("run", "other.txt")
    said = done.json("report", "lecture.txt", "-o", "one.html")
    assert said["report"] == str(done.path / "one.html")
    assert index(done.run("report", said["jobs"][0][:8], "-o", "-").stdout)["jobs"][0]["file_name"] == "lecture.txt"
    assert len(index(done.run("report", "--all", "-o", "-").stdout)["jobs"]) == 2
    assert "is not a job" in done.run("report", "gone.txt", code=2).stderr


@pytest.mark.slow
def test_report_replaces_reports_alone(done: Folder) -> None:
    """Anything else needs --force, and the message says so in the words of the command."""
    done.run("report")
    done.run("report")
    done.write("mine.html", "mine")
    said = done.run("report", "-o", "mine.html", code=2).stderr
    assert (
        f"{done.path / 'mine.html'}: it is there and is no report; name another file, or replace it with --force"
        in said
    )
    assert done.read("mine.html") == "mine"
    done.run("report", "-o", "mine.html", "--force")
    assert index(done.path / "mine.html")["jobs"]


def test_report_shows_the_file_beside_the_results(done: Folder) -> None:
    """The file is cut again as run cut it; the store agrees that the job was made of it."""
    done.run("report", "--input", "lecture.txt")
    text = done.read("report.html")
    assert index(text)["jobs"][0]["inputs"] == "given"
    assert '"inputs":{"0":"Paragraph 0 says one thing and another."' in text


def test_report_shows_what_the_built_in_cleaner_was_given(lecture: Folder) -> None:
    """``report --input`` shows what the built-in cleaner was given, and knows each chunk by its text."""
    lecture.run("run", "lecture.txt", *SIX)
    lecture.run("report", "--input", "lecture.txt")
    assert index(lecture.path / "report.html")["jobs"][0]["inputs"] == "given"


@pytest.mark.slow
def test_report_notices_a_file_that_changed(done: Folder) -> None:
    """``report --input`` warns of a changed file with as many chunks, and refuses any other file."""
    done.write("lecture.txt", done.read("lecture.txt").replace("another", "the other"))
    done.run("report", "--input", "lecture.txt")
    assert index(done.path / "report.html")["jobs"][0]["inputs"] == "doubtful"
    done.write("lecture.txt", "One paragraph.")
    said = done.run("report", "--input", "lecture.txt", code=2).stderr
    assert "lecture.txt has 1 chunk now, and had 6 for job" in said
    done.write("else.txt", "Something else.")
    assert "no job of the report" in done.run("report", "--input", "else.txt", code=2).stderr


@pytest.mark.slow_variants
@pytest.mark.parametrize(
    ("name", "text"),
    [("chunks.json", '["a", "b"]'), ("chunks.json", '{"k": "a", "l": "b"}'), ("chunks.jsonl", '"a"\n"b"\n')],
)
def test_report_takes_the_chunks_of_a_script(folder: Folder, name: str, text: str) -> None:
    """A JSON array, an object by key, or JSON Lines, for the one job of the report."""
    with CheckpointStore(folder.path / ".processing_state.db") as store:
        store.open_job("script", chunks=["a", "b"]).complete(0, "A")
    folder.write(name, text)
    folder.run("report", "--input", name)
    assert index(folder.path / "report.html")["jobs"][0]["inputs"] == "given"
    folder.write(name, "{")
    assert f"{name} cannot be read as JSON" in folder.run("report", "--input", name, code=2).stderr


def test_a_line_of_json_ends_at_its_line_feed_alone(folder: Folder) -> None:
    """A text may hold the line ends of Unicode, which JSON writes as they are."""
    chunks = ["a\u2028b", "c\x85d\x0be"]
    with CheckpointStore(folder.path / ".processing_state.db") as store:
        store.open_job("script", chunks=chunks).complete(0, "A")
    folder.write("chunks.jsonl", "".join(f"{json.dumps(chunk, ensure_ascii=False)}\n" for chunk in chunks))
    folder.run("report", "--input", "chunks.jsonl")
    assert index(folder.path / "report.html")["jobs"][0]["inputs"] == "given"


@pytest.mark.slow_variants
@pytest.mark.parametrize(
    "config",
    [
        {"cleaner": "version 1"},
        {"cleaner": 5, "chunk_size": 100, "overlap": 0},
        {"cleaner": ["a", 1], "chunk_size": 100, "overlap": 0},
        {"cleaner": "x", "chunk_size": "big", "overlap": None},
        {"cleaner": "x", "chunk_size": 0, "overlap": 0},
        {"cleaner": "x", "chunk_size": 100, "overlap": 0, "tokenizer": 5},
    ],
    ids=str,
)
def test_report_knows_the_jobs_of_programs(folder: Folder, config: dict[str, object]) -> None:
    """A program may call a setting by a name that ``run`` has, too; its job is no job of ``run``."""
    folder.write("talk.txt", "One.")
    with CheckpointStore(folder.path / ".processing_state.db") as store:
        store.open_job("talk.txt", chunks=["One."], config=config).complete(0, "A")
    said = folder.run("report", "--input", "talk.txt", code=2).stderr
    assert "no job of the report is run's job of this file" in said


@pytest.mark.slow
def test_report_follows_until_ctrl_c(lecture: Folder) -> None:
    """Ctrl-C is the usual way to end it: exit 0, and a last page that loads itself no more."""
    with CheckpointStore(lecture.path / ".processing_state.db") as store:
        store.open_job("talk.txt", total_chunks=2).complete(0, "one")
    process = lecture.process("report", "--follow", "--every", "0.05")
    assert process.stderr is not None
    assert "report.html follows the work" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert index(lecture.path / "report.html")["refresh_seconds"] is None


def test_report_follow_needs_a_file(done: Folder) -> None:
    """Standard output cannot be written again."""
    assert "needs a file" in done.run("report", "--follow", "-o", "-", code=2).stderr


@pytest.mark.slow
def test_report_without_jinja_says_what_to_install(folder: Folder) -> None:
    """``report`` without jinja2 says what to install, with exit 2, before it looks for the store."""
    finished = subprocess.run(
        [sys.executable, str(WITHOUT), "ModuleNotFoundError", "jinja2", "report"],
        cwd=folder.path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 2
    assert finished.stderr.splitlines() == [
        "checkpoint-store: a report needs jinja2: pip install 'checkpoint-store[report]'"
    ]
