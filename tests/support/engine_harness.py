"""Runs the engine as a user does: worker processes against a broker, Redis and ClickHouse on loopback.

A `Stack` holds the services and sends messages; a `Worker` is one `pulse worker` process that can be killed, frozen or
ended. What the tables hold afterwards is read by `result_tables.tables`.
"""

import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import data_folders
import recovery_rules
import redis
from clickhouse_connect.driver.client import Client
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic
from field_force import Company, Message
from pydantic import SecretStr
from real_kafka import RealKafka
from worker_process import WorkerProcess

from agents.progress.calendar import CompanyTime
from streams import clickhouse, local, migrate, policies, references, rule_lifecycle
from streams.errors import UnavailableError
from streams.producer import BulkProducer
from streams.settings import Settings
from streams.shards_view import Progress, ShardsView
from streams.topics import OTHER_TOPICS, SHARD_TOPICS

ROOT = Path(__file__).parents[2]
PARTITIONS = 4
DRAIN_S = 120.0
_POLL_S = 0.05
#: What a shard's checkpoint is made of in Redis.
_PARTS = ("meta", "state", "seen")
#: Checkpoints so frequent that a kill nearly always falls between two of them.
OFTEN = {
    "checkpoint_interval_s": 0.2,
    "checkpoint_events": 100,
    "session_timeout_s": 3,
    "unknown_grace_s": 1,
    "rule_lateness_days": 3_660,  # events of the tests come in no order of time
    "log_level": "info",
}


def wait_for(condition: Callable[[], bool], what: str, timeout_s: float = DRAIN_S) -> None:
    """Poll until `condition` holds.

    Raises:
        AssertionError: it did not within `timeout_s`.
    """
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            msg = f"waited {timeout_s:.0f} s in vain for {what}"
            raise AssertionError(msg)
        time.sleep(_POLL_S)


class Worker:
    """One `pulse worker` process.

    Args:
        environment: all of its environment variables.
        log: file that takes what it says.
    """

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self.log = log
        log.touch()
        self._process = WorkerProcess(environment, log, ROOT)
        self.pid = self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process lives, frozen or not."""
        return self.exit_code is None

    @property
    def exit_code(self) -> int | None:
        """What it exited with; None while it runs."""
        return self._process.exit_code

    def kill(self) -> None:
        """SIGKILL: no last checkpoint, no goodbye to the broker."""
        self._signal(signal.SIGKILL)
        wait_for(lambda: not self.running, "a killed worker to be gone", 10)

    def terminate(self, timeout_s: float = 20.0) -> tuple[int, float]:
        """SIGTERM; returns the exit code and the seconds it took.

        Raises:
            AssertionError: it still runs after `timeout_s`; then it is killed.
        """
        began = time.monotonic()
        self._signal(signal.SIGTERM)
        while (code := self.exit_code) is None:
            if time.monotonic() - began > timeout_s:
                self.kill()
                msg = f"the worker did not end within {timeout_s:.0f} s of SIGTERM; its log ends:\n{self.tail()}"
                raise AssertionError(msg)
            time.sleep(_POLL_S)
        return code, time.monotonic() - began

    def freeze(self) -> None:
        """SIGSTOP: it lives, holds its connections and does nothing."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT: it goes on in the middle of whatever it did."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self.running:
            os.kill(self.pid, number)

    def tail(self, lines: int = 40) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def said(self, text: str) -> bool:
        """Whether its log holds `text`, in any case."""
        return text.lower() in self.log.read_text(errors="replace").lower()


