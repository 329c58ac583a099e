"""Records, not prose: each line, or each row of a CSV file, is a chunk; - is stdin and stdout."""

from __future__ import annotations

import csv
import io
import json
import random
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from conftest import program
from each_case import each_case
from hypothesis import given
from hypothesis import strategies as st

from checkpoint_store.cli.run.inputs import UnreadableRecordsError, lines, rows
from checkpoint_store.cli.run.outputs.output import lines as joined_lines

if TYPE_CHECKING:
    from .conftest import Folder

# Logs each record; answers with a JSON object, over several lines.
ANSWERING = program(__file__, "answer_records")
JSONL = "".join(json.dumps({"id": number, "text": f"word\n{number}"}) + "\n" for number in range(5))
FIELDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"), max_size=20)


def written(folder: Folder, name: str) -> list[Any]:
    """The output, a JSON value for each line."""
    return [json.loads(line) for line in folder.read(name).splitlines()]


# -- what a record is


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"))))
def test_each_line_that_is_not_empty_is_a_chunk(texts: list[str]) -> None:
    """Each line that is not empty is a chunk as it stands, in order and without context."""
    chunks = lines("\n".join(texts))
    assert [chunk.text for chunk in chunks] == [text for text in texts if text.strip()]
    assert {chunk.context for chunk in chunks} <= {""}


@given(st.lists(st.lists(FIELDS, min_size=3, max_size=3), max_size=8))
def test_each_row_is_a_json_object(table: list[list[str]]) -> None:
    """Each row of a CSV file is a JSON object with the names of the first row, quotes and line ends included."""
    file = io.StringIO(newline="")
    csv.writer(file, lineterminator="\n").writerows([["a", "b c", "ü"], *table])
    found = [json.loads(chunk.text) for chunk in rows(file.getvalue())]
    assert found == [dict(zip(("a", "b c", "ü"), row, strict=True)) for row in table]


@each_case(
    ("text", "message"),
    [
        ("a,b\n1,2\n3,4,5\n", "line 3 has more fields than the 2 columns of line 1"),
        ("a,b,a\n1,2,3\n", "line 1: the column 'a' stands twice"),
        ('a,b\n1,"2\n3,4\n', "the row from line 2 on: unexpected end of data; .* close each quoted field"),
        ('a,b\n1,"2"x\n', "the row from line 2 on: .* expected after .*; write a quotation mark .* twice"),
    ],
)
def test_rows_that_would_lose_a_field_are_refused(text: str, message: str) -> None:
    """The line is named, and what to do about quotation marks."""
    with pytest.raises(UnreadableRecordsError, match=message):
        rows(text)


def test_a_short_row_has_nulls_and_a_long_field_is_read() -> None:
    """A missing field is null, a field of a million characters is no error, and tabs are for .tsv files."""
    long = "x" * 1_000_000
    assert json.loads(rows(f"a,b\n{long}\n")[0].text) == {"a": long, "b": None}
    assert json.loads(rows("a\tb\n1\t2,3\n", tabbed=True)[0].text) == {"a": "1", "b": "2,3"}


@each_case(
    ("text", "expected"),
    [
        ("name;price\nAna;1,5\n", {"name": "Ana", "price": "1,5"}),
        ("name\tprice\nAna\t1,5\n", {"name": "Ana", "price": "1,5"}),
        ('"name, in full";note\nAna;"a;b"\n', {"name, in full": "Ana", "note": "a;b"}),
        ("name,a;b\nAna,2\n", {"name": "Ana", "a;b": "2"}),
        ("name\nAna; Bo\n", {"name": "Ana; Bo"}),
    ],
    ids=["semicolons", "tabs", "a quoted comma", "commas come first", "a single column"],
)
def test_what_parts_the_names_parts_the_fields(text: str, expected: dict[str, str]) -> None:
    """The CSV of an Excel of Europe, and a table of tabs on stdin, have columns; no row is one field with marks in it."""
    assert [json.loads(chunk.text) for chunk in rows(text)] == [expected]


@given(st.lists(st.text()))
def test_the_output_has_one_line_for_each_chunk(answers: list[str]) -> None:
    """Whatever line ends an answer has in it, and where it is empty: line n is the answer to record n."""
    output = joined_lines([], answers)
    assert len(output.splitlines()) == output.count("\n") == len(answers)
    assert output.split() == " ".join(answers).split()


# -- the command


def test_a_jsonl_file_goes_through_a_program(folder: Folder) -> None:
    """Each line is asked once; each answer is an object on one line, whatever its fields are called; costs add up."""
    folder.write("data.jsonl", JSONL.replace("\n", "\n\n"))
    words = ("run", "data.jsonl", "--split", "lines", *folder.command(ANSWERING))
    report = folder.json(*words)
    assert [json.loads(call)["id"] for call in folder.calls()] == list(range(5))
    expected = [{"id": n, "chunk_index": "mine", "loud": f"WORD\n{n}", "cost": 0.25} for n in range(5)]
    assert written(folder, "data.cleaned.txt") == expected
    assert report["jobs"][0]["cost"] == 1.25
    assert folder.json("show")["config"]["split"] == "lines"
    folder.run(*words)
    assert len(folder.calls()) == 5


