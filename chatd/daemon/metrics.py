"""The metrics of the daemon, for Prometheus.

Each metric is declared once, in the table `METRICS`. Values are read when Prometheus asks for them, from
counters that the daemon keeps anyway, so that messages cost no more. No label has a nick, the name of a
group, an address or a text in it.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from itertools import accumulate, product
from typing import Final, Literal

import msgspec
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from twisted.internet.interfaces import IDelayedCall

from chatd import __version__
from chatd.boundaries import Clock
from chatd.chat.service import Chat
from chatd.connections.factory import Sessions
from chatd.core.commands import COMMANDS
from chatd.core.counters import Histogram
from chatd.core.limits import Limits
from chatd.core.refusals import REFUSAL_SENTENCES
from twisted import __version__ as twisted_version

REACTOR_LAG_MEASUREMENT_INTERVAL_SECONDS: Final = 1.0
"""Seconds between two measurements of the reactor's lag."""

REACTOR_LAG_BUCKET_BOUNDS_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
"""The upper bounds of the buckets that the reactor's lag is counted in, in seconds."""

CONVERSATION_KINDS: Final = ("lobby", "group", "direct")
"""The kinds of conversations that messages are counted by."""


class ReactorLag:
    """Measures, once a second, how late the reactor calls a timer. Every client has to wait as long."""

    def __init__(self, clock: Clock) -> None:
        self.seconds = Histogram(REACTOR_LAG_BUCKET_BOUNDS_SECONDS)
        self._clock = clock
        self._due = 0.0
        self._timer: IDelayedCall | None = None

    def start(self) -> None:
        """Start the measurements."""
        self._due = self._clock.seconds() + REACTOR_LAG_MEASUREMENT_INTERVAL_SECONDS
        self._timer = self._clock.callLater(REACTOR_LAG_MEASUREMENT_INTERVAL_SECONDS, self._measure)

    def stop(self) -> None:
        """Stop the measurements."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def _measure(self) -> None:
        self.seconds.observe(max(0.0, self._clock.seconds() - self._due))
        self.start()


class MonitoredParts(msgspec.Struct, frozen=True, eq=False):
    """The parts of the daemon whose values the metrics show.

    The length of ``passwords`` is the number of passwords that wait to be hashed. ``limits`` are the
    configured limits. ``wire_names`` are the names of all wires (protocols).
    """

    chat: Chat
    sessions: Sessions
    passwords: Sized
    limits: Limits
    wire_names: tuple[str, ...]
    lag: ReactorLag


LabelledValues = Mapping[tuple[str, ...], float]
"""The values of a metric, by the values of its labels."""


class MetricDeclaration(msgspec.Struct, frozen=True, eq=False):
    """The declaration of one metric.

    ``labels`` are the names of its labels. ``read(parts)`` returns its present value.
    """

    name: str
    kind: Literal["gauge", "counter", "histogram"]
    help: str
    read: Callable[[MonitoredParts], float | LabelledValues | Histogram]
    labels: tuple[str, ...] = ()


def _build(_: MonitoredParts) -> LabelledValues:
    return {(__version__, platform.python_version(), twisted_version): 1}


def _with_zeros(names: Iterable[str], counted: Mapping[str, int]) -> LabelledValues:
    """Return ``counted`` with a 0 for each of ``names`` that is missing, so that the first one is seen."""
    return {(name,): counted.get(name, 0) for name in dict.fromkeys((*names, *counted))}


def _messages(monitored: MonitoredParts) -> LabelledValues:
    counted = monitored.chat.counters.messages
    labels = {*product(monitored.wire_names, CONVERSATION_KINDS), *counted}
    return {label: counted.get(label, 0) for label in sorted(labels)}


METRICS: Final = (
    MetricDeclaration(
        "chatd_build_info",
        "gauge",
        "Always 1; the labels are versions.",
        _build,
        ("version", "python", "twisted"),
    ),
    MetricDeclaration(
        "chatd_connections",
        "gauge",
        "Open connections by wire; undetected are those whose first bytes have not come yet.",
        lambda monitored: _with_zeros(monitored.wire_names, monitored.sessions.count_by_wire()),
        ("wire",),
    ),
    MetricDeclaration(
        "chatd_sessions",
        "gauge",
        "Connections that are logged in.",
        lambda monitored: monitored.chat.session_count,
    ),
    MetricDeclaration(
        "chatd_users_online",
        "gauge",
        "Users who are logged in, each once.",
        lambda monitored: monitored.chat.online_user_count,
    ),
    MetricDeclaration(
        "chatd_messages_total",
        "counter",
        "Messages of every kind stored, by the wire of their author and the kind of their conversation.",
        _messages,
        ("wire", "kind"),
    ),
    MetricDeclaration(
        "chatd_refusals_total",
        "counter",
        "Refusals sent, by code; slow_consumer counts connections that were cut.",
        lambda monitored: _with_zeros(REFUSAL_SENTENCES, monitored.chat.counters.refusals),
        ("code",),
    ),
    MetricDeclaration(
        "chatd_refused_logins_total",
        "counter",
        "Logins refused, by code; they are refusals as well.",
        lambda monitored: _with_zeros(
            COMMANDS["hello"].refusal_codes, monitored.chat.counters.refused_logins
        ),
        ("code",),
    ),
    MetricDeclaration(
        "chatd_commit_seconds",
        "histogram",
        "Durations of the transactions that succeeded, in seconds, as the daemon waits for them.",
        lambda monitored: monitored.chat.journal.commit_duration_histogram,
    ),
    MetricDeclaration(
        "chatd_commit_tasks",
        "histogram",
        "Commands stored by one transaction; 0 if it wrote last seen ids only.",
        lambda monitored: monitored.chat.journal.commit_size_histogram,
    ),
    MetricDeclaration(
        "chatd_failed_commits_total",
        "counter",
        "Transactions that failed.",
        lambda monitored: monitored.chat.journal.failed_commits,
    ),
    MetricDeclaration(
        "chatd_journal_queue",
        "gauge",
        "Commands and answers that wait for the next transaction.",
        lambda monitored: len(monitored.chat.journal),
    ),
    MetricDeclaration(
        "chatd_outbox_bytes",
        "gauge",
        "Bytes that wait in the outboxes of all clients.",
        lambda monitored: monitored.sessions.outbox_bytes,
    ),
    MetricDeclaration(
        "chatd_password_queue",
        "gauge",
        "Passwords that wait to be hashed or verified with argon2.",
        lambda monitored: len(monitored.passwords),
    ),
    MetricDeclaration(
        "chatd_database_bytes",
        "gauge",
        "Size of the database, as it was measured last.",
        lambda monitored: monitored.chat.journal.database_bytes,
    ),
    MetricDeclaration(
        "chatd_database_limit_bytes",
        "gauge",
        "The limit database_size.",
        lambda monitored: monitored.limits.database_size,
    ),
    MetricDeclaration(
        "chatd_reactor_lag_seconds",
        "histogram",
        "How late the reactor called a timer, in seconds, measured once a second.",
        lambda monitored: monitored.lag.seconds,
    ),
)
"""All metrics of chatd. The metrics ``process_*`` are prometheus-client's."""


class MetricsCollector(Collector):
    """Reads all metrics of a daemon, for a registry of prometheus-client."""

    def __init__(self, monitored: MonitoredParts) -> None:
        self._monitored = monitored

    def collect(self) -> Iterator[Metric]:
        """Return the present values of all `METRICS`."""
        for declared in METRICS:
            yield _metric(declared, declared.read(self._monitored))


def _metric(declared: MetricDeclaration, value: float | LabelledValues | Histogram) -> Metric:
    if isinstance(value, Histogram):
        names = (*map(str, value.bounds), "+Inf")
        buckets = list(zip(names, accumulate(value.counts), strict=True))
        return HistogramMetricFamily(declared.name, declared.help, buckets, value.total)
    family = (CounterMetricFamily if declared.kind == "counter" else GaugeMetricFamily)(
        declared.name, declared.help, labels=declared.labels
    )
    for labels, number in (value if isinstance(value, Mapping) else {(): value}).items():
        family.add_metric(labels, number)
    return family
