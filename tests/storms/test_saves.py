"""SIGKILL while a processor saves its whole state after each chunk: the files are whole, and what was saved is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .warm import figures_of

if TYPE_CHECKING:
    from conftest import Children

# A child loads, adds a chunk, saves, and writes down which chunk was acknowledged; it is killed, and the next goes on.
# After each kill both files are read as they are, before any store is opened.
SAVES = """
kills_wanted, total = int(sys.argv[1]), int(sys.argv[2])
random.seed(3)

def result(index):
    return {"chunk_index": index + 1, "text": f"{index} " * 400}

def work():
    os.umask(0)
    log = os.open("acknowledged", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    manager = StateManager("state.json")
    while True:
        state = manager.load()
        index = state.next_chunk_index
        if index == total:
            os.truncate("acknowledged", 0)
            manager.clear()
            manager.save(ProcessingState(file_name="talk.srt", total_chunks=total, status="running"))
            continue
        manager.save(state.replace(
            completed_chunks=[*state.completed_chunks, index],
            processed_results=[*state.processed_results, result(index)],
        ))
        os.write(log, f"{index}\\n".encode())

def sound(state):
    return (
        state.completed_chunks == list(range(len(state.completed_chunks)))
        and state.results() == {index: result(index) for index in state.completed_chunks}
    )

with StateManager("state.json") as manager:
    manager.save(ProcessingState(file_name="talk.srt", total_chunks=total, status="running"))
kills = torn = lost = wrong = missing = 0
modes = set()
while kills < kills_wanted:
    child = forked(work)
    time.sleep(random.uniform(0.0, 0.3))
    os.kill(child, signal.SIGKILL)
    kills += ended(child)
    whole = 0
    for name in ("state.json", "state.bak"):
        try:
            with open(name) as file:
                whole += sound(ProcessingState.from_json(file.read()))
        except FileNotFoundError:
            pass
        except StateFormatError:
            torn += 1
    cleared = os.path.getsize("acknowledged") == 0 if os.path.exists("acknowledged") else True
    missing += whole == 0 and not cleared
    modes |= {os.stat(name).st_mode & 0o777 for name in os.listdir(".") if name.startswith("state")}
    told = [int(line) for line in open("acknowledged")] if os.path.exists("acknowledged") else []
    with StateManager("state.json") as manager:
        state = manager.load()
        if state is None:
            manager.save(ProcessingState(file_name="talk.srt", total_chunks=total, status="running"))
            continue
        lost += len(set(told) - set(state.completed_chunks))
        wrong += not sound(state)
        manager.save(state)
        with open("state.json") as file:
            wrong += ProcessingState.from_json(file.read()) != manager.load()
left = len([name for name in os.listdir(".") if ".tmp-" in name])
with CheckpointStore("state.db") as store:
    wrong += len(store.check())
print(json.dumps([kills, torn, lost, wrong, missing, left, sorted(modes)]))
"""


def _saves(children: Children, kills: int, total: int) -> None:
    killed, torn, lost, wrong, missing, left, modes = figures_of(children, SAVES, kills, total)
    print(
        f"FIGURES saves: kills={killed} torn={torn} lost={lost} wrong={wrong} without_a_file={missing} left_over={left} "
        f"modes={[f'{mode:04o}' for mode in modes]}"
    )
    assert (killed >= kills, torn, lost, wrong, missing, left, modes) == (True, 0, 0, 0, 0, 0, [0o600])


@pytest.mark.slow
def test_a_kill_during_a_save_tears_nothing(children: Children) -> None:
    """The state file and .bak are whole and 0600 after any kill, and every save that returned is there."""
    _saves(children, 15, 60)


@pytest.mark.storm
@pytest.mark.timeout(3600)
def test_five_hundred_kills_during_saves(children: Children) -> None:
    """The same with 500 kills."""
    _saves(children, 500, 300)
