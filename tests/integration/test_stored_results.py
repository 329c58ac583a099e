"""Nothing that is in the store is paid for again: whichever job, file name or plan has it, under the same settings."""

from __future__ import annotations

import signal
import sqlite3
import unicodedata
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from each_case import each_case

from checkpoint_store import CheckpointStore, InvalidArgumentError, Job, JobNotFound, PlanChanged, ProcessingState

from .claims_tools import CLAIM

if TYPE_CHECKING:
    from conftest import Children, Opener

TALK = [f"chunk {index}" for index in range(10)]


class Paid:
    """Counts the calls that would cost money, and says under which settings each was made."""

    def __init__(self, store: CheckpointStore) -> None:
        self.store = store

    def run(self, chunks: list[str], file_name: Any = "talk.txt", **plan: Any) -> int:
        """Do a job with ``on_change="reuse"``, and return how many chunks were paid for."""
        calls = []

        def work(text: str) -> dict[str, Any]:
            calls.append(text)
            return {"text": text, "model": plan.get("model"), "cost": 1.0}

        results = self.store.map(work, chunks, file_name=file_name, **{"on_change": "reuse"} | plan)
        assert [result["text"] for result in results] == chunks
        if "reuse_ignoring" not in plan:
            assert {result["model"] for result in results} <= {plan.get("model")}
        return len(calls)


@pytest.fixture
def paid(store: CheckpointStore) -> Paid:
    return Paid(store)


def costs(store: CheckpointStore, job: Job) -> tuple[Any, ...]:
    with closing(sqlite3.connect(store.path)) as raw:
        found = raw.execute("SELECT results, cost, carried FROM job_costs WHERE job_id = ?", (job.job_id,)).fetchone()
        return tuple(found)


def newest(store: CheckpointStore) -> Job:
    job = store.latest_job()
    assert job is not None
    return job


# -- reuse: of any job


def test_an_input_cut_short_once_costs_nothing(paid: Paid) -> None:
    """Ten, then three and none, then ten with an edit, and the edit undone: eleven chunks are paid for."""
    edited = [*TALK[:4], "edited", *TALK[5:]]
    assert [paid.run(chunks) for chunks in (TALK, TALK[:3], [], edited, TALK)] == [10, 0, 0, 1, 0]


def test_results_of_an_older_job_are_reused(paid: Paid) -> None:
    """The newest job of the file has three chunks; the rest comes from the one before."""
    assert [paid.run(chunks) for chunks in (TALK, TALK[:3], [*TALK, "more"])] == [10, 0, 1]


def test_another_name_of_the_file_costs_nothing(paid: Paid) -> None:
    """A renamed, moved or copied file takes the results of the other name."""
    assert [paid.run(TALK, name) for name in ("talk.txt", "b/talk.txt", Path("c") / "talk.txt", "talk.txt")] == [
        10,
        0,
        0,
        0,
    ]


def test_two_files_of_one_name_are_paid_for_once(paid: Paid) -> None:
    """A batch over two folders that names both inputs ``talk.txt`` pays in its first run only."""
    other = [f"other {index}" for index in range(5)]
    assert [paid.run(chunks) for chunks in (TALK, other, TALK, other, TALK)] == [10, 5, 0, 0, 0]


@pytest.mark.slow_variants
@pytest.mark.parametrize("setting", [{"model": "B"}, {"provider": "B"}, {"config": {"tone": "B"}}], ids=str)
def test_a_model_that_is_changed_back_finds_its_own_results(paid: Paid, setting: dict[str, Any]) -> None:
    """A, then B, then A with one chunk more: only that one is paid for, and no result of B is given out for A."""
    assert paid.run(TALK) == 10
    assert paid.run(TALK, **setting) == 10
    assert paid.run([*TALK, "more"]) == 1
    assert paid.run([*TALK, "more"], **setting) == 1


def test_settings_that_mean_the_same_reuse(paid: Paid) -> None:
    """A temperature of 0.0 instead of 0, and a key that is None, are no other settings."""
    paid.run(TALK, config={"temperature": 0, "seed": None})
    assert paid.run(TALK, config={"temperature": 0.0}) == 0
    assert paid.run([*TALK, "more"], config={"temperature": -0.0}) == 1
    assert len(paid.store.jobs()) == 2


