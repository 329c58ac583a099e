"""The options of the loops: shown in every signature, and the nearest one named where a name is unknown."""

from __future__ import annotations

import asyncio
import inspect
import pydoc
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import pytest
from each_case import each_case

from checkpoint_store import CheckpointStore, InvalidArgumentError, Job, UnknownOptionError, executors, frames, report
from checkpoint_store.loop.options import Options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> Iterator[CheckpointStore]:
    with CheckpointStore(tmp_path / "talks.db", state_file=None, durability="process") as opened:
        yield opened


@pytest.fixture
def job(store: CheckpointStore) -> Job:
    return store.open_job("talk.srt", chunks=["a", "b"])


@each_case(
    ("method", "absent", "defaults"),
    [
        (Job.map, set(), {}),
        (Job.amap, {"executor"}, {"workers": 8}),
        (CheckpointStore.map, set(), {}),
    ],
)
def test_every_option_is_in_the_signature(
    method: Callable[..., Any], absent: set[str], defaults: dict[str, Any]
) -> None:
    """Every option of the loops is in the signature with its type and default, and none is hidden."""
    parameters = inspect.signature(method).parameters
    assert all(parameter.kind is not inspect.Parameter.VAR_KEYWORD for parameter in parameters.values())
    for field in fields(Options):
        if field.name in absent:
            assert field.name not in parameters
            continue
        parameter = parameters[field.name]
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY
        assert parameter.default == defaults.get(field.name, field.default)
        if field.name not in defaults:
            assert parameter.annotation == field.type
    shown = pydoc.render_doc(method, renderer=pydoc.plaintext).replace("'", "")
    assert "max_attempts: int = 3" in " ".join(shown.split())


@each_case("function", [executors.dask, frames.map_rows, report.follow, report.pieces, report.write])
def test_no_option_of_a_function_is_hidden(function: Callable[..., Any]) -> None:
    """Help and a notebook show the options of cluster, frame and report, instead of a bare ``**options``."""
    parameters = inspect.signature(function).parameters
    assert all(parameter.kind is not inspect.Parameter.VAR_KEYWORD for parameter in parameters.values())
    assert "**" not in pydoc.render_doc(function, renderer=pydoc.plaintext).splitlines()[2]


def test_a_frame_is_worked_on_with_the_options_of_map(store: CheckpointStore) -> None:
    """``map_rows`` has the options of ``map`` with their defaults, and refuses an unknown option first."""
    mapped, parameters = (
        inspect.signature(CheckpointStore.map).parameters,
        inspect.signature(frames.map_rows).parameters,
    )
    assert mapped.keys() - parameters.keys() == {"self", "chunks"}
    assert parameters["max_attempts"].default == mapped["max_attempts"].default
    with pytest.raises(UnknownOptionError, match="did you mean max_attempts"):
        frames.map_rows(store, str, object(), file_name="t", retries=3)


@each_case(
    ("name", "value", "nearest"),
    [
        ("retries", 3, "max_attempts"),
        ("timeout", 30, "timeout_seconds"),
        ("concurrency", 8, "workers"),
        ("limit", 8, "workers"),
        ("worker", 8, "workers"),
        ("on_errors", "record", "on_error"),
        ("max_costs", 1.0, "max_cost"),
    ],
)
def test_an_unknown_option_is_answered_with_the_nearest_one(
    store: CheckpointStore, job: Job, name: str, value: object, nearest: str
) -> None:
    """``map``, ``amap`` and ``store.map`` refuse an unknown option with the nearest one, before any call."""
    options: dict[str, Any] = {name: value}
    calls: dict[str, Callable[[], object]] = {
        "map": lambda: job.map(pytest.fail, **options),
        "amap": lambda: job.amap(asyncio.sleep, **options),
        "store.map": lambda: store.map(pytest.fail, ["x"], file_name="other.srt", **options),
    }
    for call in calls.values():
        with pytest.raises(UnknownOptionError, match=f"did you mean {nearest}\\?") as caught:
            call()
        assert (caught.value.name, caught.value.value) == (name, repr(value))
        assert isinstance(caught.value, InvalidArgumentError)
        assert isinstance(caught.value, TypeError)
    assert [known.file_name for known in store.jobs()] == ["talk.srt"]


@each_case(
    ("name", "value", "nearest"),
    [("title", "T", "video_title"), ("onchange", "reuse", "on_change"), ("ignoring", ("model",), "reuse_ignoring")],
)
def test_an_unknown_argument_of_a_plan_is_answered_with_the_nearest_one(
    store: CheckpointStore, name: str, value: object, nearest: str
) -> None:
    """``open_job`` and ``plan`` refuse an unknown argument with the nearest one, before there is a job."""
    for call in (store.open_job, store.plan):
        with pytest.raises(UnknownOptionError, match=f"{call.__name__}\\(\\): did you mean {nearest}\\?"):
            call("talk.srt", chunks=["a"], **{name: value})  # type: ignore[arg-type]
    assert store.jobs() == []


def test_an_option_like_no_other_is_answered_with_all_of_them(job: Job) -> None:
    """Where no option is near, the message lists them."""
    with pytest.raises(UnknownOptionError, match=r"xyzzy=1 is no option of map\(\): it has fn, executor, workers, "):
        job.map(pytest.fail, xyzzy=1)  # type: ignore[call-arg]


def test_amap_takes_as_many_workers_as_map(job: Job) -> None:
    """``amap`` takes ``workers`` as ``map`` does, and awaits no more coroutines at a time."""
    at_work: list[int] = []
    most: list[int] = []

    async def work(text: str) -> str:
        at_work.append(1)
        most.append(len(at_work))
        await asyncio.sleep(0)
        at_work.pop()
        return text

    async def main() -> list[Any]:
        return [item.result async for item in job.amap(work, workers=1, ordered=True)]

    assert asyncio.run(main()) == ["a", "b"]
    assert max(most) == 1
