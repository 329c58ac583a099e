"""``plan``, ``chunks``, ``errors`` and ``retry``: what they show, and that the reading ones touch nothing."""

from __future__ import annotations

import pytest
from each_case import each_case

from checkpoint_store import CheckpointStore, ProcessingState
from checkpoint_store.cli.run import plan

from .conftest import SIX, Folder
from .test_jobs import contents
from .test_run import FAILS_ONCE

PRICED = """import json, sys; print(json.dumps({"cleaned_text": sys.stdin.read(), "cost": 0.25}))"""


@pytest.fixture
def troubled(folder: Folder) -> tuple[Folder, str]:
    """A folder with a job of six chunks, and its id: 0 and 1 done, 2 failed, 3 failed once, 4 and 5 left."""
    with CheckpointStore(folder.path / ".processing_state.db") as store:
        job = store.open_job("data.txt", chunks=list("abcdef"))
        job.complete_many([(0, "a"), (1, "b")])
        for _ in range(3):
            job.fail_chunk(2, "no luck\nat all")
        job.fail_chunk(3, ValueError("once"))
        return folder, job.job_id


# -- plan


def test_a_plan_before_the_first_run_makes_no_store(lecture: Folder) -> None:
    """Everything is to do; no file is made, not even the store."""
    before = lecture.files()
    shown = lecture.run("plan", "lecture.txt", *SIX).stdout
    assert shown == "lecture.txt  a new job\n  to do  6 of 6 chunks\n"
    plan = lecture.json("plan", "lecture.txt", *SIX)["plans"][0]
    assert (plan["action"], plan["chunks_to_do"], plan["estimated_cost"]) == ("new", 6, None)
    assert lecture.files() == before


def test_a_plan_says_what_the_run_then_does(lecture: Folder) -> None:
    """Paused by its budget in the middle: what is left, and what that will cost, comes true."""
    words = ("lecture.txt", *SIX)
    lecture.run("run", *words, "--max-cost", 1, *lecture.command(PRICED), code=75)
    shown = lecture.run("plan", *words, *lecture.command(PRICED)).stdout
    for line in ("lecture.txt  goes on", "to do  2 of 6 chunks", "kept   4", "spent  1", "cost   about 0.5 more"):
        assert line in shown
    report = lecture.json("run", *words, *lecture.command(PRICED))["jobs"][0]
    assert (report["done_now"], report["cost_now"]) == (2, 0.5)
    assert lecture.run("plan", *words, *lecture.command(PRICED)).stdout.startswith("lecture.txt  nothing left to do\n")


@pytest.mark.slow
def test_the_time_is_for_as_many_workers_as_are_meant(lecture: Folder) -> None:
    """``plan --workers 4`` estimates a quarter of the time of a single worker."""
    words = ("lecture.txt", *SIX)
    lecture.run("run", *words, "--max-cost", 1, *lecture.command(PRICED), code=75)
    alone, four = (
        lecture.json("plan", *words, "--workers", count, *lecture.command(PRICED))["plans"][0] for count in (1, 4)
    )
    assert alone["estimated_seconds"] == pytest.approx(4 * four["estimated_seconds"])
    assert "with 4 workers" in lecture.run("plan", *words, "--workers", 4, *lecture.command(PRICED)).stdout


@pytest.mark.slow
def test_a_changed_option_is_shown_with_the_choices(lecture: Folder) -> None:
    """What differs, and what each choice would keep, in the words that run has for it."""
    lecture.run("run", "lecture.txt", *SIX)
    shown = lecture.run("plan", "lecture.txt", *SIX, "--model", "m").stdout
    assert "refused: its job was made for something else" in shown
    assert "model: None -> 'm'" in shown
    assert [line.strip() for line in shown.splitlines() if "--on-change" in line] == [
        "keeps none with:  --on-change reuse",
        "keeps 6 with:  --on-change reuse --reuse-ignoring model",
        "keeps none with:  --on-change restart",
    ]
    typed = ("--model", "m", "--on-change", "reuse", "--reuse-ignoring", "model")
    assert lecture.json("plan", "lecture.txt", *SIX, *typed)["plans"][0]["kept"] == 6
    edited = lecture.read("lecture.txt").replace("Paragraph 2", "Passage 2")
    lecture.write("lecture.txt", edited)
    assert "changed  the text\n" in lecture.run("plan", "lecture.txt", *SIX).stdout.replace(" \n", "\n")
    planned = lecture.json("plan", "lecture.txt", *SIX, "--on-change", "reuse")["plans"][0]
    assert (planned["action"], planned["kept"], planned["chunks_to_do"]) == ("reuse", 5, 1)