def test_the_newest_of_several_results_is_taken(store: CheckpointStore) -> None:
    """Two jobs have the chunk; the one that was opened last gives its result."""
    store.open_job("a", chunks=["x"]).complete(0, "old")
    store.open_job("b", chunks=["x"]).complete(0, "new")
    assert list(store.open_job("c", chunks=["y", "x"], on_change="reuse").items()) == [(1, "new")]
    store.open_job("a", chunks=["x"])
    assert list(store.open_job("d", chunks=["z", "x"], on_change="reuse").items()) == [(1, "old")]


def test_a_chunk_that_stands_several_times_takes_the_result_for_each_place(paid: Paid) -> None:
    """A chunk that stands in three places of a job takes the stored result for each place, and is paid for once."""
    paid.run(TALK[:2])
    assert paid.run([TALK[1], TALK[0], TALK[1], TALK[1]]) == 0
    job = newest(paid.store)
    assert (job.totals("cost"), costs(paid.store, job)) == ({"cost": 2.0}, (4, 0.0, 2.0))


def test_a_job_that_goes_on_takes_what_was_done_since(paid: Paid) -> None:
    """Half of a plan, then an edit that did all, then the first plan again: its other half is in the store."""
    store = paid.store
    first = store.open_job("talk.txt", chunks=TALK)
    for index in range(5):
        first.complete(index, {"text": TALK[index], "model": None, "cost": 1.0})
    assert paid.run([*TALK, "more"]) == 6
    said = store.plan("talk.txt", chunks=TALK, on_change="reuse")
    assert (said.action, said.job_id, said.kept, said.chunks_to_do) == ("resume", first.job_id, 10, 0)
    assert paid.run(TALK) == 0
    assert newest(store).job_id == first.job_id
    assert costs(store, first) == (10, 5.0, 5.0)
    assert first.status == "completed"


@pytest.mark.slow_variants
@pytest.mark.parametrize("on_change", ["refuse", "restart"])
def test_a_job_that_goes_on_takes_nothing_unless_it_is_asked_to(store: CheckpointStore, on_change: Any) -> None:
    """A result is handed out for another plan only where the caller said so."""
    first = store.open_job("f", chunks=TALK)
    first.complete(0, "mine")
    with store.open_job("f", chunks=[*TALK, "more"], on_change="restart") as job:
        job.complete_many((index, "new") for index in range(11))
    again = store.open_job("f", chunks=TALK, on_change=on_change)
    assert (again.job_id, list(again.items())) == (first.job_id, [(0, "mine")])


def test_a_restarted_job_takes_older_results_once_it_is_asked_to(paid: Paid) -> None:
    """Restarted, and stopped: with reuse it takes what there was before it began, and later what is new since then."""
    paid.run(TALK)
    edited = [*TALK, "x", "y"]
    job = paid.store.open_job("talk.txt", chunks=edited, on_change="restart")
    assert paid.store.plan("talk.txt", chunks=edited, on_change="reuse").kept == 10
    again = paid.store.open_job("talk.txt", chunks=edited, on_change="reuse")
    assert (again.job_id, again.progress().completed_chunks) == (job.job_id, 10)
    assert paid.run(["x"], "other.txt") == 1
    assert paid.run(edited) == 1


def test_results_of_a_job_that_was_opened_before_are_seen(store: CheckpointStore) -> None:
    """The other job was open when this one was looked through, and did more since by its own handle."""
    other = store.open_job("other.txt", chunks=TALK)
    job = store.open_job("talk.txt", chunks=[*TALK, "x"], on_change="reuse")
    other.complete(3, "later")
    again = store.open_job("talk.txt", chunks=[*TALK, "x"], on_change="reuse")
    assert (again.job_id, list(again.items())) == (job.job_id, [(3, "later")])
    assert store.plan("talk.txt", chunks=[*TALK, "x"], on_change="reuse").kept == 1


