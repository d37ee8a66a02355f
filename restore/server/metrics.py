"""What Prometheus reads: requests as they come, jobs and the store as they are."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from restore.server.store import Store
from restore.server.supervisor import Supervisor

__all__ = ["CONTENT_TYPE_LATEST", "Metrics"]

BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)


class Metrics:
    """The figures of one server."""

    def __init__(self, store: Store, supervisor: Supervisor) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.registry.register(_Jobs(store, supervisor))
        self._requests = Counter(
            "photomend_http_requests",
            "Requests answered.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "photomend_http_request_seconds",
            "From a request to the end of its answer.",
            ("route",),
            buckets=BUCKETS,
            registry=self.registry,
        )

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answer; route: the path as documented, not as asked."""
        self._requests.labels(method, route, status).inc()
        self._seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """All of them in the text format."""
        return generate_latest(self.registry)


class _Jobs(Collector):
    """Read from the store when asked: it outlives the process."""

    def __init__(self, store: Store, supervisor: Supervisor) -> None:
        self.store, self.supervisor = store, supervisor

    def collect(self) -> Iterator[Metric]:
        jobs = GaugeMetricFamily("photomend_jobs", "Jobs by state.", labels=("state",))
        for state, count in self.store.counts():
            jobs.add_metric((state,), count)
        yield jobs
        labels = ("task", "state")
        ended = CounterMetricFamily("photomend_jobs_ended", "Jobs that ended.", labels=labels)
        seconds = CounterMetricFamily("photomend_job_seconds", "Their seconds.", labels=labels)
        for row in self.store.tallies():
            ended.add_metric((row["task"], row["state"]), row["count"])
            seconds.add_metric((row["task"], row["state"]), row["seconds"])
        yield from (ended, seconds)
        used = GaugeMetricFamily("photomend_store_bytes", "Files and database.")
        used.add_metric((), self.store.used())
        yield used
        ready = GaugeMetricFamily("photomend_worker_ready", "Whether the worker takes jobs.")
        ready.add_metric((), self.supervisor.ready.is_set())
        yield ready
        restarts = CounterMetricFamily("photomend_worker_restarts", "Workers that died.")
        restarts.add_metric((), self.supervisor.restarts)
        yield restarts

    def describe(self) -> list[Metric]:
        """Nothing is read at registration."""
        return []
