"""SIGKILL at any moment: what was acknowledged is there, once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .warm import figures_of

if TYPE_CHECKING:
    from conftest import Children

# Two processes of four threads each work at the same chunks, every one with a result of its own, and write down what
# was acknowledged; one is killed, a moment later the other, and two more go on, until the job is done. Then the next.
WRITERS = """
seed, kills_wanted, durability, mode = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
random.seed(seed)
connect.file_system = lambda path: "ext4" if mode == "wal" else "nfs"
TOTAL = int(sys.argv[5])

def work(job_id, number):
    log = os.open("acknowledged", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    store = CheckpointStore("talks.db", durability=durability)
    job = store.job(job_id)
    def run(thread):
        dice = random.Random(time.monotonic_ns() ^ os.getpid() << 8 ^ thread)
        left = list(range(TOTAL))
        dice.shuffle(left)
        for index in left:
            token = f"{os.getpid()}-{thread}-{dice.random()}"
            try:
                job.complete(index, {"token": token, "text": "x" * dice.randrange(3000)})
            except ChunkAlreadyCompleted:
                continue
            os.write(log, f"{job_id} {index} {token}\\n".encode())
    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store.close()

def judge(job_id):
    with CheckpointStore("talks.db") as store:
        found = {index: result["token"] for index, result in store.job(job_id).items()}
        problems = store.check()
        store.job(job_id).export()
    with open("acknowledged") as log:
        told = [line.split() for line in log]
    mine = [(int(index), token) for job, index, token in told if job == job_id]
    lost = [pair for pair in mine if found.get(pair[0]) != pair[1]]
    return len(mine), len(lost), len(mine) - len({index for index, _ in mine}), len(problems)

kills = jobs = acknowledged = lost = duplicated = problems = 0
while kills < kills_wanted:
    with CheckpointStore("talks.db", durability=durability) as store:
        job_id = store.open_job("talk.srt", total_chunks=TOTAL, fresh=True).job_id
    jobs += 1
    open("acknowledged", "w").close()
    left, longest = TOTAL, 0.12
    while left:
        children = [forked(work, job_id, number) for number in range(2)]
        for child in children:
            time.sleep(random.uniform(0.0, longest))
            os.kill(child, signal.SIGKILL)
        kills += sum([ended(child) for child in children])
        before = left
        with CheckpointStore("talks.db", durability=durability) as store:
            left = store.job(job_id).progress().remaining_chunks
        if left == before:
            longest *= 1.5  # a slow disk
    counts = judge(job_id)
    acknowledged, lost = acknowledged + counts[0], lost + counts[1]
    duplicated, problems = duplicated + counts[2], problems + counts[3]
strays = [name for name in os.listdir(".") if ".tmp-" in name and not ".backup-" in name]
print(json.dumps([kills, jobs, acknowledged, lost, duplicated, problems, len(strays)]))
"""
MODES = [(durability, mode) for durability in ("power-loss", "process") for mode in ("wal", "truncate")]


def _writers(children: Children, kills: int, total: int, durability: str, mode: str) -> None:
    killed, jobs, acknowledged, lost, duplicated, problems, strays = figures_of(
        children, WRITERS, 1, kills, durability, mode, total
    )
    print(
        f"FIGURES kills: durability={durability} journal={mode} kills={killed} jobs={jobs} "
        f"acknowledged={acknowledged} lost={lost} duplicated={duplicated} problems={problems}"
    )
    assert killed >= kills
    assert acknowledged > 0
    assert (lost, duplicated, problems, strays) == (0, 0, 0, 0)


@pytest.mark.parametrize(("kills", "total"), [(3, 10), pytest.param(10, 30, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("durability", "mode"), MODES)
def test_a_kill_loses_no_acknowledged_chunk(
    children: Children, durability: str, mode: str, kills: int, total: int
) -> None:
    """What two processes of four threads were told is complete is there after any of them was killed, and once."""
    _writers(children, kills, total, durability, mode)


@pytest.mark.storm
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("durability", "mode"), MODES)
def test_a_thousand_kills(children: Children, durability: str, mode: str) -> None:
    """The same, 250 times in each of the four modes."""
    _writers(children, 250, 240, durability, mode)


EXPORTS = """
kills_wanted = int(sys.argv[1])
random.seed(2)
with CheckpointStore("talks.db") as store:
    job = store.open_job("talk.srt", total_chunks=400)
    job.complete_many((index, {"text": "x" * 1500, "chunk": index}) for index in range(300))
    job_id = job.job_id
def work():
    os.umask(0)
    with CheckpointStore("talks.db") as store:
        while True:
            store.job(job_id).export()
kills = torn = left = 0
modes = set()
while kills < kills_wanted:
    child = forked(work)
    time.sleep(random.uniform(0.0, 0.06))
    os.kill(child, signal.SIGKILL)
    kills += ended(child)
    for name in ("talks.json", "talks.bak"):
        try:
            with open(name) as file:
                state = ProcessingState.from_json(file.read())
            torn += name == "talks.json" and len(state.completed_chunks) != 300
        except FileNotFoundError:
            torn += name == "talks.json"
        except StateFormatError:
            torn += 1
    modes |= {os.stat(name).st_mode & 0o777 for name in os.listdir(".") if name.startswith("talks")}
    if kills % 5 == 0:
        with CheckpointStore("talks.db") as store:
            store.job(job_id).export()
        left += len([name for name in os.listdir(".") if ".tmp-" in name])
print(json.dumps([kills, torn, left, sorted(modes)]))
"""


def _exports(children: Children, kills: int) -> None:
    killed, torn, left, modes = figures_of(children, EXPORTS, kills)
    print(
        f"FIGURES export kills: kills={killed} torn={torn} left_over={left} modes={[f'{mode:04o}' for mode in modes]}"
    )
    assert (killed >= kills, torn, left, modes) == (True, 0, 0, [0o600])


@pytest.mark.parametrize("kills", [10, pytest.param(40, marks=pytest.mark.slow)])
def test_a_kill_during_an_export_tears_nothing(children: Children, kills: int) -> None:
    """The state file and the one before it are whole and 0600 after any kill, and the next export sweeps."""
    _exports(children, kills)


@pytest.mark.storm
@pytest.mark.timeout(3600)
def test_a_thousand_kills_during_export(children: Children) -> None:
    """The same, a thousand times."""
    _exports(children, 1000)


OPENS = """
count, rounds = int(sys.argv[1]), int(sys.argv[2])
def work(number, gate, name):
    os.read(gate, 1)
    with CheckpointStore(name, lock_timeout_seconds=120) as store:
        store.open_job("talk.srt", total_chunks=count).complete(number, number)
problems = []
for round in range(rounds):
    gate, go = os.pipe()
    children = [forked(work, number, gate, f"talks{round}.db") for number in range(count)]
    os.write(go, b"x" * count)
    for child in children:
        ended(child)
    os.close(gate), os.close(go)
    with CheckpointStore(f"talks{round}.db") as store:
        jobs = store.jobs()
        if len(jobs) != 1 or list(jobs[0].results()) != list(range(count)) or store.check():
            problems.append(round)
print(json.dumps([count * rounds, len(problems)]))
"""


def _first_opens(children: Children, count: int, rounds: int) -> None:
    opened, problems = figures_of(children, OPENS, count, rounds)
    print(f"FIGURES first opens: at_once={count} opens={opened} failed={problems}")
    assert problems == 0


def test_first_opens_at_the_same_moment_make_one_store(children: Children) -> None:
    """However many processes create the same store at once, there is one schema, one job, and each one's chunk."""
    _first_opens(children, 12, 1)


@pytest.mark.storm
@pytest.mark.timeout(3600)
def test_a_hundred_first_opens(children: Children) -> None:
    """The same for a hundred processes, three times."""
    _first_opens(children, 100, 3)