@pytest.mark.slow
def test_an_edited_line_alone_is_asked_again(folder: Folder) -> None:
    """A new record, and one that was moved, leave the others as they are."""
    folder.write("data.jsonl", JSONL)
    words = ("run", "data.jsonl", "--split", "lines")
    folder.run(*words, *folder.command(ANSWERING))
    texts = JSONL.splitlines()
    folder.write("data.jsonl", "\n".join([texts[3], '{"id": 9, "text": "new"}', *texts[:3], texts[4]]))
    folder.run(*words, "--on-change", "reuse", *folder.command(ANSWERING))
    assert folder.calls()[5:] == ['{"id": 9, "text": "new"}']
    assert [record["id"] for record in written(folder, "data.cleaned.txt")] == [3, 9, 0, 1, 2, 4]


@pytest.mark.slow
def test_a_line_of_text_is_answered_with_text(folder: Folder) -> None:
    """A list of prompts: an answer over several lines is one line of the output, an error is no answer."""
    folder.write("prompts.txt", "one\n\n  two\nthree")
    folder.run("run", "prompts.txt", "--split", "lines", *folder.command(
        "import sys; text = sys.stdin.read(); print(f'[{text}]\\n\\n  and more')"
    ))  # fmt: skip
    assert folder.read("prompts.cleaned.txt") == "[one] and more\n[  two] and more\n[three] and more\n"
    source = """print('{"error": "rate limit"}')"""
    done = folder.run("run", "prompts.txt", "--split", "lines", "--fresh", *folder.command(source), code=1)
    assert "printed an error: rate limit" in done.stderr


@pytest.mark.slow
def test_half_a_json_answer_to_a_record_fails_it(folder: Folder) -> None:
    """A truncated object is no record; several values, as jq prints them, are."""
    folder.write("data.jsonl", JSONL)
    words = ("run", "data.jsonl", "--split", "lines", "--fresh")
    done = folder.run(*words, *folder.command("""print('{"id": 1, "loud": "WO')"""), code=1)
    assert "cut off or malformed" in done.stderr
    folder.run(*words, *folder.command("""print('{"a": 1}\\n{"a": 2}')"""))
    assert folder.read("data.cleaned.txt") == '{"a": 1} {"a": 2}\n' * 5


def test_numbers_of_a_record_stay_as_they_were_printed(folder: Folder) -> None:
    """An answer on one line is taken character by character."""
    folder.write("data.jsonl", '{"a": 1}')
    folder.run("run", "data.jsonl", "--split", "lines", "--", "echo", '{"price": 1.10, "big": 123456789012345678901}')
    assert folder.read("data.cleaned.txt") == '{"price": 1.10, "big": 123456789012345678901}\n'


def test_a_csv_file_goes_through_a_program(folder: Folder) -> None:
    """Each row is a JSON object on stdin; windows line ends and a byte order mark are no part of it."""
    path = folder.path / "people.csv"
    path.write_bytes('\ufeffid,text\r\n1,"hello, you\r\nthere"\r\n2,bye\r\n'.encode())
    folder.run("run", "people.csv", "--split", "csv", *folder.command(ANSWERING))
    assert [json.loads(call) for call in folder.calls()] == [
        {"id": "1", "text": "hello, you\nthere"},
        {"id": "2", "text": "bye"},
    ]
    assert [record["loud"] for record in written(folder, "people.cleaned.txt")] == ["HELLO, YOU\nTHERE", "BYE"]


@pytest.mark.parametrize(
    ("name", "text", "words", "message"),
    [
        ("d.csv", "a,b\n1,2,3\n", ["--split", "csv", "--", "cat"], "d.csv: line 2 has more fields"),
        ("d.csv", "a,b\n", ["--split", "csv", "--", "cat"], "d.csv has no row in it"),
        ("d.txt", " \n\n", ["--split", "lines", "--", "cat"], "d.txt has no line in it"),
        ("d.txt", "a", ["--split", "lines"], "need a COMMAND"),
        ("d.txt", "a", ["--split", "csv", "--chunk-size", "5", "--", "cat"], "--chunk-size is for --split text"),
        ("d.txt", "a", ["--split", "lines", "--overlap", "5", "--", "cat"], "--overlap is for --split text"),
    ],
)
def test_what_cannot_be_run_is_refused(folder: Folder, name: str, text: str, words: list[str], message: str) -> None:
    """Exit 2 before any work, and the file and its line are named."""
    folder.write(name, text)
    assert message in folder.run("run", name, *words, code=2).stderr
    assert folder.files() == {name}


# -- stdin and stdout


def filtered(folder: Folder, text: str, *words: object) -> tuple[int, str, str]:
    """Run the command as a filter, and return its exit code, stdout and stderr."""
    process = folder.process("run", *words, stdin=subprocess.PIPE)
    stdout, stderr = process.communicate(text)
    return process.returncode, stdout, stderr


