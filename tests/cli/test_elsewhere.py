"""The command says what the store has under another name or setting, and takes it where it is told to."""

from __future__ import annotations

import pytest

from .conftest import LOGGING_COMMAND, SIX, Folder

PLACE = "under another name or setting"


def calls(folder: Folder) -> int:
    path = folder.path / "calls.log"
    return len(path.read_text().splitlines()) if path.exists() else 0


def test_a_copied_input_says_one_line_and_reuse_takes_its_results(lecture: Folder) -> None:
    """Six chunks were paid for under the first name; the copy says so, and costs nothing with reuse."""
    command = lecture.command(LOGGING_COMMAND)
    assert PLACE not in lecture.run("run", "lecture.txt", *SIX, *command).stderr
    lecture.write("copy.txt", lecture.read("lecture.txt"))
    plan = lecture.json("plan", "copy.txt", *SIX, *command)["plans"][0]
    assert (plan["action"], plan["kept_elsewhere"]) == ("new", 6)
    assert f"results for 6 of its chunks {PLACE}" in lecture.run("plan", "copy.txt", *SIX, *command).stdout
    done = lecture.run("run", "copy.txt", *SIX, "--on-change", "reuse", *command)
    assert (PLACE in done.stderr, calls(lecture)) == (False, 6)
    assert lecture.read("copy.cleaned.txt") == lecture.read("lecture.cleaned.txt")
    lecture.write("other.txt", lecture.read("lecture.txt"))
    said = lecture.run("run", "other.txt", *SIX, *command).stderr
    assert said.count(f"other.txt: the store has results for 6 of its chunks {PLACE}") == 1
    assert calls(lecture) == 12


@pytest.mark.slow
def test_a_copied_input_with_another_command_names_the_option_that_takes_its_results(lecture: Folder) -> None:
    """The copy is done by another COMMAND: reuse alone takes nothing, and the note has the line that takes them all."""
    lecture.run("run", "lecture.txt", *SIX, *lecture.command(LOGGING_COMMAND))
    lecture.write("copy.txt", lecture.read("lecture.txt"))
    other = ("copy.txt", *SIX, "--", "cat")
    said = lecture.run("plan", *other).stdout
    words = "--on-change reuse --reuse-ignoring config.cleaner"
    assert f"{words} those that differ in nothing else" in said
    assert lecture.json("plan", *other)["plans"][0]["other_settings"] == ["config.cleaner"]
    report = lecture.json("run", "copy.txt", *SIX, *words.split(), "--", "cat")
    assert (report["jobs"][0]["completed_chunks"], calls(lecture)) == (6, 6)
    assert lecture.read("copy.cleaned.txt") == lecture.read("lecture.cleaned.txt")


@pytest.mark.slow
def test_results_that_two_changes_are_away_are_offered_with_all_that_differs(lecture: Folder) -> None:
    """The model was changed, and then the prompt: the line that keeps everything names both, and can be typed."""
    command = lecture.command(LOGGING_COMMAND)
    lecture.run("run", "lecture.txt", *SIX, "--model", "a", *command)
    reuse = ["--on-change", "reuse", "--reuse-ignoring", "model"]
    lecture.write("lecture.txt", lecture.read("lecture.txt") + "\n\nParagraph 6 is new, and says one thing.")
    lecture.run("run", "lecture.txt", *SIX, "--model", "b", *reuse, *command)
    assert calls(lecture) == 7
    other = ("run", "lecture.txt", *SIX, "--model", "b", "--language", "de")
    said = lecture.run(*other, *command, code=2).stderr
    kept = [line.strip() for line in said.partition("finds no result to keep\n")[2].splitlines()[:4]]
    assert kept == [
        "--on-change reuse --reuse-ignoring config.language",
        "keeps 1, made with other settings",
        "--on-change reuse --reuse-ignoring config.language --reuse-ignoring model",
        "keeps 7, made with other settings",
    ]
    lecture.run(*other, *kept[2].split(), *command)
    assert calls(lecture) == 7


@pytest.mark.slow
def test_another_model_is_refused_and_may_be_ignored(lecture: Folder) -> None:
    """The refusal says how many results --reuse-ignoring keeps; with it they are kept, and the way on is the plain one."""
    command = lecture.command(LOGGING_COMMAND)
    lecture.run("run", "lecture.txt", *SIX, "--model", "a", *command)
    said = lecture.run("run", "lecture.txt", *SIX, "--model", "b", *command, code=2).stderr
    assert "finds no result to keep" in said
    assert "  --on-change reuse --reuse-ignoring model\n" + " " * 23 + "keeps 6, made with other settings\n" in said
    reuse = ("--on-change", "reuse", "--reuse-ignoring", "model")
    lecture.run("run", "lecture.txt", *SIX, "--model", "b", *reuse, *command)
    assert calls(lecture) == 6
    said = lecture.run("run", "lecture.txt", *SIX, "--model", "c", "--on-change", "reuse", *command).stderr
    assert (said.count(PLACE), calls(lecture)) == (1, 12)
    wrong = lecture.run(
        "run", "lecture.txt", *SIX, "--on-change", "reuse", "--reuse-ignoring", "modl", *command, code=2
    )
    assert "--reuse-ignoring modl is none of 'model', 'provider', 'config', 'config.KEY' and 'chunks'" in wrong.stderr
