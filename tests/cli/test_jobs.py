"""The commands that look at jobs and carry them about."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from each_case import each_case

from checkpoint_store import ProcessingState

from .conftest import SIX, Folder, write_lecture
from .test_run import FAILS_ONCE


@pytest.fixture(scope="module")
def half_done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a job that failed at the fourth of six chunks; made once, and only ever copied."""
    folder = write_lecture(Folder(tmp_path_factory.mktemp("half")))
    folder.run("run", "lecture.txt", *SIX, "--title", "[b]A talk[/b]", *folder.command(FAILS_ONCE), code=1)
    return folder.path


@pytest.fixture
def half(half_done: Path, tmp_path: Path) -> Folder:
    """A copy of that folder."""
    return Folder(Path(shutil.copytree(half_done, tmp_path, dirs_exist_ok=True)))


def job_id(folder: Folder) -> str:
    """Return the newest job's id."""
    return folder.json("show")["job_id"]


def contents(folder: Folder) -> dict[str, tuple[bytes, int]]:
    """Return the bytes and times of every file."""
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.path.iterdir() if path.is_file()}


def test_list_shows_each_job_on_a_line(half: Folder) -> None:
    """``list`` prints a line for each job, the newest first: enough of its id, its file and its progress."""
    half.write("alpha.txt", "Alpha.")
    half.run("run", "alpha.txt")
    header, first, second = half.run("list").stdout.splitlines()
    assert header.split() == ["JOB", "FILE", "STATUS", "DONE", "RATE", "TIME", "LEFT", "UPDATED"]
    assert first.split()[1:5] == ["alpha.txt", "completed", "1/1", "100%"]
    assert second.split()[1:5] == ["lecture.txt", "failed", "3/6", "50%"]
    assert half.run("show", second.split()[0]).stdout.startswith("lecture.txt\n")


def test_list_names_jobs_by_as_much_as_tells_them_apart(folder: Folder) -> None:
    """Ids that begin alike are shown longer."""
    state = ProcessingState(file_name="a.txt", total_chunks=1)
    for last in "12":
        one = state.replace(job_id=f"12345678-1234-4234-8234-12345678123{last}")
        folder.write("state.json", one.to_json())
        folder.run("import", "state.json")
    shown = [line.split()[0] for line in folder.run("list").stdout.splitlines()[1:]]
    assert sorted(shown) == [f"12345678-1234-4234-8234-12345678123{last}" for last in "12"]


def test_a_narrow_screen_cuts_only_the_name(half: Folder) -> None:
    """At 80 columns every other column of the table is whole."""
    half.path.joinpath("a" * 100 + ".txt").write_text("Alpha.")
    half.run("run", "a" * 100 + ".txt")
    lines = half.run("list", COLUMNS="80").stdout.splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert all(line.rstrip().endswith(("just now", "min ago")) for line in lines[1:])
    assert "..aaaa" in lines[1]
    assert "aaa.txt  completed" in lines[1]


@pytest.mark.parametrize("width", [40, 50])
def test_a_narrower_screen_goes_without_a_column(half: Folder, width: int) -> None:
    """The id, the status and what is done are whole: they are what one types and looks for."""
    header, line = half.run("list", COLUMNS=str(width)).stdout.splitlines()
    job = half.json("show")
    assert line.split()[:4] == [job["job_id"][:8], "lecture.txt", "failed", "3/6"]
    assert "RATE" not in header
    assert len(line) <= width


def test_show_says_where_the_job_stands(half: Folder) -> None:
    """Status, share, totals, plan, the last error with what COMMAND said, and the map; nothing of it is markup."""
    shown = half.run("show").stdout
    assert "  status   failed\n" in shown
    assert "  title    [b]A talk[/b]\n" in shown
    assert "  done     3 of 6 chunks, 50%\n" in shown
    assert "characters_in 117" in shown
    assert "ended with exit code 7" in shown
    assert "line 19" in shown
    assert "  ███···\n" in shown


def test_show_gives_programs_the_same(half: Folder) -> None:
    """``show --json`` gives a program everything that the screen has."""
    data = half.json("show", job_id(half)[:6])
    assert data["completed_ranges"] == [[0, 3]]
    assert data["totals"]["characters_in"] == 117
    assert (data["status"], data["percent"], data["video_title"]) == ("failed", 50.0, "[b]A talk[/b]")


def test_results_come_as_text(half: Folder) -> None:
    """``results`` prints the texts in the order of the chunks, with a blank line between two."""
    text = half.run("results", job_id(half)).stdout
    assert text == "\n".join(f"PARAGRAPH {number} SAYS ONE THING AND ANOTHER.\n" for number in range(3))


