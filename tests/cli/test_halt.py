"""``--halt``: failed chunks end a run soon, now, after a share of them, or never."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest
from conftest import program
from each_case import each_case

from checkpoint_store import LoopEvent
from checkpoint_store.cli.run.command.answer import AnswerReader
from checkpoint_store.cli.run.command.worker import Command
from checkpoint_store.cli.run.limits import FailureWatch, Halt
from checkpoint_store.cli.transcripts.split import TextChunk

from .conftest import SIX
from .test_interrupts import is_alive, paragraphs, until

if TYPE_CHECKING:
    from .conftest import Folder

# Exits with 3 at the paragraphs that the file "failing" names, unless the file "mended" is there.
FAILING = program(__file__, "failing")
# Paragraph 0 hangs, and the others exit with 3 once it does; all answer when the file "release" is there.
ONE_HANGS = program(__file__, "one_hangs")
WORDS = ("run", "lecture.txt", *SIX)


def failing(folder: Folder, *numbers: int) -> list[str]:
    """Return a COMMAND that fails at these paragraphs."""
    folder.write("failing", " ".join(map(str, numbers)))
    return folder.command(FAILING)


@pytest.mark.slow
def test_soon_begins_nothing_more(lecture: Folder) -> None:
    """The first chunk that has used up its tries ends the run; what was begun before is done, and the rest is left."""
    command = failing(lecture, *range(6))
    stderr = lecture.run(*WORDS, "--retries", 1, "--halt", "soon", *command, code=1).stderr
    job = lecture.json("show")
    assert (job["failed_chunks"], job["status"]) == (1, "failed")
    calls = paragraphs(lecture)
    assert calls.count(calls[-1]) == 2  # its second try was the last call of all
    assert f"1 of 6 chunks failed (--halt soon), chunk {calls[-1]}: {sys.executable!r} ended with exit code 3" in stderr
    assert "| out of luck" in stderr
    assert "--retries 1 --halt soon" in stderr
    assert "free with checkpoint-store retry" not in stderr  # the last line does that
    name = job["job_id"][:8]
    assert f"try again with:  checkpoint-store retry {name} && python3 -m checkpoint_store run lecture.txt" in stderr


def test_a_number_of_failures(lecture: Folder) -> None:
    """With soon,fail=2 the second failed chunk ends the run; resume has the rest done, by the same rule."""
    command = failing(lecture, 1, 3)
    report = lecture.json(*WORDS, "--halt", "soon,fail=2", *command, code=1)["jobs"][0]
    assert paragraphs(lecture) == [0, 1, 2, 3]
    assert (report["halted"], report["failed_chunks"], report["completed_chunks"]) == (True, 2, 2)
    lecture.run("resume", code=1)
    assert paragraphs(lecture) == [0, 1, 2, 3, 4, 5]
    lecture.write("mended", "")
    lecture.run("resume", "--failed")
    assert lecture.json("show")["status"] == "completed"


@pytest.mark.slow
@pytest.mark.parametrize("halt", ["now", "now,fail=1", "now,fail=2"])
def test_now_kills_what_is_in_hand(lecture: Folder, halt: str) -> None:
    """COMMAND is ended at once; its chunk is in doubt, which is said, has used up no try, and is done again."""
    command = lecture.command(ONE_HANGS)
    stderr = lecture.run(*WORDS, "--workers", 2, "--halt", halt, *command, code=1).stderr
    until(lambda: not is_alive(int(lecture.read("hanging"))))
    assert f"--halt {halt} stops the 1 chunk in hand, which may be billed all the same" in stderr
    assert "1 in doubt: begun and never ended, possibly billed" in stderr
    assert "ended with exit code 3" in stderr
    job = lecture.json("show")
    failed = 2 if halt == "now,fail=2" else 0  # without retries a failure that ends the run counts against no chunk
    assert (job["in_doubt_chunks"], job["failed_chunks"], job["status"]) == (1, failed, "failed")
    lecture.write("release", "")
    lecture.run("resume", "--failed")
    assert lecture.json("show")["status"] == "completed"


@pytest.mark.slow
def test_a_share_of_the_chunks(folder: Folder) -> None:
    """With 25% of 12 chunks the third failure ends the run; two failures do not."""
    folder.write("long.txt", "\n\n".join(f"Paragraph {number} says one thing and another." for number in range(12)))
    command = failing(folder, 0, 1, 5, 7)
    stderr = folder.run("run", "long.txt", *SIX, "--halt", "25%", *command, code=1).stderr
    assert paragraphs(folder) == [0, 1, 2, 3, 4, 5]
    assert "3 of 12 chunks failed (--halt 25%), the last was chunk 5: " in stderr


@pytest.mark.slow
@pytest.mark.parametrize(("share", "failures", "calls"), [("20%", 2, 6), ("50%", 3, 3), ("51%", 3, 6)])
def test_few_failures_are_no_share(lecture: Folder, share: str, failures: int, calls: int) -> None:
    """Two failed chunks end no run, whatever share of a short file they are; the share itself counts."""
    lecture.run(*WORDS, "--halt", share, *failing(lecture, *range(failures)), code=1)
    assert paragraphs(lecture) == list(range(calls))


@pytest.mark.slow
def test_never_goes_on(lecture: Folder) -> None:
    """``--halt never`` does all other chunks, even without retries."""
    lecture.run(*WORDS, "--halt", "never", *failing(lecture, 1), code=1)
    job = lecture.json("show")
    assert (job["completed_chunks"], job["failed_chunks"]) == (5, 1)


@pytest.mark.slow_variants
@pytest.mark.parametrize("words", [(), ("--halt", "soon")])
def test_the_next_file(lecture: Folder, words: tuple[str, ...]) -> None:
    """With --halt no further file is begun; without it, a file that fails holds up no other one."""
    lecture.write("other.txt", "Paragraph 9 is all.")
    stderr = lecture.run("run", "lecture.txt", "other.txt", *SIX, *words, *failing(lecture, 0), code=1).stderr
    assert ("other.txt  not begun" in stderr) == bool(words)
    assert paragraphs(lecture) == ([0] if words else [0, 9])


def test_what_is_in_hand_is_said() -> None:
    """Who waits for a run that is halted soon reads at once what it still waits for."""
    notes: list[str] = []
    watch = FailureWatch(Halt("soon", "soon"), lambda: notes.append("killed"), notes.append)
    watch.begin(9)
    for kind, index in (("started", 0), ("started", 1), ("started", 2), ("completed", 0), ("failed", 1), ("failed", 2)):
        watch.on_event(LoopEvent(kind=kind, index=index, error="no"))
    assert notes == ["--halt soon begins nothing more, and finishes the 1 chunk in hand"]


@each_case("ends_at_first", [True, False])
def test_what_a_failed_run_waits_for_is_said(ends_at_first: bool) -> None:
    """A run that ends at its first failed chunk finishes the calls in hand, which may take long: it says so at once."""
    notes: list[str] = []
    watch = FailureWatch(None, lambda: None, notes.append, ends_at_first)
    watch.begin(9)
    for kind, index in (("started", 0), ("started", 1), ("started", 2), ("failed", 1), ("failed", 2)):
        watch.on_event(LoopEvent(kind=kind, index=index, error="no"))
    assert notes == (["chunk 1 failed; finishing the 2 chunks in hand"] if ends_at_first else [])


@pytest.mark.slow
def test_each_file_has_its_own_failures(lecture: Folder) -> None:
    """Two failed chunks in each of two files are no three failures of one file."""
    lecture.write("again.txt", "\n\n".join(reversed(lecture.read("lecture.txt").split("\n\n"))))
    lecture.run("run", "lecture.txt", "again.txt", *SIX, "--halt", "soon,fail=3", *failing(lecture, 1, 2), code=1)
    assert paragraphs(lecture) == [0, 1, 2, 3, 4, 5, 5, 4, 3, 2, 1, 0]


def test_the_share_is_that_of_the_chunks_that_are_left(lecture: Folder) -> None:
    """The share of ``--halt N%`` is that of the chunks that are left, or of ``--only``."""
    stderr = lecture.run(*WORDS, "--only", "0-3", "--halt", "75%", *failing(lecture, 0, 1, 2), code=1).stderr
    assert "3 of 4 chunks failed" in stderr
    assert paragraphs(lecture) == [0, 1, 2]


@each_case(
    "halt",
    ["later", "soon,success=1", "now,done=20%", "0%", "101%", "1", "2", "fail=1", "soon,fail=0", "soon,fail=", ""],
)
def test_another_spelling_is_an_error_that_names_ours(lecture: Folder, halt: str) -> None:
    """Another spelling ends with exit code 2, names ours, and begins nothing."""
    command = failing(lecture)
    stderr = " ".join(lecture.run(*WORDS, "--halt", halt, *command, code=2).stderr.split())
    assert "--halt" in stderr
    assert "soon,fail=3" in stderr or "more than all chunks" in stderr
    assert not lecture.calls()


def test_the_built_in_cleaner_fails_at_nothing(lecture: Folder) -> None:
    """``--halt`` without a COMMAND is refused, because the built-in cleaner fails at no chunk."""
    assert "--halt is for a COMMAND" in lecture.run(*WORDS, "--halt", "soon", code=2).stderr


def test_an_answer_that_was_there_before_the_kill_is_kept() -> None:
    """COMMAND ended well in the moment in which it was to be killed: its answer is paid for."""

    class EndedInTime(Command):
        def _communicate(self, *args: Any) -> tuple[bytes, bytes, int]:
            ended = super()._communicate(*args)
            self.kill()
            return ended

    variables = {"CHECKPOINT_STORE_CHUNK_INDEX": "0", "CHECKPOINT_STORE_FILE": "talk.txt"}
    fields, _ = EndedInTime(("cat",), AnswerReader())(TextChunk("hello"), variables)
    assert fields["cleaned_text"] == "hello"
