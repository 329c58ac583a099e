"""What the output never replaces, and what is found before the first call."""

from __future__ import annotations

import os
import stat
import sys

import pytest

from checkpoint_store import CheckpointStore

from .conftest import SIX, Folder

NOTES = "My own notes.\n"


@pytest.mark.parametrize("force", [[], ["--force"]])
@pytest.mark.parametrize("output", [[], ["--output", "link.txt"]])
@pytest.mark.parametrize("target", ["thesis.txt", "nowhere.txt"])
def test_a_link_is_not_followed(lecture: Folder, target: str, output: list[str], force: list[str]) -> None:
    """What a symbolic link names is somebody else's file: nothing is paid, written or made, also with --force."""
    lecture.write("thesis.txt", NOTES)
    name = output[-1] if output else "lecture.cleaned.txt"
    lecture.path.joinpath(name).symlink_to(target)
    before = lecture.files()
    done = lecture.run("run", "lecture.txt", *SIX, *output, *force, *lecture.command(), code=2)
    assert f"{name} is a symbolic link to {target}; name the file itself with --output" in done.stderr
    assert (lecture.read("thesis.txt"), lecture.calls()) == (NOTES, [])
    assert lecture.files() == before | {"command.py"}


@pytest.mark.slow
def test_a_link_that_is_put_there_meanwhile_is_not_followed(lecture: Folder) -> None:
    """The results are safe, and what the link names is as it was."""
    lecture.write("thesis.txt", NOTES)
    source = "import os; os.path.lexists('lecture.cleaned.txt') or os.symlink('thesis.txt', 'lecture.cleaned.txt'); print('x')"
    done = lecture.run("run", "lecture.txt", *SIX, "--force", *lecture.command(source), code=2)
    assert "is a symbolic link" in done.stderr
    assert lecture.read("thesis.txt") == NOTES
    assert lecture.json("show")["completed_chunks"] == 6


@pytest.mark.slow
def test_the_folder_may_be_a_link(lecture: Folder) -> None:
    """A folder of texts that lies elsewhere is as good as any."""
    lecture.path.joinpath("texts").mkdir()
    lecture.path.joinpath("link").symlink_to("texts")
    for _ in range(2):
        lecture.run("run", "lecture.txt", "--output", "link/out.txt", "--fresh")
    assert lecture.read("texts/out.txt").startswith("Paragraph 0")


@pytest.mark.slow
def test_an_output_of_a_deleted_job_is_replaced_no_more(lecture: Folder) -> None:
    """What cannot be had again from the store is not replaced; and no line about it is left in the store's files."""
    lecture.run("run", "lecture.txt", *SIX)
    lecture.run("run", "lecture.txt", *SIX, "--output", "other.txt")
    lecture.run("delete", lecture.json("show")["job_id"], "--yes")
    assert lecture.read(".processing_state.outputs") == ""
    done = lecture.run("run", "lecture.txt", *SIX, *lecture.command(), code=2)
    assert "was not made from lecture.txt here" in done.stderr
    assert lecture.calls() == []


@pytest.mark.slow
def test_a_deleted_job_takes_no_other_jobs_lines_along(lecture: Folder) -> None:
    """The output of a job that is still there is replaced by the next run as before."""
    lecture.write("other.txt", "Other.")
    for name in ("lecture.txt", "other.txt"):
        lecture.run("run", name)
    lecture.run("delete", lecture.json("show", "other.txt")["job_id"], "--yes")
    lecture.run("run", "lecture.txt", "--fresh")
    assert "was not made from" in lecture.run("run", "other.txt", "--fresh", code=2).stderr


@pytest.mark.slow
def test_a_job_that_was_deleted_by_a_program_counts_as_deleted(lecture: Folder) -> None:
    """The library knows nothing of outputs; a line about a job that is gone vouches for no file."""
    lecture.run("run", "lecture.txt", *SIX)
    with CheckpointStore(lecture.path / ".processing_state.db") as store:
        store.delete_job(store.jobs()[0].job_id)
    assert "was not made from" in lecture.run("run", "lecture.txt", *SIX, code=2).stderr


@pytest.mark.slow_variants
@pytest.mark.parametrize("bits", [0o600, 0o644, 0o664])
def test_the_output_keeps_its_mode(lecture: Folder, bits: int) -> None:
    """A text that others may read stays readable by them when it is written anew."""
    lecture.run("run", "lecture.txt", *SIX)
    path = lecture.path / "lecture.cleaned.txt"
    path.chmod(bits)
    lecture.write("lecture.txt", "Another text.")
    lecture.run("run", "lecture.txt", *SIX, "--on-change", "restart")
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("Another text.\n", bits)