def test_a_chunk_in_hand_is_left_to_its_runner(store: CheckpointStore, open_store: Opener) -> None:
    """What another process works on is not completed under its hands; a result that comes is recorded."""
    first = store.open_job("f", chunks=["a", "b", "c"])
    in_hand = next(iter(first.pending()))
    store.open_job("g", chunks=["a", "b"]).complete_many([(0, "A"), (1, "B")])
    again = open_store().open_job("f", chunks=["a", "b", "c"], on_change="reuse")
    assert list(again.items()) == [(1, "B")]
    in_hand.complete("mine")
    assert list(again.items()) == [(0, "mine"), (1, "B")]


def test_chunks_of_a_killed_runner_are_taken_from_the_store(store: CheckpointStore, children: Children) -> None:
    """A claim of a process that is dead holds nothing back, also where the store was open all the time; a plan says so."""
    store.open_job("f", chunks=["a", "b"])
    children.run(CLAIM, "f", 2, "is killed", code=-signal.SIGKILL)
    store.open_job("g", chunks=["a"]).complete(0, "A")
    for _ in range(2):  # a plan reaps nobody
        planned = store.plan("f", chunks=["a", "b"], on_change="reuse")
        assert (planned.kept, planned.chunks_to_do, planned.in_doubt) == (1, 1, (1,))
    assert list(store.open_job("f", chunks=["a", "b"], on_change="reuse").items()) == [(0, "A")]


def test_a_result_that_stands_without_its_chunk_is_not_reused(store: CheckpointStore) -> None:
    """A job that was opened by its number of chunks does not say what they are of."""
    store.open_job("a", total_chunks=1).complete(0, "unknown")
    assert list(store.open_job("b", chunks=["x"], on_change="reuse").items()) == []


# -- reuse_ignoring


def test_results_under_other_settings_are_kept_where_the_caller_says_so(paid: Paid) -> None:
    """500 of 1000 answers were good, and only max_tokens changed."""
    paid.run(TALK, config={"max_tokens": 10, "tone": "kind"})
    raised = {"config": {"max_tokens": 20, "tone": "kind"}}
    with pytest.raises(PlanChanged, match=r"reuse_ignoring=\('config.max_tokens',\)") as caught:
        paid.store.open_job("talk.txt", chunks=TALK, **raised)
    assert (caught.value.reusable_results, caught.value.kept_ignoring) == (0, 10)
    assert paid.run([*TALK, "more"], **raised, reuse_ignoring=caught.value.ignoring) == 1
    assert paid.run(TALK, config={"max_tokens": 30, "tone": "terse"}, reuse_ignoring=["config.max_tokens"]) == 10
    assert paid.run(TALK, model="other", config={"tone": "?"}, reuse_ignoring=("model", "config")) == 0


def test_a_result_that_was_kept_so_is_not_handed_out_without_that(paid: Paid) -> None:
    """A's results in a job of B, by reuse_ignoring: B's next edit pays for them, unless it says the same again."""
    paid.run(TALK)
    assert paid.run([*TALK, "b"], model="B", reuse_ignoring=["model"]) == 1
    assert paid.run([*TALK, "b", "c"], model="B", reuse_ignoring=["model", "config"]) == 1
    assert paid.run([*TALK, "b", "c", "d"], "other.txt", model="B", reuse_ignoring=["provider"]) == 11
    paid.store.delete_job(newest(paid.store).job_id)
    assert paid.run([*TALK, "b", "c"], "other.txt", model="B") == 10


def test_a_refusal_offers_each_set_of_settings_that_keeps_more(paid: Paid) -> None:
    """A was changed to B, which took A's results along; then max_tokens was changed: B's own results differ in less."""
    paid.run(TALK, config={"max_tokens": 10})
    paid.run([*TALK, "b"], model="B", config={"max_tokens": 10}, reuse_ignoring=["model"])
    with pytest.raises(PlanChanged) as caught:
        paid.store.open_job("talk.txt", chunks=[*TALK, "b"], model="B", config={"max_tokens": 20})
    both = ("config.max_tokens", "model")
    assert caught.value.choices == ((("config.max_tokens",), 1), (both, 11))
    assert (caught.value.ignoring, caught.value.kept_ignoring) == (both, 11)
    assert f"with reuse_ignoring=('config.max_tokens',) 1 result, with reuse_ignoring={both} 11 results" in str(
        caught.value
    )
    assert paid.run([*TALK, "b"], model="B", config={"max_tokens": 20}, reuse_ignoring=both) == 0


