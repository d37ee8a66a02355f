"""Killed at any time: every accepted job ends, once."""

import os
import random
import signal
import sqlite3
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from restore.server.leases import Leases, Lost
from restore.server.settings import ATTEMPTS
from restore.server.store import Asked, Bounds, Store
from tests.server.conftest import QUICK, ROOT, SLOW, Live

DEADLY = "tests.server.toys:deadly"


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server to kill; every test leaves it alive."""
    store = tmp_path_factory.mktemp("mortal") / "store"
    live = Live(store, "--prior", f"{QUICK},{SLOW},{DEADLY}").start()
    yield live
    live.stop()


def ends(server: Live, jobs: Iterable[str]) -> Counter[str]:
    """How often each job has ended, by the store's events."""
    with closing(sqlite3.connect(server.store / "jobs.sqlite")) as database:
        rows = database.execute(
            "SELECT job FROM events WHERE kind IN ('succeeded', 'failed', 'canceled')"
        ).fetchall()
    return Counter(row[0] for row in rows if row[0] in {*jobs})


def under_way(server: Live, job: str) -> None:
    """Wait until some steps of a job are done."""
    server.wait(lambda: server.get(job)["step"] >= 3)


def test_a_worker_that_is_killed_is_replaced(mortal: Live) -> None:
    first = mortal.job(prior=SLOW)["id"]
    second = mortal.job()["id"]
    under_way(mortal, first)
    os.kill(mortal.worker, signal.SIGKILL)
    assert mortal.http.get("/healthz").status_code == 200
    ended = mortal.get(first, wait=30)
    assert (ended["state"], ended["attempts"]) == ("succeeded", 2)
    assert mortal.get(second, wait=30)["state"] == "succeeded"
    assert ends(mortal, [first, second]) == {first: 1, second: 1}
    kinds = [kind for _, kind, _ in mortal.events(first)]
    assert kinds.count("running") == kinds.count("queued") == 2


def test_a_server_that_is_killed_goes_on_after_its_restart(mortal: Live) -> None:
    jobs = [mortal.job(prior=SLOW)["id"], *(mortal.job(seed=seed)["id"] for seed in range(6))]
    under_way(mortal, jobs[0])
    worker = mortal.worker
    (mortal.store / "jobs" / "half-uploaded").mkdir()
    mortal.kill()
    mortal.start()
    assert [mortal.get(job, wait=30)["state"] for job in jobs] == ["succeeded"] * 7
    assert ends(mortal, jobs) == dict.fromkeys(jobs, 1)
    assert mortal.worker != worker
    assert not Path(f"/proc/{worker}").exists()
    assert not (mortal.store / "jobs" / "half-uploaded").exists()
    assert mortal.http.get(f"/v1/jobs/{jobs[0]}/result").content.startswith(b"\x89PNG")


