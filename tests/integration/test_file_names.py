"""The names of the files beside a store: no two stores share one."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from conftest import program
from each_case import each_case

from checkpoint_store import CheckpointStore, doctor, recover_store
from checkpoint_store.storage.files.names import StoreFiles, state_backup
from checkpoint_store.storage.files.siblings import Siblings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Children

ASCII = program(__file__, "claim_in_ascii_locale")
LATIN_1 = program(__file__, "work_in_a_latin_1_folder")
NAMES = ("talk.db", "talk.sqlite", "talk.state", "talk.2.db", "talk.2.sqlite")


def siblings(name: str) -> Iterator[Path]:
    """Every file that a store of this name may have."""
    files = StoreFiles(Path(name))
    yield from (
        *files.own,
        files.state_file,
        state_backup(files.state_file),
        Siblings(Path(name)).next_backup("1.3"),
    )


@each_case(("one", "other"), list(itertools.combinations(NAMES, 2)))
def test_no_two_stores_share_a_sibling(one: str, other: str) -> None:
    """Two stores in one folder, of one stem, write to different files."""
    assert set(siblings(one)) & set(siblings(other)) == set()


def work(path: Path, text: str) -> None:
    """Run a job of two chunks in the store at ``path``, to its end."""
    with CheckpointStore(path) as store:
        job = store.open_job(f"{text}.srt", total_chunks=2)
        job.complete_many((index, text) for index in range(2))


@pytest.mark.slow_variants
@pytest.mark.parametrize("name", ["talk.sqlite", "talk.v2"])
def test_two_stores_of_one_stem_have_a_state_file_each(tmp_path: Path, name: str) -> None:
    """``talk.sqlite`` beside ``talk.db`` keeps its own state file, backup and lock."""
    for turn in (name, "talk.db", name, "talk.db"):
        work(tmp_path / turn, turn)
    assert '"file_name": "talk.db.srt"' in (tmp_path / "talk.json").read_text(encoding="utf-8")
    assert f'"file_name": "{name}.srt"' in (tmp_path / f"{name}.json").read_text(encoding="utf-8")
    names = {path.name for path in tmp_path.iterdir() if ".backup-" not in path.name}
    assert names == {
        f"{own}{ending}"
        for own, store in (("talk", "talk.db"), (name, name))
        for ending in (".json", ".bak", ".lock", ".open")
    } | {"talk.db", name}


@pytest.mark.slow
def test_a_store_that_is_lost_comes_back_from_the_state_file_of_its_own(tmp_path: Path) -> None:
    """Where two stores of one stem lie in a folder, recovery asks the copies of the lost one alone."""
    for name in ("talk.sqlite", "talk.db"):
        work(tmp_path / name, name)
    (tmp_path / "talk.sqlite").unlink()
    for backup in tmp_path.glob("talk.sqlite.backup-*"):
        backup.unlink()
    report = recover_store(tmp_path / "talk.sqlite", accept_loss=True)
    assert [(job.file_name, job.recovered_chunks) for job in report.jobs] == [("talk.sqlite.srt", 2)]


def test_the_doctor_names_the_left_over_files_of_this_store_alone(tmp_path: Path) -> None:
    """A left-over file of ``talks.db`` is none of ``talk.db``."""
    work(tmp_path / "talk.db", "talk")
    for name in ("talk.db.corrupt-1", "talk.json.corrupt-1", "talk.db.tmp-0123456789ab", "talks.db.corrupt-1"):
        (tmp_path / name).touch()
    (found,) = [finding.says for finding in doctor(tmp_path / "talk.db") if finding.what == "left-over files"]
    assert found == "talk.db.corrupt-1, talk.db.tmp-0123456789ab, talk.json.corrupt-1"


def test_a_folder_whose_name_is_no_utf_8_serves_like_any_other(children: Children) -> None:
    """In a folder that a Latin-1 system named, runners meet, a sound store is sound, and a backup is restored."""
    process = children.start(LATIN_1)
    output, errors = process.communicate(timeout=120)
    if "UTF-8 names alone" in errors:
        pytest.skip("this file system takes UTF-8 names alone")
    assert (output, process.returncode) == ("[]\nTrue\n[(0, 'A')]\n", 0), errors


@pytest.mark.slow
def test_runners_of_two_locales_know_each_other(
    tmp_path: Path, children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A living runner's chunk is not taken by a process whose locale gives another text for the bytes of its lock's name."""
    with CheckpointStore(tmp_path / "größe.db") as store:
        pending = store.open_job("talk.srt", total_chunks=3).pending()
        chunk = next(pending)
        for name, value in {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}.items():
            monkeypatch.setenv(name, value)
        assert children.run(ASCII, fresh=True) == "True 1\n"
        assert chunk.index == 0
        pending.close()