@pytest.mark.slow
def test_the_command_is_a_filter(folder: Folder) -> None:
    """Text in, text out, and nothing but the text on stdout; the second time everything is done before."""
    text = "".join(f'{{"id": {number}, "text": "é{number}"}}\n' for number in range(4))
    words = ("-", "--split", "lines", *folder.command(ANSWERING))
    code, stdout, stderr = filtered(folder, text, *words)
    assert (code, [json.loads(line)["loud"] for line in stdout.splitlines()]) == (0, ["É0", "É1", "É2", "É3"]), stderr
    assert "standard output" in stderr
    assert filtered(folder, text, *words)[:2] == (0, stdout)
    assert len(folder.calls()) == 4
    assert folder.json("show")["file_name"] == "-"
    assert {name for name in folder.files() if "cleaned" in name or name == "-"} == set()


@pytest.mark.slow
def test_another_input_through_the_pipe_is_another_plan(folder: Folder) -> None:
    """What was paid for under the name - is not given out for another text, and not lost."""
    words = ("-", "--chunk-size", "20", *folder.command())
    assert filtered(folder, "One text here.\n", *words)[:2] == (0, "ONE TEXT HERE.\n")
    code, stdout, stderr = filtered(folder, "Another text here.\n", *words)
    assert (code, stdout) == (2, "")
    assert "--on-change reuse" in stderr
    assert filtered(folder, "One text here.\n", *words)[:2] == (0, "ONE TEXT HERE.\n")
    assert len(folder.calls()) == 1


@pytest.mark.slow
def test_output_dash_is_stdout_and_output_path_a_file(folder: Folder) -> None:
    """A run reads a file and writes to stdout, or reads stdin and writes a file."""
    folder.write("talk.txt", "One here.\n")
    assert folder.run("run", "talk.txt", "--output", "-", *folder.command()).stdout == "ONE HERE.\n"
    assert "talk.cleaned.txt" not in folder.files()
    code, stdout, stderr = filtered(folder, "Two here.\n", "-", "--output", "two.txt", *folder.command())
    assert (code, stdout, folder.read("two.txt")) == (0, "", "TWO HERE.\n"), stderr


@pytest.mark.slow
def test_the_devices_of_stdin_and_stdout_are_no_files(folder: Folder) -> None:
    """``/dev/stdin`` and ``/dev/stdout`` are the streams, and no file is made in the folder of the devices."""
    code, stdout, stderr = filtered(folder, "One here.\n", "/dev/stdin", *folder.command())
    assert (code, stdout) == (0, "ONE HERE.\n"), stderr
    folder.write("talk.txt", "Two here.\n")
    assert folder.run("run", "talk.txt", "--output", "/dev/stdout", *folder.command()).stdout == "TWO HERE.\n"
    assert {summary["file_name"] for summary in folder.json("list")["jobs"]} == {"-", "talk.txt"}


def test_a_paused_pipe_prints_nothing(folder: Folder) -> None:
    """Half a text is not handed on: the next program gets all of it, or nothing and an exit code."""
    folder.write("talk.txt", "One here.\n\nTwo here.\n\nThree here.")
    source = "import sys; sys.exit(3) if 'Two' in sys.stdin.read() else print('x')"
    done = folder.run("run", "talk.txt", "--chunk-size", 12, "--output", "-", *folder.command(source), code=1)
    assert done.stdout == ""


@pytest.mark.parametrize("words", [["-"], ["talk.txt", "--output", "-"]])
def test_a_json_report_and_the_text_do_not_share_stdout(folder: Folder, words: list[str]) -> None:
    """``--json`` with the text on stdout ends with exit code 2, and nothing is begun."""
    folder.write("talk.txt", "One.")
    assert "--json" in folder.run("run", *words, "--json", code=2).stderr
    assert folder.files() == {"talk.txt"}


@pytest.mark.slow
def test_stdout_takes_every_letter_in_any_locale(folder: Folder) -> None:
    """The text is written as UTF-8, also where the locale is not."""
    folder.write("talk.txt", "语言 é.\n")
    words = ("run", "talk.txt", "--output", "-", "--", "cat")
    pipes: dict[str, Any] = {"text": False, "encoding": None, "stdin": subprocess.DEVNULL}
    from .conftest import ROOT

    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "LC_ALL": "C", "PYTHONIOENCODING": "latin-1"}
    process = folder.process(*words, env=environment, **pipes)
    stdout, stderr = process.communicate()
    assert (process.returncode, stdout) == (0, "语言 é.\n".encode()), stderr


@pytest.mark.slow
def test_a_large_file_of_records_in_random_order_of_completion(folder: Folder) -> None:
    """Whichever answer is first, line n of the output is the answer to record n."""
    rng = random.Random(1)
    words = [f"word{rng.randrange(10**6)}" for _ in range(60)]
    folder.write("words.txt", "\n".join(words))
    folder.run("run", "words.txt", "--split", "lines", "--workers", 4, "--", sys.executable, "-c", (
        "import sys, time; text = sys.stdin.read(); time.sleep(int(text[-1]) / 100); print(text[::-1])"
    ))  # fmt: skip
    assert folder.read("words.cleaned.txt").split() == [word[::-1] for word in words]
