"""What the pages for maintainers name is there: files, functions in the very file that is said to have them, tests."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path

from each_case import each_case

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "checkpoint_store"
PAGES = [ROOT / "CONTRIBUTING.md", ROOT / "docs" / "architecture.md", ROOT / "docs" / "glossary.md"]
_SQLS_OWN = {"BEGIN IMMEDIATE", "COMMIT", "INSERT"}
_PATTERNS = re.compile(r"[X…*{}]|NAME|TIME|SCHEMA")
"""Names of files of a store, which a page gives as patterns."""
each_page = each_case("page", PAGES, ids=lambda page: page.name)


def prose(text: str) -> str:
    """A page without its blocks of code and drawings."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


def spans(text: str) -> list[str]:
    """What a text sets as code."""
    return re.findall(r"`([^`\n]+)`", text)


@cache
def by_name() -> dict[str, list[Path]]:
    """The source files and pages of the repository by their names."""
    found: dict[str, list[Path]] = {}
    for folder in ("checkpoint_store", "tests", "docs", "migrations", "examples", "benchmarks"):
        for path in (ROOT / folder).rglob("*.*"):
            found.setdefault(path.name, []).append(path)
    return found


def named_paths(name: str) -> list[Path]:
    """The files or folders that a page can mean by a name: of the repository, of the package, or of any one folder."""
    whole = [base / name for base in (ROOT, PACKAGE, ROOT / "docs") if (base / name).exists()]
    return whole or ([] if "/" in name else by_name().get(name, []))


def is_path(name: str) -> bool:
    """Whether a name in code is that of a file or a folder of the repository."""
    return bool(re.fullmatch(r"[\w./-]+\.(py|md|toml)|[\w-]+(/[\w-]+)*/", name)) and not _PATTERNS.search(name)


def is_ours(name: str) -> bool:
    """Whether a name in code is private, a constant, or a method with its class: such a name is in the source."""
    is_name = re.fullmatch(r"_\w+|[A-Z][A-Z_]{2,}|[A-Z]\w*[a-z]\w*\.\w+", name)
    return bool(is_name) and not _PATTERNS.search(name) and name not in _SQLS_OWN


def missing_paths(text: str) -> list[str]:
    """The files and folders that a page names and that are not there."""
    return [name for name in spans(prose(text)) if is_path(name) and not named_paths(name)]


@cache
def source(path: Path) -> str:
    """The text of a source file."""
    return path.read_text("utf-8")


@cache
def everywhere() -> list[Path]:
    """The source files of the package and of its tests."""
    return [*PACKAGE.rglob("*.py"), *(ROOT / "tests").rglob("*.py")]


def are_defined(name: str, files: list[Path]) -> bool:
    """Whether a name is a word of these files; of a method, whether its class and a method of its name are anywhere."""
    owner, _, word = name.rpartition(".")
    if not owner:
        return any(re.search(rf"\b{word}\b", source(path)) for path in files)
    definitions = (rf"class {owner}\b", rf"def {word}\b")
    return all(any(re.search(text, source(path)) for path in everywhere()) for text in definitions)


def files_in(text: str) -> list[Path]:
    """The source files that a text names."""
    return [path for name in spans(text) if is_path(name) for path in named_paths(name) if path.suffix == ".py"]


def misplaced_names(text: str) -> list[str]:
    """The names that are in no file of the same sentence, or of the table's cell of files; methods: in no file at all."""
    misplaced = []
    for line in re.sub(r"\n(?=[^\n|])", " ", prose(text)).splitlines():
        beside = [path for cell in line.split("|") if not re.sub(r"`[^`]*`|[\s,]", "", cell) for path in files_in(cell)]
        for sentence in re.split(r"[.;|]\s", line):
            files = [*files_in(sentence), *beside] or everywhere()
            misplaced += [name for name in filter(is_ours, spans(sentence)) if not are_defined(name, files)]
    return misplaced


def commands(text: str) -> list[list[str]]:
    """The words of each command of pytest that a page shows."""
    return [span.replace('"', "").split() for span in spans(text) if re.search(r"\bpytest\b", span)]


@each_page
def test_the_files_of_a_page_are_there(page: Path) -> None:
    """A maintainer who is sent to a file finds it, by its path or by its name alone."""
    assert missing_paths(page.read_text("utf-8")) == []


@each_page
def test_the_names_of_a_page_are_in_the_files_beside_them(page: Path) -> None:
    """A maintainer finds a function or a constant in the file that the same sentence names."""
    assert misplaced_names(page.read_text("utf-8")) == []


def test_the_commands_of_pytest_select_tests() -> None:
    """Who tries a command of CONTRIBUTING runs tests: its files, markers and ``-k`` word are there."""
    options = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["pytest"]["ini_options"]
    markers = {marker.partition(":")[0] for marker in options["markers"]} | {"and", "or", "not"}
    for words in commands((ROOT / "CONTRIBUTING.md").read_text("utf-8")):
        files = [ROOT / word for word in words if word.startswith("tests/")]
        assert [str(file) for file in files if not file.exists()] == []
        chosen = words[words.index("-m") + 1 :] if "-m" in words else []
        assert {word for word in chosen if re.fullmatch(r"[a-z]+", word)} <= markers
        if "-k" in words:
            assert re.search(rf"def test_\w*{words[words.index('-k') + 1]}", files[0].read_text("utf-8")), words


def test_what_is_not_there_is_seen() -> None:
    """The control: a file that was moved away, a constant of another file, and a method of a class that is not there."""
    text = "`storage/gone.py` and `_MADE_ANEW` of `storage/tables.py`; `Execution.completion`; `_MADE_ANEW` in `merge_copies.py`."
    assert (missing_paths(text), misplaced_names(text)) == (["storage/gone.py"], ["_MADE_ANEW", "Execution.completion"])