@pytest.mark.slow
def test_results_of_a_job_that_is_not_complete_say_so(half: Folder) -> None:
    """On stderr: a file into which they go does not look whole. Those of a complete job need no word."""
    notice = f"not all results: 3 of the 6 chunks of job {job_id(half)[:8]} have a result\n"
    assert half.run("results").stderr == half.run("results", "--json").stderr == notice
    assert "(3 of 6 chunks completed)" in half.run("export", "lecture.txt", "job.json").stderr
    half.write("mended", "")
    half.run("run", "lecture.txt", *SIX, *half.command(FAILS_ONCE))
    assert half.run("results").stderr == ""
    half.run("redo", "lecture.txt", "2")
    assert half.run("results").stderr.startswith("1 chunk is to be done again; it keeps its earlier result")


def test_results_come_as_json(half: Folder) -> None:
    """``results --json`` prints an array with the index of each chunk; ``--field`` prints that field by its name."""
    results = half.json("results", job_id(half))
    assert [item["chunk_index"] for item in results] == [0, 1, 2]
    assert results[0]["result"]["cleaned_text"].startswith("PARAGRAPH 0")
    sizes = half.json("results", job_id(half), "--field", "characters_in")
    assert sizes[2] == {"chunk_index": 2, "characters_in": 39}


@pytest.mark.slow
def test_a_field_that_is_not_there_is_an_error(half: Folder) -> None:
    """``results --field`` refuses a field that no result has, and names the fields of the results."""
    done = half.run("results", job_id(half), "--field", "cost", code=2)
    assert "has no field 'cost'; it has: chunk_index, cleaned_text" in done.stderr


def test_results_of_any_kind_are_printed(folder: Folder) -> None:
    """A library's job may have any JSON values as its results."""
    state = ProcessingState(
        file_name="a", total_chunks=3, completed_chunks=(0, 1, 2), processed_results=("text", {"a": 1}, None)
    )
    folder.write("state.json", state.to_json())
    folder.run("import", "state.json")
    assert folder.run("results", state.job_id).stdout == 'text\n\n{"a": 1}\n\nnull\n'
    folder.write("empty.json", ProcessingState(job_id="0" * 36, file_name="b", total_chunks=3).to_json())
    folder.run("import", "empty.json")
    assert folder.json("results", "000") == []


def test_a_reader_that_has_seen_enough_is_no_error(folder: Folder) -> None:
    """``results JOB | head`` ends without a word."""
    state = ProcessingState(
        file_name="a", total_chunks=50, completed_chunks=list(range(50)), processed_results=["x" * 10_000] * 50
    )
    folder.write("state.json", state.to_json())
    folder.run("import", "state.json")
    process = folder.process("results", state.job_id)
    process.stdout.read(10)
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait() == 141


@pytest.mark.slow
def test_export_and_import_carry_a_job_over(half: Folder, tmp_path_factory: pytest.TempPathFactory) -> None:
    """An exported job, in a file or on stdout, is imported into another store as that job, and goes on there."""
    half.run("export", job_id(half), "job.json")
    assert json.loads(half.run("export", job_id(half)).stdout) == json.loads(half.read("job.json"))
    assert half.run("export", job_id(half), "-").stdout == half.run("export", job_id(half)).stdout
    assert not (half.path / "-").exists()
    other = Folder(tmp_path_factory.mktemp("other"))
    other.write("job.json", half.read("job.json"))
    other.run("import", "job.json")
    mine, theirs = half.json("results", job_id(half)), other.json("results", job_id(other))
    assert (theirs, job_id(other)) == (mine, job_id(half))
    other.write("lecture.txt", half.read("lecture.txt"))
    other.write("mended", "")
    report = other.json("run", "lecture.txt", *SIX, *other.command(FAILS_ONCE))
    assert (report["jobs"][0]["done_before"], report["jobs"][0]["done_now"]) == (3, 3)


def test_export_replaces_an_older_export_and_nothing_else(half: Folder) -> None:
    """A slip of the hand does not cost the input."""
    half.run("export", job_id(half), "job.json")
    half.run("export", job_id(half), "job.json")
    before = half.read("lecture.txt")
    assert "is no state file" in half.run("export", job_id(half), "lecture.txt", code=2).stderr
    assert half.read("lecture.txt") == before


def test_import_refuses_what_is_no_state(folder: Folder) -> None:
    """``import`` refuses a file that is no state with the field at fault, and makes no job."""
    folder.write("bad.json", '{"version": "1.0", "file_name": 7}')
    done = folder.run("import", "bad.json", code=2)
    assert "bad.json" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.slow
