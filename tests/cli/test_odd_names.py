"""Files whose names are no UTF-8, or have line ends: each message is one line, and each document is JSON."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from each_case import each_case

from .conftest import SIX

if TYPE_CHECKING:
    from .conftest import Folder

ODD = "a\nb\udcff"
SHOWN = r"a\nb\xff"


def write(folder: Folder, suffix: str, data: bytes) -> str:
    """Write a file with an odd name; return the name."""
    (folder.path / f"{ODD}{suffix}").write_bytes(data)
    return f"{ODD}{suffix}"


@each_case(
    ("suffix", "data", "message"),
    [
        (".txt", b"", "is empty"),
        (".txt", b"caf\xe9", "is not UTF-8 text"),
        (".txt", b"a\0b", "is not a text file"),
        (".srt", b"1\n00:00:0x,000 --> 00:00:02,000\nHi\n", ", line 2: "),
        (".vtt", b"WEBVTT\n", "has no subtitles in it"),
        (".docx", b"PK\x03\x04", r"unzip $'a\x0ab\xff.docx'"),
        (".stl", b"x", r"ffmpeg -i $'a\x0ab\xff.stl' talk.srt"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_file_that_cannot_be_read_is_named_on_one_line(
    folder: Folder, suffix: str, data: bytes, message: str
) -> None:
    """The message has the name as ``list`` shows it, and with --json the error is a document that can be written."""
    words = ("run", write(folder, suffix, data), "--", "cat")
    refused = folder.run(*words, code=2).stderr
    assert refused.startswith(f"checkpoint-store: {SHOWN}{suffix}")
    assert (refused.count("\n"), message in refused) == (1, True)
    told = folder.run(*words[:2], "--json", *words[2:], code=2).stdout
    assert message in json.loads(told.encode())["error"]


def test_a_file_that_is_not_there_is_told_in_json(folder: Folder) -> None:
    """The error is a document, also where the name cannot be written as it is."""
    told = folder.run("plan", f"{ODD}.txt", "--json", code=2).stdout
    assert json.loads(told.encode())["error"] == f"{SHOWN}.txt: no such file"


def test_a_program_for_a_file_in_a_folder_is_typed_with_its_path(folder: Folder) -> None:
    """The line to type finds the file."""
    (folder.path / "talks").mkdir()
    (folder.path / "talks" / "a b.docx").write_bytes(b"PK\x03\x04")
    assert "pandoc 'talks/a b.docx' -t plain" in folder.run("run", "talks/a b.docx", code=2).stderr


def test_results_elsewhere_are_told_on_one_line(lecture: Folder) -> None:
    """The note about results under another name has the name as all other lines have it."""
    lecture.run("run", "lecture.txt", *SIX)
    name = write(lecture, ".txt", (lecture.path / "lecture.txt").read_bytes())
    assert lecture.run("run", name, *SIX).stderr.startswith(f"{SHOWN}.txt: the store has results for 6 of its chunks")


@pytest.mark.slow_variants
@pytest.mark.parametrize(
    ("words", "field"),
    [(("export", "lecture.txt"), "path"), (("backup",), "backup"), (("report", "-o"), "report")],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_a_file_that_is_written_is_named(lecture: Folder, words: tuple[str, ...], field: str) -> None:
    """The line for people shows the name; the document names the very file."""
    lecture.run("run", "lecture.txt", *SIX)
    suffix = ".html" if words[0] == "report" else ".out"
    assert f"{SHOWN}{suffix}" in lecture.run(*words, f"{ODD}{suffix}").stderr.splitlines()[0]
    document = lecture.run(*words, f"{ODD}2{suffix}", "--json").stdout.encode()
    assert json.loads(document)[field] == os.path.realpath(lecture.path / f"{ODD}2{suffix}")


def test_jobs_of_odd_files_are_named_on_one_line(lecture: Folder) -> None:
    """Import, delete and prune name the job on the line that they print."""
    name = write(lecture, ".txt", (lecture.path / "lecture.txt").read_bytes())
    lecture.run("run", name, *SIX)
    shown = f"({SHOWN}.txt, completed"
    assert shown in lecture.run("delete").stderr
    lecture.run("export", name, "job.json")
    assert shown in lecture.run("import", "job.json", "--store", "other.db").stderr
    assert f"{SHOWN}.txt  completed" in lecture.run("prune", "--keep-last", "0").stdout


@pytest.mark.slow
def test_list_finds_the_jobs_of_a_file_as_it_is_typed(lecture: Folder) -> None:
    """A name that is no UTF-8, a path from here, and letters as macOS writes them name the job, as ``show`` takes them."""
    text = (lecture.path / "lecture.txt").read_bytes()
    decomposed = "cafe\u0301.txt"
    for name in (write(lecture, ".txt", text), lecture.write(decomposed, text.decode()).name):
        lecture.run("run", name, *SIX)
        for typed in (name, f"./{name}", lecture.path / name):
            assert len(lecture.json("list", "--file", typed)["jobs"]) == 1