@pytest.mark.slow_variants
@pytest.mark.parametrize("is_open", [True, False])
@pytest.mark.parametrize("name", ["other.db", "other.db-wal", "other.json", "other.outputs"])
def test_a_file_of_another_store_is_no_output(lecture: Folder, name: str, *, is_open: bool) -> None:
    """The other store may be in use, or not; the file may be there, or not: --force replaces nothing that was paid for."""
    other = CheckpointStore(lecture.path / "other.db")
    other.open_job("talk.srt", total_chunks=1).complete(0, "paid for")
    if not is_open:
        other.close()
    before = lecture.files()
    done = lecture.run("run", "lecture.txt", *SIX, "--output", name, "--force", *lecture.command(), code=2)
    other.close()
    assert f"{name} belongs to the store {lecture.path.resolve() / 'other.db'}" in done.stderr
    assert (lecture.files() - before, lecture.calls()) == ({"command.py"}, [])
    with CheckpointStore(lecture.path / "other.db") as store:
        assert list(store.job("talk.srt").results()) == ["paid for"]


def test_a_file_of_another_store_is_no_job_log(lecture: Folder) -> None:
    """``--joblog`` refuses a file name that belongs to another store, even if no such file exists yet."""
    CheckpointStore(lecture.path / "other.db").close()
    done = lecture.run("run", "lecture.txt", *SIX, "--joblog", "other.outputs", *lecture.command(), code=2)
    assert f"other.outputs: belongs to the store {lecture.path.resolve() / 'other.db'}" in done.stderr
    assert lecture.calls() == []


# -- plan


def test_a_plan_says_that_the_output_is_in_the_way(lecture: Folder) -> None:
    """What run would refuse before its first call is in the plan, with the remedy; --output and --force are taken."""
    lecture.write("lecture.cleaned.txt", NOTES)
    before = lecture.files()
    message = "lecture.cleaned.txt is there, and was not made from lecture.txt here; name another file with --output"
    assert message in lecture.run("plan", "lecture.txt", *SIX).stdout
    assert message in lecture.json("plan", "lecture.txt", *SIX)["plans"][0]["output_refused"]
    for words in (["--output", "other.txt"], ["--force"], ["--output", "-"]):
        assert lecture.json("plan", "lecture.txt", *SIX, *words)["plans"][0]["output_refused"] is None
    assert lecture.files() == before


@pytest.mark.slow
def test_a_plan_of_what_is_done_knows_an_edited_output(lecture: Folder) -> None:
    """Where nothing is left to do an edited output is no obstacle, and where there is, it is said."""
    lecture.run("run", "lecture.txt", *SIX)
    assert lecture.json("plan", "lecture.txt", *SIX)["plans"][0]["output_refused"] is None
    lecture.write("lecture.cleaned.txt", NOTES)
    assert lecture.json("plan", "lecture.txt", *SIX)["plans"][0]["output_refused"] is None
    lecture.write("lecture.txt", lecture.read("lecture.txt").replace("Paragraph 2", "Passage 2"))
    plan = lecture.json("plan", "lecture.txt", *SIX, "--on-change", "reuse")["plans"][0]
    assert "was edited since it was written" in plan["output_refused"]


def test_a_plan_takes_the_line_of_a_run(lecture: Folder) -> None:
    """Every option of run, so that ``run`` is all that has to be changed in the line."""
    words = ("--workers", 2, "--retries", 1, "--timeout", 5, "--max-cost", 1, "--cost", "usage.cost", "--force")
    assert "a new job" in lecture.run("plan", "lecture.txt", *SIX, *words, "--", "cat").stdout


# -- names


def test_a_long_name_works(folder: Folder) -> None:
    """80 Chinese characters: input, store and output, whose name is nearly as long as the file system takes."""
    name = "语" * 80
    folder.write(f"{name}.srt", "1\n00:00:01,000 --> 00:00:02,000\nEnglish words.\n")
    folder.run("run", f"{name}.srt")
    folder.run("run", f"{name}.srt", "--fresh")
    assert folder.read(f"{name}.cleaned.txt") == "English words.\n"


@pytest.mark.slow_variants
@pytest.mark.parametrize("output", [[], ["--output", "x" * 256]])
def test_a_name_that_does_not_fit_is_found_before_the_first_call(folder: Folder, output: list[str]) -> None:
    """The message names the file, how long it is and how long it may be; a shorter one works."""
    name = f"{'语' * 82}.txt"
    folder.write(name, "One here.")
    done = folder.run("run", name, *output, *folder.command(), code=2)
    assert "bytes, and the file system takes 255; give a shorter name with --output" in done.stderr
    assert (folder.calls(), folder.files()) == ([], {name, "command.py"})
    assert "the file system takes 255" in folder.run("plan", name, *output, code=2).stderr
    folder.run("run", name, "--output", "x" * 255, *folder.command())
    assert folder.read("x" * 255) == "ONE HERE.\n"