def test_a_setting_that_changes_no_result_is_not_offered(paid: Paid) -> None:
    """Where two settings differ, and one of them is enough, as the results of an older job differ in that one alone."""
    paid.run(TALK, model="A", config={"tone": "kind"})
    paid.run(["other"], model="C", config={"tone": "terse"})
    with pytest.raises(PlanChanged) as caught:
        paid.store.open_job("talk.txt", chunks=TALK, model="A", config={"tone": "terse"})
    assert caught.value.choices == ((("config.tone",), 10),)


def test_results_under_the_very_settings_come_first(paid: Paid) -> None:
    """What may differ is taken only for chunks that have nothing better, though that is newer."""
    paid.run(TALK[:5], model="B")
    paid.run(TALK, model="A")
    assert paid.run([*TALK, "x"], model="B", reuse_ignoring=["model"]) == 1
    models = [result["model"] for result in newest(paid.store).results()]
    assert models == ["B"] * 5 + ["A"] * 5 + ["B"]


def test_an_inner_setting_may_be_ignored_again_and_again(paid: Paid) -> None:
    """A job that took results so can give them on, also after the job that paid for them is deleted."""
    ignoring = {"reuse_ignoring": ["config.limits.tokens"]}
    paid.run(TALK, config={"limits": {"tokens": 1}})
    first = newest(paid.store)
    assert paid.run(TALK, config={"limits": {"tokens": 2}}, **ignoring) == 0
    paid.store.delete_job(first.job_id)
    assert paid.run([*TALK, "x"], config={"limits": {"tokens": 3}}, **ignoring) == 1
    assert paid.run([*TALK, "y"], config={"limits": {"tokens": 3}}) == 11


@each_case("wrong", ["model", ["modl"], ["config"[:3]], [1], ["chunk"], 5, ["file_name"]])
def test_what_may_be_ignored_is_checked(store: CheckpointStore, wrong: Any) -> None:
    """A misspelt setting, or one text instead of a list, is an error that names the possible ones."""
    with pytest.raises(InvalidArgumentError, match="reuse_ignoring"):
        store.open_job("f", chunks=TALK, on_change="reuse", reuse_ignoring=wrong)
    assert store.jobs() == []


# -- money


def test_each_carried_result_says_who_paid(paid: Paid) -> None:
    """A carried result names the first job that paid for it, through any number of jobs."""
    paid.run(TALK)
    payer = newest(paid.store)
    paid.run([*TALK, "b"])
    second = newest(paid.store)
    paid.run([TALK[3], "b", "c"])
    third = newest(paid.store)
    with closing(sqlite3.connect(paid.store.path)) as raw:
        rows = raw.execute(
            "SELECT source_job_id, source_chunk_index FROM completed_chunks WHERE job_id = ? ORDER BY chunk_index",
            (third.job_id,),
        ).fetchall()
    assert rows == [(payer.job_id, 3), (second.job_id, 10), (None, None)]
    assert [costs(paid.store, job) for job in (payer, second, third)] == [
        (10, 10.0, 0.0),
        (11, 1.0, 10.0),
        (3, 1.0, 2.0),
    ]
    assert [job.totals("cost")["cost"] for job in (payer, second, third)] == [10.0, 11.0, 3.0]


def test_a_budget_counts_what_this_job_paid(paid: Paid) -> None:
    """Ten results of 1.0 are carried over, and a budget of 1.5 is for what is left."""
    paid.run(TALK)
    assert paid.run([*TALK, "more"], max_cost=1.5) == 1