@pytest.mark.slow
def test_a_grown_file_may_extend_its_job(folder: Folder) -> None:
    """If lines were only added, ``run`` and ``plan`` offer ``extend``; after an edit they do not."""
    words = ("lines.txt", "--split", "lines", "--", "cat")
    folder.write("lines.txt", "one\ntwo\n")
    folder.run("run", *words)
    folder.write("lines.txt", "one\ntwo\nthree\n")
    refused = folder.run("run", *words, code=2).stderr
    assert "\n  --on-change extend   lets the job grow, and keeps the results of 2 chunks\n" in refused
    assert "\nreuse and restart begin a new job" in refused
    assert "keeps 2 with:  --on-change extend\n" in folder.run("plan", *words).stdout
    folder.write("lines.txt", "won\ntwo\nthree\n")
    assert "extend" not in folder.run("run", *words, code=2).stderr + folder.run("plan", *words).stdout


@pytest.mark.slow
def test_the_choice_that_keeps_most_is_offered(folder: Folder) -> None:
    """If the store has results for the new lines under another name, ``resume`` offers the line that takes these, too."""
    words = ("--split", "lines", "--", "cat")
    folder.write("lines.txt", "one\ntwo\n")
    folder.run("run", "lines.txt", "--only", "0", *words)
    folder.write("copy.txt", "one\ntwo\nthree\n")
    folder.run("run", "copy.txt", *words)
    folder.write("lines.txt", folder.read("copy.txt"))
    refused = folder.run("resume", "lines.txt", code=2).stderr
    assert "--on-change reuse" in refused.splitlines()[-1]


def test_json_needs_no_words_for_a_change(lecture: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """``plan --json`` reads no file and no store a second time for words that it does not print."""
    lecture.run("run", "lecture.txt", *SIX)
    monkeypatch.setattr(plan, "_change_of", lambda *_: pytest.fail("nobody is shown this"))
    assert lecture.json("plan", "lecture.txt", *SIX, "--model", "m")["plans"][0]["action"] == "refuse"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "is_edited", "change"),
    [
        (("--chunk-size", "60", "--overlap", "20"), False, "the context before each chunk"),
        (("--chunk-size", "120", "--overlap", "0"), False, "where the text is cut"),
        (("--chunk-size", "120", "--overlap", "0"), True, "the text, and where the text is cut"),
        (SIX, True, "the text"),
        ((*SIX, "--language", "de"), True, "the text"),
    ],
)
def test_a_refusal_tells_an_edit_from_another_cut(
    lecture: Folder, options: tuple[str, ...], is_edited: bool, change: str
) -> None:
    """Who changed an option alone does not look for an edit of the text; run and plan agree."""
    command = lecture.command()
    lecture.run("run", "lecture.txt", *SIX, *command)
    if is_edited:
        lecture.write("lecture.txt", lecture.read("lecture.txt").replace("Paragraph 2", "Passage 2"))
    refused = lecture.run("run", "lecture.txt", *options, *command, code=2).stderr
    assert f"  {change}" in refused.splitlines()
    planned = lecture.run("plan", "lecture.txt", *options, *command).stdout
    assert change in [line.removeprefix("  changed").strip() for line in planned.splitlines()]


def test_planning_touches_nothing(lecture: Folder) -> None:
    """Whatever the answer is, every file stays as it is, down to its times."""
    lecture.run("run", "lecture.txt", *SIX, *lecture.command(FAILS_ONCE), code=1)
    before = contents(lecture)
    for words in (["--fresh"], ["--model", "m"], ["--model", "m", "--on-change", "restart"], []):
        lecture.run("plan", "lecture.txt", *SIX, *words, "--", *lecture.command(FAILS_ONCE)[1:])
    assert {name: value for name, value in contents(lecture).items() if name != "command.py"} == {
        name: value for name, value in before.items() if name != "command.py"
    }


@pytest.mark.slow
def test_a_plan_takes_a_state_file_into_account(lecture: Folder) -> None:
    """Where only the state file is left, a run would take it in: the plan knows, and leaves it alone."""
    lecture.run("run", "lecture.txt", *SIX)
    for name in lecture.files() - {"lecture.txt", ".processing_state.json"}:
        (lecture.path / name).unlink()
    before = contents(lecture)
    assert lecture.json("plan", "lecture.txt", *SIX)["plans"][0]["kept"] == 6
    assert contents(lecture) == before


@each_case(
    ("words", "message"),
    [
        (["missing.txt"], "missing.txt: no such file"),
        (["https://x.org/a//b.txt"], "https://x.org/a//b.txt is an address; give the path of a local file."),
        (["lecture.txt", "--overlap", "20001"], "--overlap"),
        (["lecture.txt", "--store", "nowhere/x.db"], "nowhere"),
        (["lecture.txt", "--store", "lecture.txt"], "lecture.txt"),
        (["lecture.txt", "--", "curl", "-H", "Authorization: Bearer abcdef0123456789abcdef"], "secret"),
    ],
)
def test_what_run_would_refuse_is_refused(lecture: Folder, words: list[str], message: str) -> None:
    """Exit 2, the same message, and no file is made."""
    before = lecture.files()
    assert message in lecture.run("plan", *words, code=2).stderr
    assert lecture.files() == before