@pytest.mark.slow_variants
@pytest.mark.parametrize("verb", ["backup", "export"])
def test_copies_have_long_names_or_a_clear_refusal(lecture: Folder, verb: str) -> None:
    """A name that leaves room for nothing beside it is refused by name, and nothing half-made is left."""
    lecture.run("run", "lecture.txt", *SIX)
    words = ("export", "lecture.txt") if verb == "export" else ("backup",)
    lecture.run(*words, "语" * 82)
    assert "语" * 82 in lecture.files()
    before = lecture.files()
    too_long = "语" * (83 if verb == "backup" else 86)  # SQLite needs a journal beside a copy
    done = lecture.run(*words, too_long, code=2)
    assert too_long in done.stderr
    assert ("its name leaves no room" in done.stderr) == (verb == "backup")
    assert lecture.files() == before


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [b"caf\xe9.txt", b"two\nlines.txt", b'it\'s "q" $x.txt', b"-dash.txt", b"tab\t.txt", b"a b.txt", b"-"]
)
def test_odd_names_work(folder: Folder, name: bytes) -> None:
    """Bytes that are no UTF-8, line ends, quotes, a dash in front: run, again, look, and go on with the printed line."""
    odd = os.fsdecode(name)
    folder.write(odd, "One here.\n\nTwo here.")
    typed = f"./{odd}" if odd.startswith("-") else odd
    script = 'test -f "$CHECKPOINT_STORE_FILE" && test -e ready && cat'
    done = folder.run("run", typed, "--chunk-size", 12, "--", "sh", "-c", script, code=1)
    folder.write("ready", "")
    line = done.stderr[done.stderr.index("run ", done.stderr.index("go on with:")) :].rstrip("\n")
    assert "\n" not in line
    process = folder.process(args=["bash", "-c", f"{sys.executable} -m checkpoint_store {line}"])
    _, stderr = process.communicate()
    assert process.returncode == 0, stderr
    stem = odd.removesuffix(".txt")
    assert folder.read(f"{stem}.cleaned.txt") == "One here.\n\nTwo here.\n"
    for words in (["list"], ["show"], ["show", *(["--"] if odd.startswith("-") else []), odd], ["list", "--json"]):
        if odd != "-":
            folder.run(*words)
    assert len(folder.json("list")["jobs"]) == 1


@pytest.mark.slow
@pytest.mark.parametrize("words", [["run", "-talk.txt"], ["export", "lecture.txt", "-x.json"], ["backup", "-x.db"]])
def test_a_dash_in_front_is_explained(lecture: Folder, words: list[str]) -> None:
    """What was taken for options and looks like a file: the message shows how to write it, and that works."""
    lecture.run("run", "lecture.txt")
    lecture.write("-talk.txt", "One.")
    done = lecture.run(*words, code=2)
    assert f"To name the file {words[-1]}, write ./{words[-1]}\n" in done.stderr
    lecture.run(*words[:-1], f"./{words[-1]}")


def test_a_store_whose_name_is_no_text_is_refused(lecture: Folder) -> None:
    """The message is one line, and nothing is made."""
    before = lecture.files()
    assert "must be UTF-8" in lecture.run("run", "lecture.txt", "--store", os.fsdecode(b"caf\xe9.db"), code=2).stderr
    assert lecture.files() == before


@pytest.mark.parametrize("words", [[], ["--joblog", "elsewhere/log.tsv", "--output", "-"]], ids=["output", "joblog"])
def test_a_read_only_file_system_is_no_lack_of_permission(
    lecture: Folder, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    """The message says what is the matter before the first call: no chmod helps."""
    (lecture.path / "elsewhere").mkdir()
    access, values = os.access, list(os.statvfs(lecture.path))
    values[8] |= os.ST_RDONLY
    monkeypatch.setattr(os, "access", lambda path, mode, **more: not mode & os.W_OK and access(path, mode, **more))
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result(values))
    said = lecture.run("run", "lecture.txt", *words, code=2).stderr
    assert f"the file system of {'elsewhere' if words else '.'} is read-only" in said
    assert "permission" not in said


# -- jobs by the name of their file


def test_a_job_is_named_by_its_file(lecture: Folder) -> None:
    """pause, show, errors and the others take the name of the file for its newest job."""
    lecture.run("run", "lecture.txt", *SIX, *lecture.command("raise SystemExit(3)"), code=1)
    lecture.run("run", "lecture.txt", *SIX, "--fresh", *lecture.command("raise SystemExit(3)"), code=1)
    newest = lecture.json("show")["job_id"]
    assert lecture.json("pause", "lecture.txt") == {"job_id": newest, "status": "paused", "running_chunks": 0}
    for words in (["show"], ["errors"], ["chunks"], ["retry"]):
        assert lecture.json(*words, "lecture.txt")["job_id"] == newest
    done = lecture.run("show", "other.txt", "--store", ".processing_state.db", code=2)
    assert f"checkpoint-store list --store {lecture.path}/.processing_state.db" in done.stderr