class Stack:
    """The services of one company, and its workers.

    Args:
        folder: for ClickHouse's files and all logs.
        kafka: a real broker; the local mock broker when left out.
        settings: fields of `Settings` that differ from `OFTEN`.

    Attributes:
        settings: what a process needs to reach everything, as the workers get it.
    """

    settings: Settings

    def __init__(self, folder: Path, kafka: RealKafka | None = None, **settings: Any) -> None:
        self.folder = folder
        self.kafka = kafka
        self.workers: list[Worker] = []
        self._extra = {**OFTEN, **settings}
        self._round = 0
        self._broker: local.LocalServices | None = None
        self._clickhouse: local.LocalServices | None = None
        self._view: ShardsView | None = None
        self._log = (folder / "services.log").open("ab")

    def __enter__(self) -> "Stack":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    # --- services -----------------------------------------------------------------------------------------------------

    def prepare(self, company: Company) -> None:
        """Everything empty but the company's reference data and policies; earlier workers are gone."""
        self.stop_workers()
        self._round += 1
        if self._clickhouse is None:
            self.start_clickhouse()
        self._fresh_broker()
        self.settings = self._settings()
        with self.client() as client:
            migrate.migrate(client)
            _truncate(client)
            references.publish(client, company.references, "tests")
            policies.publish(client, policies.read(self.settings.policies), author="tests")
            rules = recovery_rules.written(self.folder / "rules")
            rule_lifecycle.publish_example(client, rules, CompanyTime(self.settings.time_zone))

    def start_clickhouse(self) -> None:
        """Start ClickHouse, on the port it had before."""
        folder, port = self.folder / "clickhouse", 0
        if self._clickhouse is None:
            data_folders.migrated(folder)
        else:
            port = int(clickhouse.parse_url(self._url("clickhouse_url"))["port"])
        self._clickhouse = local.start(folder, ("clickhouse",), clickhouse_port=port, stderr=self._log)

    def stop_clickhouse(self) -> None:
        """Take ClickHouse away; its files stay."""
        if self._clickhouse is not None:
            self._clickhouse.stop()

    def stop(self) -> None:
        """End all that was started here, but for the real broker."""
        self.stop_workers()
        self._close_view()
        for services in (self._broker, self._clickhouse):
            if services is not None:
                services.stop()
        self._log.close()

    def _fresh_broker(self) -> None:
        self._close_view()
        if self.kafka is None or self._broker is None:
            if self._broker is not None:
                self._broker.stop()
            services = ("redis",) if self.kafka else ("kafka", "redis")
            self._broker = local.start(self.folder / "broker", services, stderr=self._log)
        if self.kafka is not None:
            self.flush_redis()
            create_topics(self.kafka.bootstrap)

    def _url(self, name: str) -> Any:
        services = self._clickhouse if name.startswith("clickhouse") else self._broker
        return services.urls[name] if services is not None else None

    def _settings(self) -> Settings:
        values: dict[str, Any] = {
            "kafka_url": self.kafka.bootstrap if self.kafka else self._url("kafka_url"),
            "redis_url": SecretStr(self._url("redis_url")),
            "clickhouse_url": SecretStr(self._url("clickhouse_url")),
            "clickhouse_reader_url": SecretStr(self._url("clickhouse_reader_url")),
            "group": f"tests-{self._round}",
            "partitions": PARTITIONS,
            "policies": ROOT / "policies",
            **self._extra,
        }
        if self.kafka is None:
            values |= {name: self._url(name) for name in ("assign_delay_s", "broker_partition_bytes")}
        return Settings(_env_file=None, **values)

    # --- access -------------------------------------------------------------------------------------------------------

    @contextmanager
    def client(self) -> Iterator[Client]:
        """A ClickHouse client as the writer, closed afterwards."""
        client = clickhouse.connect(self.settings.clickhouse_url)
        try:
            yield client
        finally:
            client.close()

    @contextmanager
    def redis(self) -> Iterator["redis.Redis[str]"]:
        """A Redis client, closed afterwards."""
        client = redis.Redis.from_url(self._url("redis_url"), decode_responses=True)
        try:
            yield client
        finally:
            client.close()

    def flush_redis(self) -> None:
        """Redis loses everything."""
        with self.redis() as client:
            client.flushall()

    def saved_redis(self) -> dict[str, Any]:
        """What Redis holds of the shards' checkpoints now, by key."""
        names = [f"{self.settings.group}:{shard}:{part}" for shard in range(PARTITIONS) for part in _PARTS]
        with self._raw_redis() as client, client.pipeline(transaction=True) as pipe:
            for name in names:
                _ = pipe.lrange(name, 0, -1) if name.endswith("seen") else pipe.hgetall(name)
            return dict(zip(names, pipe.execute(), strict=True))

    def set_back_redis(self, saved: dict[str, Any]) -> None:
        """Redis is again as it was when `saved` was taken; who holds which shard stays."""
        with self._raw_redis() as client, client.pipeline(transaction=True) as pipe:
            for name, content in saved.items():
                pipe.delete(name)
                if content:
                    _ = pipe.rpush(name, *content) if name.endswith("seen") else pipe.hset(name, mapping=content)
            pipe.execute()

    @contextmanager
    def _raw_redis(self) -> Iterator["redis.Redis[bytes]"]:
        client = redis.Redis.from_url(self._url("redis_url"))
        try:
            yield client
        finally:
            client.close()

    def send(self, messages: Iterable[Message]) -> None:
        """Send and wait until the broker has them."""
        producer = BulkProducer(self.settings.kafka_url or "", "tests")
        for message in messages:
            producer.send(message.topic, message.key, message.value)
        producer.flush()
        producer.close()

    def environment(self) -> dict[str, str]:
        """Environment variables of a worker."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PULSE_")}
        return clean | {
            f"PULSE_{name.upper()}": value.get_secret_value() if isinstance(value, SecretStr) else str(value)
            for name, value in self.settings
            if name in self.settings.model_fields_set
        }

    # --- workers ------------------------------------------------------------------------------------------------------

    def worker(self) -> Worker:
        """Start one more worker."""
        log = self.folder / f"worker-{self._round}-{len(self.workers)}.log"
        self.workers.append(Worker(self.environment(), log))
        return self.workers[-1]

    def stop_workers(self) -> None:
        """Kill every worker that still runs."""
        for worker in self.workers:
            if worker.running:
                worker.kill()
        self.workers.clear()

    # --- how far they are ---------------------------------------------------------------------------------------------

    def progress(self) -> Progress | None:
        """What the shards' checkpoints say; None while Kafka or Redis does not answer."""
        if self._view is None:
            self._view = ShardsView(self.settings)
        try:
            return self._view.read()
        except UnavailableError:
            self._close_view()
            return None

    def taken(self) -> int:
        """Messages that are in a checkpoint, whatever became of them."""
        progress = self.progress()
        if progress is None:
            return 0
        return progress.total_accepted + progress.duplicates + progress.conflicts + progress.dead_letters

    def owners(self) -> dict[int, str]:
        """The token of the worker that holds each shard."""
        with self.redis() as client:
            tokens = {shard: client.get(f"{self.settings.group}:{shard}:owner") for shard in range(PARTITIONS)}
        return {shard: token for shard, token in tokens.items() if token}

    def wait_taken(self, messages: int, timeout_s: float = DRAIN_S) -> None:
        """Wait until the checkpoints hold at least so many messages."""
        self.wait(lambda: self.taken() >= messages, f"{messages} messages in checkpoints", timeout_s)

    def wait_owned(self, before: dict[int, str] | None = None, timeout_s: float = DRAIN_S) -> dict[int, str]:
        """Wait until every shard has an owner, and at least one another than `before`; returns the owners."""
        old = before or {}
        self.wait(
            lambda: len(now := self.owners()) == PARTITIONS and now != old,
            f"every shard to have an owner, not all as before {old}",
            timeout_s,
        )
        return self.owners()

    def wait_drained(self, timeout_s: float = DRAIN_S) -> None:
        """Wait until everything the broker holds is in a checkpoint and no event waits for reference data."""
        self.wait(lambda: (now := self.progress()) is not None and now.drained(), "all messages", timeout_s)

    def wait(self, condition: Callable[[], bool], what: str, timeout_s: float) -> None:
        try:
            wait_for(lambda: condition() or self._nobody_works(), what, timeout_s)
        except AssertionError as error:
            msg = f"{error}; {self._situation()}"
            raise AssertionError(msg) from None

    def _nobody_works(self) -> bool:
        if any(worker.running for worker in self.workers):
            return False
        codes = [worker.exit_code for worker in self.workers]
        msg = f"no worker runs any more (exit codes {codes}); {self._situation()}"
        raise AssertionError(msg)

    def _situation(self) -> str:
        logs = "\n".join(f"--- {worker.log}, running {worker.running}\n{worker.tail()}" for worker in self.workers)
        return f"progress {self.progress()}, owners {self.owners()}\n{logs}"

    def _close_view(self) -> None:
        if self._view is not None:
            self._view.close()
            self._view = None


def create_topics(bootstrap: str, timeout_s: float = 30.0) -> None:
    """Empty topics on a real broker; those that are there are deleted first."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    wanted = (*SHARD_TOPICS, *OTHER_TOPICS)
    there = [topic for topic in wanted if topic in admin.list_topics(timeout=10).topics]
    for done in (admin.delete_topics(there) if there else {}).values():
        done.result(timeout_s)
    missing = set(wanted)

    def created() -> bool:
        for topic, done in admin.create_topics([NewTopic(name, PARTITIONS, 1) for name in missing]).items():
            try:
                done.result(timeout_s)
            except KafkaException:  # its namesake is still being deleted
                continue
            missing.discard(topic)
        return not missing

    wait_for(created, "the broker to create the topics", timeout_s)
    wait_for(lambda: set(wanted) <= set(admin.list_topics(timeout=10).topics), "the topics to be known", timeout_s)


def _truncate(client: Client) -> None:
    names = client.query(
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree'"
        " AND name != 'schema_migrations'"
    ).result_columns
    for name in names[0] if names else ():
        client.command(f"TRUNCATE TABLE {name}")