def test_an_estimate_goes_by_what_was_paid_for_carried_results(paid: Paid) -> None:
    """The newest job of the file carries all it has; a plan still says what a chunk costs, and that it paid nothing."""
    paid.run(TALK)
    paid.run(TALK[:5])
    said = paid.store.plan("talk.txt", chunks=[*TALK[:5], "more", "and more"], on_change="reuse")
    assert (said.chunks_to_do, said.estimated_cost, said.spent) == (2, 2.0, 0.0)
    assert said.estimated_seconds is not None


def test_a_result_that_was_paid_for_here_counts_once_beside_its_copy(store: CheckpointStore) -> None:
    """A job takes back, at another place, what it paid for itself and another job carried."""
    first = store.open_job("f", chunks=["a", "x", "a"])
    first.complete(2, {"cost": 1.0})
    store.open_job("g", chunks=["a"], on_change="reuse")
    again = store.open_job("f", chunks=["a", "x", "a"], on_change="reuse")
    assert [index for index, _ in again.items()] == [0, 2]
    assert (again.totals("cost"), costs(store, again)) == ({"cost": 1.0}, (2, 1.0, 0.0))


def test_a_replaced_result_is_paid_for_by_who_replaced_it(paid: Paid) -> None:
    """A carried result that is replaced is this job's own cost from then on."""
    paid.run(TALK[:2])
    job = paid.store.open_job("other.txt", chunks=[*TALK[:2], "x"], on_change="reuse")
    job.complete(0, {"cost": 5.0}, replace=True)
    assert (costs(paid.store, job), job.totals("cost")) == ((2, 5.0, 1.0), {"cost": 6.0})


@pytest.mark.slow_variants
@pytest.mark.parametrize(
    ("cost", "read"),
    [
        ("0.50", 0.5),
        (" 1e1 ", 10.0),
        ("-.5", -0.5),
        ("5.", 5.0),
        ("x", None),
        ("", None),
        ("1e999", None),
        (True, None),
    ],
)
def test_the_view_of_costs_reads_numbers_in_texts(store: CheckpointStore, cost: Any, read: float | None) -> None:
    """A Decimal that pydantic dumped counts at the sqlite3 prompt as it does for a budget."""
    job = store.open_job("f", total_chunks=2)
    job.complete(0, {"cost": cost})
    assert costs(store, job)[:2] == (1, read)


# -- jobs that were replaced, and jobs by name


def test_a_job_that_another_replaced_is_not_offered(store: CheckpointStore) -> None:
    """A replaced job names the job that superseded it, and the job that was opened last is superseded by none."""
    first = store.open_job("f", chunks=TALK)
    other = store.open_job("g", chunks=TALK)
    second = store.open_job("f", chunks=TALK, model="B")
    assert (first.superseded_by, second.superseded_by) == (second.job_id, None)
    assert [job.job_id for job in store.incomplete_jobs()] == [second.job_id, other.job_id]
    store.open_job("f", chunks=TALK)
    assert (first.superseded_by, second.superseded_by) == (None, first.job_id)
    assert [job.job_id for job in store.incomplete_jobs()] == [first.job_id, other.job_id]
    store.map(lambda text: text, TALK, file_name="g")
    store.delete_job(first.job_id)
    assert second.superseded_by is None
    assert [job.job_id for job in store.incomplete_jobs()] == [second.job_id]


def test_a_job_is_found_by_the_name_of_its_file(store: CheckpointStore) -> None:
    """An id, a file name (its newest job), or the beginning of an id; a name is surer than a beginning."""
    first = store.open_job("talks/a.txt", chunks=TALK)
    second = store.open_job("talks/a.txt", chunks=TALK, fresh=True)
    assert store.job("talks/a.txt").job_id == store.job(Path("talks") / "a.txt").job_id == second.job_id
    assert store.job(first.job_id).job_id == store.job(first.job_id[:13]).job_id == first.job_id
    named = store.open_job(first.job_id[:4], chunks=TALK)
    assert store.job(first.job_id[:4]).job_id == named.job_id
    for unknown in ("nothing", "talks", ""):
        with pytest.raises(JobNotFound):
            store.job(unknown)