def test_a_second_server_on_the_store_is_refused(mortal: Live) -> None:
    done = subprocess.run(
        mortal.words, cwd=ROOT, env=mortal.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert f"--store: {mortal.store} is served already" in done.stderr
    assert mortal.http.get("/healthz").status_code == 200


def test_a_signal_puts_the_job_back_and_ends_the_streams(mortal: Live) -> None:
    job = mortal.job(prior=SLOW, steps=40)["id"]
    heard = threading.Thread(target=mortal.events, args=(job,))
    heard.start()
    under_way(mortal, job)
    began = time.monotonic()
    os.kill(mortal.server, signal.SIGINT)
    heard.join(10)
    assert not heard.is_alive()
    assert time.monotonic() - began < 5
    assert mortal.process is not None
    assert mortal.process.wait(20) == 0
    assert mortal.told("job put back")[-1]["job"] == job
    mortal.start()
    ended = mortal.get(job, wait=30)
    assert (ended["state"], ended["attempts"]) == ("succeeded", 1)
    assert ends(mortal, [job]) == {job: 1}


def asked(name: str) -> Asked:
    """A job of the store."""
    return Asked(name, "", "deblur", {}, {"image": "image.png"}, 10, "fingerprint")


def test_a_job_that_kills_its_worker_fails_in_the_end(tmp_path: Path) -> None:
    store = Store(tmp_path)
    leases = Leases(store)
    store.add(asked("deadly"), Bounds(10, 10**9))
    for attempt in range(1, ATTEMPTS + 1):
        taken = leases.claim()
        assert taken is not None
        assert taken["attempts"] == attempt
        assert leases.recover(time.time()) == []  # its lease holds
        assert leases.recover(float("inf")) == ["deadly"]
    assert leases.claim() is None
    found = store.get("deadly", "")
    assert found is not None
    assert found["state"] == "failed"
    assert f"ended its worker {ATTEMPTS} times" in found["error"]
    store.database.close()


def test_who_has_lost_a_job_cannot_end_it(tmp_path: Path) -> None:
    store = Store(tmp_path)
    old, new = Leases(store), Leases(store)
    store.add(asked("one"), Bounds(10, 10**9))
    stale = old.claim()
    assert stale is not None
    new.recover(float("inf"))
    fresh = new.claim()
    assert fresh is not None
    with pytest.raises(Lost):
        old.check(stale)
    with pytest.raises(Lost):
        old.progress(stale, 1, 2, None)
    assert old.finish(stale, 0, report={"by": "old"}, error=None) is None
    old.put_back(stale)
    assert new.finish(fresh, 0, report={"by": "new"}, error=None) == "succeeded"
    assert new.finish(fresh, 0, report={"by": "new"}, error=None) is None
    found = store.get("one", "")
    assert found is not None
    assert (found["state"], found["report"]) == ("succeeded", '{"by": "new"}')
    kinds = [row["kind"] for row in store.events("one", 0)]
    assert kinds == ["queued", "running", "queued", "running", "succeeded"]
    store.database.close()


def test_a_cancel_in_the_last_step_holds(tmp_path: Path) -> None:
    store = Store(tmp_path)
    leases = Leases(store)
    store.add(asked("late"), Bounds(10, 10**9))
    job = leases.claim()
    assert job is not None
    assert store.cancel("late")["state"] == "running"
    assert leases.finish(job, 7, report={}, error=None) == "canceled"
    found = store.get("late", "")
    assert found is not None
    assert (found["state"], found["bytes"], found["report"]) == ("canceled", 0, None)
    store.database.close()


@pytest.mark.slow
def test_a_deadly_job_does_not_hold_up_the_others(mortal: Live) -> None:
    deadly = mortal.job(prior=DEADLY)["id"]
    after = mortal.job()["id"]
    ended = mortal.get(deadly, wait=60)
    assert (ended["state"], ended["attempts"]) == ("failed", ATTEMPTS)
    assert mortal.get(after, wait=30)["state"] == "succeeded"
    assert ends(mortal, [deadly, after]) == {deadly: 1, after: 1}


@pytest.mark.slow
def test_a_worker_that_hangs_is_replaced(mortal: Live) -> None:
    job = mortal.job(prior=SLOW)["id"]
    under_way(mortal, job)
    os.kill(mortal.worker, signal.SIGSTOP)
    mortal.wait(lambda: mortal.told("worker is silent"), seconds=40)
    ended = mortal.get(job, wait=30)
    assert (ended["state"], ended["attempts"]) == ("succeeded", 2)


@pytest.mark.slow
def test_killed_at_random_under_load(mortal: Live) -> None:
    chance, accepted, over = random.Random(1), list[str](), threading.Event()

    def ask(client: int) -> None:
        number = 0
        while not over.is_set():
            headers = {"Idempotency-Key": f"{client}-{number}"}
            try:
                answer = mortal.post(seed=number, steps=4, headers=headers)
            except httpx.TransportError:
                time.sleep(0.1)
                continue
            assert answer.status_code == 202, answer.text
            accepted.append(answer.json()["id"])
            number += 1
            time.sleep(0.1)

    clients = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for client in clients:
        client.start()
    for victim in ("worker", "server", "worker", "server", "server"):
        time.sleep(chance.uniform(0.1, 3.0))
        if victim == "server":
            mortal.kill()
            mortal.start()
        else:
            os.kill(mortal.worker, signal.SIGKILL)
    over.set()
    for client in clients:
        client.join()
    assert len({*accepted}) > 10
    assert {mortal.get(job, wait=60)["state"] for job in accepted} == {"succeeded"}
    assert ends(mortal, accepted) == dict.fromkeys(accepted, 1)