def test_a_warning_is_a_notice(folder: Folder) -> None:
    """What the library warns of is said in one line, without file names and line numbers of Python."""
    state = ProcessingState(file_name="a", total_chunks=1, config={"api_key": "abcdef"})
    folder.write("state.json", state.to_json())
    process = folder.process("import", "state.json", "--json", warnings="default")
    stdout, stderr = process.communicate()
    assert json.loads(stdout)["config"] == {"api_key": "[redacted]"}
    assert [line.startswith("checkpoint-store: the state of job") for line in stderr.splitlines()] == [True]


def test_delete_says_first_and_does_it_when_told(half: Folder) -> None:
    """Without --yes nothing is changed; with it nothing is left."""
    job, before = job_id(half), contents(half)
    done = half.run("delete", job[:8])
    assert f"would delete job {job[:8]} (lecture.txt, failed) and its 3 results" in done.stderr
    assert contents(half) == before
    assert half.json("delete", job[:8], "--yes")["deleted"] is True
    assert half.json("list")["jobs"] == []


@pytest.mark.slow_variants
@pytest.mark.parametrize("words", [["show", "no"], ["results", "no"], ["export", "no"], ["delete", "no", "--yes"]])
def test_a_job_that_is_not_there_is_named(half: Folder, words: list[str]) -> None:
    """Exit 2, one line, and what to do."""
    assert "'no' is not a job" in half.run(*words, code=2).stderr


READING = (
    ["list"],
    ["datasette-metadata"],
    ["show"],
    ["results", "x"],
    ["export", "x"],
    ["delete", "x"],
    ["path"],
    ["migrate", "--check"],
)


@each_case("words", READING, ids=lambda words: words[0])
@each_case("as_json", [False, True])
def test_reading_touches_nothing(half: Folder, words: list[str], as_json: bool) -> None:
    """No file is made, written or even touched by a command that reads."""
    words = [job_id(half) if word == "x" else word for word in words]
    before = contents(half)
    half.run(*words, *(["--json"] if as_json else []))
    assert contents(half) == before


@each_case("words", READING, ids=lambda words: words[0])
def test_reading_without_a_store_makes_none(folder: Folder, words: list[str]) -> None:
    """A reading command without a store creates no file, names the file it looked for, and says how to begin."""
    done = folder.run(*words, code=0 if words == ["path"] else 2)
    assert ".processing_state.db" in done.stdout + done.stderr
    assert words == ["path"] or "begin one with: checkpoint-store run FILE" in done.stderr
    assert folder.files() == set()


@pytest.mark.parametrize("words", [["list"], ["show"], ["results", "x"]], ids=lambda words: words[0])
def test_what_is_no_store_is_refused(folder: Folder, words: list[str]) -> None:
    """Any other file is named, and left as it is."""
    folder.write("notes.txt", "not a database " * 100)
    assert "notes.txt" in folder.run(*words, "--store", "notes.txt", code=2).stderr
    assert folder.files() == {"notes.txt"}


def test_an_empty_store_says_how_to_begin(half: Folder) -> None:
    """A store without jobs says how to begin one, and prints no empty table."""
    half.run("delete", job_id(half), "--yes")
    done = half.run("list")
    assert done.stdout == ""
    assert "begin one with: checkpoint-store run FILE" in done.stderr
    assert "begin one with" in half.run("show", code=2).stderr


@pytest.mark.slow
def test_a_million_chunks_are_shown(folder: Folder) -> None:
    """The map and the list of a job of that size come from ranges and counters, not from results."""
    state = ProcessingState(file_name="big.txt", total_chunks=1_000_000, completed_chunks=list(range(0, 300_000, 2)))
    folder.write("state.json", state.to_json())
    folder.run("import", "state.json")
    shown = folder.run("show", COLUMNS="80").stdout
    assert "150,000 of 1,000,000 chunks, 15%" in shown
    assert max(map(len, shown.splitlines()[-5:])) <= 80
    assert "150,000/1,000,000" in folder.run("list").stdout


def test_the_state_of_a_job_is_what_the_library_reads(half: Folder) -> None:
    """What export prints is a ProcessingState."""
    state = ProcessingState.from_json(half.run("export", job_id(half)).stdout)
    assert (state.completed_chunks, state.status) == ([0, 1, 2], "failed")
    assert json.loads(half.read(".processing_state.json")) == state.to_dict()


def test_a_later_schema_is_refused(half: Folder) -> None:
    """Every command refuses a store of a newer schema with its version, and touches nothing."""
    with closing(sqlite3.connect(half.path / ".processing_state.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '99.0'")
    connection.close()
    before = contents(half)
    for words in (["list"], ["migrate"], ["migrate", "--check"], ["run", "lecture.txt"]):
        assert "99.0" in half.run(*words, code=2).stderr
    assert contents(half) == before
    assert Path(half.path / "lecture.txt").exists()
