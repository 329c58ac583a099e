"""``run`` while the service of COMMAND is away or refuses its key, and with more retries than the last time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from conftest import program

from .conftest import SIX

if TYPE_CHECKING:
    from .conftest import Folder

# Ends with a code, so often as a file says; then answers in capitals.
ENDS_WITH = program(__file__, "end_with")
# Fails at one text always.
FAILS_AT_ONE = program(__file__, "fail_at_one")


def calls(folder: Folder) -> int:
    return len((folder.path / "calls.log").read_text().splitlines())


@pytest.mark.slow
@pytest.mark.parametrize("code", [69, 75])
def test_a_command_can_say_that_its_service_is_away(lecture: Folder, code: int) -> None:
    """EX_UNAVAILABLE and EX_TEMPFAIL count against no chunk: two tries each are enough for five such ends."""
    lecture.write("failures", "5")
    report = lecture.json("run", "lecture.txt", *SIX, "--retries", 1, *lecture.command(ENDS_WITH), code)
    assert (report["jobs"][0]["done_now"], report["jobs"][0]["failed_chunks"]) == (6, 0)
    assert calls(lecture) == 6 + 5
    assert report["jobs"][0]["run"]["retries"] == {f"ended with exit code {code}": 5}


@pytest.mark.slow_variants
@pytest.mark.parametrize(("code", "meaning"), [(69, "says that a service is unavailable"), (75, "asks to try again")])
def test_such_an_end_is_told_by_its_code_and_what_it_means(lecture: Folder, code: int, meaning: str) -> None:
    """The command spoke no HTTP: nobody is told of a status 503."""
    stderr = lecture.run("run", "lecture.txt", *SIX, "--", "sh", "-c", f"exit {code}", code=1).stderr
    assert f"'sh' ended with exit code {code}, which {meaning}" in stderr


@pytest.mark.slow_variants
@pytest.mark.parametrize(
    ("code", "remedy"), [(77, "mend its key or its account"), (78, "mend its settings or its key")]
)
def test_a_command_can_say_that_each_further_call_is_in_vain(lecture: Folder, code: int, remedy: str) -> None:
    """EX_NOPERM and EX_CONFIG end the whole run at the first call, fail no chunk, and the message says what helps."""
    lecture.write("second.txt", "Another talk.\n")
    command = ("--", "sh", "-c", f"echo x >> calls.log; test -e mended && cat || exit {code}")
    words = ("run", "lecture.txt", "second.txt", *SIX, "--retries", 1)
    for number in (1, 2):
        done = lecture.run(*words, *command, code=1)
        assert (calls(lecture), remedy in done.stderr, "second.txt  not begun" in done.stderr) == (number, True, True)
    lecture.write("mended", "")
    assert [job["done_now"] for job in lecture.json(*words, *command)["jobs"]] == [6, 1]


@pytest.mark.slow
def test_a_run_whose_chunks_all_failed_names_the_exit_code_for_an_outage(lecture: Folder) -> None:
    """Six chunks failed and none was done: a line says what COMMAND can do. Where one of six failed, no line does."""
    words, hint = ("run", "lecture.txt", *SIX, "--retries", 1, "--workers", 6), "COMMAND can end with exit code 75"
    assert hint not in lecture.run(*words, *lecture.command(FAILS_AT_ONE), code=1).stderr
    assert hint in lecture.run(*words, "--fresh", "--", "false", code=1).stderr
    assert hint not in lecture.run(*words, "--", "false", code=1).stderr  # nothing was tried


@pytest.mark.slow
def test_more_retries_give_failed_chunks_their_new_tries(lecture: Folder) -> None:
    """``--retries 9`` after ``--retries 1`` goes on trying; the same number again, or none, passes the chunk over."""
    words = ("run", "lecture.txt", *SIX)
    lecture.run(*words, "--retries", 1, *lecture.command(FAILS_AT_ONE), code=1)
    assert calls(lecture) == 5 + 2
    for options in ((), ("--retries", 1)):
        lecture.run(*words, *options, *lecture.command(FAILS_AT_ONE), code=1)
        assert calls(lecture) == 5 + 2
    lecture.run(*words, "--retries", 2, *lecture.command(FAILS_AT_ONE), code=1)
    assert calls(lecture) == 5 + 3
    lecture.write("mended", "")
    lecture.run(*words, "--retries", 9, *lecture.command(FAILS_AT_ONE))
    assert (calls(lecture), lecture.json("show")["failed_chunks"]) == (5 + 4, 0)