def test_names_are_compared_in_one_spelling(store: CheckpointStore) -> None:
    """A name from macOS (decomposed) and one that was typed are the same file, also where a state was imported."""
    composed, decomposed = (unicodedata.normalize(form, "Müller é.srt") for form in ("NFC", "NFD"))
    job = store.open_job(composed, chunks=TALK)
    assert store.open_job(decomposed, chunks=TALK).job_id == job.job_id
    assert store.open_job(Path(decomposed), chunks=TALK).job_id == job.job_id
    state = job.state().replace(job_id="old", file_name=decomposed, completed_chunks=[0], processed_results=["x"])
    path = store.path.with_name("old.json")
    path.write_text(state.to_json(), encoding="utf-8")
    assert store.import_state(path).file_name == decomposed
    assert job.superseded_by == "old"
    assert {found.job_id for found in store.jobs(file_name=composed)} == {"old", job.job_id}
    with pytest.raises(PlanChanged) as caught:
        store.open_job(composed, chunks=TALK[:3])
    assert [difference.field for difference in caught.value.differences] == ["total_chunks"]


def test_a_name_in_neither_spelling_leads_to_its_job(store: CheckpointStore) -> None:
    """A saved state whose name was put together from two spellings is the job of its file, under each of them."""
    spellings = [unicodedata.normalize("NFC", "Ü é.srt"), unicodedata.normalize("NFD", "Ü é.srt"), "Ü e\u0301.srt"]
    state = ProcessingState(
        job_id="saved", file_name=spellings[-1], total_chunks=5, completed_chunks=[0], status="paused"
    )
    path = store.path.with_name("saved.json")
    path.write_text(state.replace(processed_results=["x"]).to_json(), encoding="utf-8")
    store.import_state(path)
    assert [store.job(name).job_id for name in spellings] == ["saved"] * 3
    assert [store.open_job(name, total_chunks=5).job_id for name in spellings] == ["saved"] * 3
    new = store.open_job(spellings[0], total_chunks=5, fresh=True)
    assert store.job("saved").superseded_by == new.job_id


@pytest.mark.parametrize("name", [b"bytes", Path("\udcff"), 5])
def test_what_is_no_file_name_is_refused(store: CheckpointStore, name: Any) -> None:
    """A name is text that UTF-8 can hold, or such a path."""
    with pytest.raises(InvalidArgumentError, match="file_name"):
        store.open_job(name, chunks=TALK)
    assert store.jobs() == []


# -- what is no list of chunks


def used_up() -> Any:
    generator = (text for text in TALK)
    list(generator)
    return generator


@pytest.mark.parametrize("gone", [used_up, lambda: iter([]), lambda: map(str, []), lambda: zip([], [], strict=True)])
def test_an_iterator_that_has_nothing_to_give_is_refused(store: CheckpointStore, gone: Any) -> None:
    """A generator that was used up is no job of no chunks; an empty list is one."""
    for call in (store.open_job, store.plan, lambda name, chunks: store.map(str, chunks, file_name=name)):
        with pytest.raises(InvalidArgumentError, match="nothing to give"):
            call("f", chunks=gone())
    assert store.jobs() == []
    assert store.open_job("f", chunks=[]).status == "completed"
    assert store.open_job("f", chunks=()).status == "completed"


def test_a_generator_that_the_plan_used_up_is_refused_by_the_run(store: CheckpointStore) -> None:
    """``plan`` reads the chunks; the same generator has none for ``map``."""
    chunks = (text for text in TALK)
    assert store.plan("f", chunks=chunks).chunks_to_do == 10
    with pytest.raises(InvalidArgumentError, match="used up"):
        store.map(str, chunks, file_name="f")


def test_tables_and_sets_are_no_lists_of_chunks(store: CheckpointStore) -> None:
    """A frame would give the names of its columns, and a set another order in each process."""

    class Frame:
        columns = ("a", "b")

        def __iter__(self) -> Any:
            return iter(self.columns)

    for chunks, said in ((Frame(), "rows"), ({"a", "b"}, "sorted"), (frozenset("ab"), "sorted")):
        with pytest.raises(InvalidArgumentError, match=said):
            store.open_job("f", chunks=chunks)
    assert store.jobs() == []
