"""The service with its restorers behind Ray Serve: the same jobs, events and bytes."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from restore.bench.nodes import Nodes, cluster
from tests.cluster.conftest import needs_ray
from tests.server.conftest import QUICK, SLOW, Live

pytestmark = [pytest.mark.slow, needs_ray]


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    """Two nodes for a server."""
    with cluster(2) as started:
        yield started


@pytest.fixture(scope="module")
def served(nodes: Nodes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server whose restorers are on the nodes."""
    store = tmp_path_factory.mktemp("served") / "store"
    words = ("--prior", f"{QUICK},{SLOW}", "--engine", "ray", "--ray-address", nodes.address)
    live = Live(store, *words, **nodes.environment).start()
    live.wait(lambda: live.http.get("/readyz").status_code == 200, seconds=240)
    yield live
    assert live.stop() == 0


def test_jobs_are_done_as_without_ray(served: Live, tmp_path: Path) -> None:
    here = Live(tmp_path / "store", "--prior", QUICK).start().ready()
    try:
        pictures = []
        for live in (served, here):
            job = live.get(live.job(seed=5)["id"], wait=60)
            assert job["state"] == "succeeded", job
            answer = live.http.get(job["links"]["result"], headers={"Accept": "image/png"})
            pictures.append(answer.content)
            kinds = [kind for _, kind, _ in live.events(job["id"])]
            assert kinds[:2] == ["queued", "running"] and kinds[-1] == "succeeded"
            assert "progress" in kinds
        assert pictures[0] == pictures[1]
    finally:
        here.stop()


def test_two_are_done_at_once_on_two_devices(served: Live) -> None:
    # long enough for a second replica to be started
    jobs = [served.job(prior=SLOW, steps=1000)["id"] for _ in range(2)]

    def running() -> bool:
        found = [served.get(job) for job in jobs]
        return all(job["state"] == "running" and job["step"] > 0 for job in found)

    served.wait(running, seconds=120)
    for job in jobs:
        assert served.http.delete(f"/v1/jobs/{job}").status_code in (200, 202, 204)
    ended = [served.get(job, wait=30) for job in jobs]
    assert [job["state"] for job in ended] == ["canceled", "canceled"]


def test_what_a_photo_lacks_is_told(served: Live) -> None:
    job = served.get(served.job(kernel=None)["id"], wait=60)  # too small to estimate it
    assert job["state"] == "failed"
    assert job["error"]["status"] == 422, job


def test_a_node_that_is_killed_costs_no_job(served: Live, nodes: Nodes) -> None:
    jobs = [served.job(prior=SLOW, seed=seed)["id"] for seed in range(6)]
    served.wait(lambda: any(served.get(job)["step"] >= 3 for job in jobs), seconds=60)
    nodes.kill(nodes.nodes[0])
    ended = [served.get(job, wait=60) for job in jobs]
    over = time.monotonic() + 180
    while any(job["state"] not in ("succeeded", "failed") for job in ended):
        assert time.monotonic() < over
        ended = [served.get(job["id"], wait=30) for job in ended]
    assert [job["state"] for job in ended] == ["succeeded"] * 6, ended
    for job in jobs:
        kinds = [kind for _, kind, _ in served.events(job)]
        assert kinds.count("succeeded") == 1