# -- chunks and errors


def test_chunks_are_shown_in_order_and_neighbours_together(troubled: tuple[Folder, str]) -> None:
    """Each chunk is in one row; those that a person wants to tell apart have one of their own."""
    folder, job_id = troubled
    lines = [line.split() for line in folder.run("chunks", job_id).stdout.splitlines()]
    assert [line[:3] for line in lines[1:]] == [
        ["0-1", "2", "completed"],
        ["2", "1", "failed"],
        ["3", "1", "pending"],
        ["4-5", "2", "pending"],
    ]
    data = folder.json("chunks", job_id[:8], "--status", "failed")
    assert data["counts"] == {
        "pending": 3,
        "to-redo": 0,
        "running": 0,
        "completed": 2,
        "failed": 1,
        "in-doubt": 0,
    }
    assert [(row["start"], row["stop"], row["attempt"]) for row in data["chunks"]] == [(2, 3, 3)]
    assert "has no chunk that is running" in folder.run("chunks", job_id, "--status", "running").stderr


def test_a_narrow_screen_cuts_only_the_error(troubled: tuple[Folder, str]) -> None:
    """What tells the chunks apart is whole, however long the errors are."""
    folder, job = troubled
    wide, narrow = (folder.run("chunks", job, COLUMNS=width).stdout.splitlines() for width in ("120", "56"))
    assert [line[:40].split() for line in narrow] == [line[:40].split() for line in wide]
    assert all(len(line) <= 56 for line in narrow)
    assert any(line.endswith("..") for line in narrow)


@pytest.mark.slow
def test_a_million_chunks_are_a_few_rows(folder: Folder) -> None:
    """Adjacent chunks of equal status share a row, however many they are."""
    state = ProcessingState(file_name="big.txt", total_chunks=1_000_000, completed_chunks=list(range(300_000)))
    folder.write("state.json", state.to_json())
    folder.run("import", "state.json")
    assert len(folder.run("chunks", state.job_id).stdout.splitlines()) == 3


def test_errors_are_shown_whole(troubled: tuple[Folder, str]) -> None:
    """Every line of the last error, how often it was tried, and whether the next run tries it again."""
    folder, job_id = troubled
    shown = folder.run("errors", job_id).stdout
    assert "chunk 2  failed  3 tries, just now\n  | no luck\n  | at all\n" in shown
    assert "chunk 3  failed, tried again by the next run  1 try, just now\n  | ValueError: once\n" in shown
    assert [record["chunk_index"] for record in folder.json("errors", job_id)["errors"]] == [2, 3]


def test_a_job_without_errors_says_so(lecture: Folder) -> None:
    """A notice, and an empty list for programs."""
    lecture.run("run", "lecture.txt")
    job_id = lecture.json("show")["job_id"]
    assert "no chunk that failed or is in doubt" in lecture.run("errors", job_id).stderr
    assert lecture.json("errors", job_id)["errors"] == []


def test_reading_commands_touch_nothing(troubled: tuple[Folder, str]) -> None:
    """Looking at trouble leaves every file as it is, down to its times."""
    folder, job_id = troubled
    before = contents(folder)
    for words in (["chunks", job_id], ["errors", job_id], ["list"], ["show"]):
        folder.run(*words)
        folder.run(*words, "--json")
    assert contents(folder) == before


# -- retry


def test_retry_frees_the_chunks_that_are_named(troubled: tuple[Folder, str]) -> None:
    """What is not failed is not touched, and how many were freed is said."""
    folder, job_id = troubled
    assert "none of these chunks of job" in folder.run("retry", job_id, 0, 3).stderr
    assert "FAILED" in folder.run("list").stdout
    assert "1 chunk of job" in folder.run("retry", job_id, 2).stderr
    assert "FAILED" not in folder.run("list").stdout
    said = folder.run("retry", job_id).stderr
    assert "has used up its tries: nothing to free; the next run does what is left" in said


def test_a_chunk_that_is_not_there_is_an_error(troubled: tuple[Folder, str]) -> None:
    """A chunk that is not there ends with exit code 2, and nothing is freed."""
    folder, job_id = troubled
    assert "99 is not a chunk of job" in folder.run("retry", job_id, 2, 99, code=2).stderr
    assert folder.json("show")["failed_chunks"] == 1


@each_case("words", [["chunks", "x"], ["errors", "x"], ["retry", "x"], ["pause", "x"]])
def test_without_a_store_none_is_made(folder: Folder, words: list[str]) -> None:
    """Exit 2, and the file that was looked for is named."""
    assert ".processing_state.db" in folder.run(*words, code=2).stderr
    assert folder.files() == set()
