"""The worker: a Faust app whose one service reads the source topics, keeps the shards and checkpoints them."""

import asyncio
import contextlib
import gc
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Coroutine, Sequence
from datetime import timedelta
from typing import Any

import faust
import mode.loop
import structlog
import uvloop
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from faust.app.base import BootStrategy
from mode import Service
from redis.exceptions import RedisError

from agents.compliance.world import References
from agents.intake.directory import Directory
from agents.progress.calendar import CompanyTime
from agents.progress.plan import Plan
from streams import heartbeat, policies, references, rule_books
from streams.clickhouse import connect
from streams.engine.checkpoint import Checkpointer
from streams.engine.health import HealthServer
from streams.engine.intake import Intake
from streams.engine.opening import Company, Opener
from streams.engine.store import Store
from streams.errors import PulseError, UnavailableError, UsageError
from streams.light_book import SeasonKeeper, load_book
from streams.metrics import Metrics
from streams.producer import BulkProducer
from streams.quarantine import Sealer, public_key
from streams.settings import Settings
from streams.supervisor.kafka_topics import ensure_topics
from streams.topics import SHARD_TOPICS

log = structlog.get_logger("worker")

#: From SIGTERM to exit: 10 s in all, of which the last checkpoint gets this much.
_LAST_CHECKPOINT_S = 7.0
_STOP_S = 9.5
_LOOK_FOR_NEWS_S = 5.0
#: A checkpoint works in threads; whoever waits for an alert must not wait 5 ms for each turn of theirs.
_SWITCH_S = 0.001
#: Millions of long-lived cells and no garbage in cycles worth the search: a quarter less time per event.
_GC_THRESHOLDS = (200_000, 20, 100)


class _ServicesOnly(BootStrategy):  # type: ignore[misc] # faust has no types
    """Faust runs our services; the source topics have a consumer of their own (docs/decisions/0001)."""

    enable_kafka_consumer = False
    enable_web = False


def _sealer(settings: Settings) -> Sealer:
    """What seals content that is not let in.

    Raises:
        UsageError: the key that is set is none.
    """
    sealer = Sealer(public_key(settings))
    if not sealer.keeps:
        log.warning(
            "no key for the quarantine: of what is not let in only the hash is kept",
            hint="set PULSE_QUARANTINE_KEY or PULSE_QUARANTINE_KEY_FILE, see pulse quarantine keygen",
        )
    return sealer


class EngineService(Service):  # type: ignore[misc] # mode has no types
    """Connects everything, then feeds and checkpoints until the worker stops.

    Args:
        settings: where the services are.

    Attributes:
        failed: set when the engine cannot go on.
        failure: why.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings
        self.failed = asyncio.Event()
        self.failure: BaseException | None = None
        self._metrics = Metrics()
        self._tasks: list[asyncio.Task[None]] = []

    async def on_start(self) -> None:
        """Connect and join the group."""
        settings = self._settings
        url = settings.redis_url.get_secret_value() if settings.redis_url else ""
        self._store = Store(url, settings.group)
        self._reader, self._writer = await asyncio.to_thread(lambda: (_client(settings), _client(settings)))
        self._producer = BulkProducer(settings.kafka_url or "", "pulse-worker")
        await asyncio.to_thread(ensure_topics, settings)
        partitions, cluster = await source_layout(settings)
        company = await asyncio.to_thread(load_company, settings, self._reader)
        if company.rules.intake is None:
            log.warning(
                "no rules of the intake are in force: counted prescriptions are not stopped",
                hint="policies/compliance/intake.yaml must be among what is published",
            )
        self._seasons = SeasonKeeper(_client(settings))
        company = await self._seasons.applied(company)
        opener = Opener(settings, self._reader, partitions, cluster)
        self._intake = Intake(settings, self._store, opener, company, self._metrics)
        self._intake.checkpoint_with(
            Checkpointer(
                store=self._store,
                client=self._writer,
                producer=self._producer,
                metrics=self._metrics,
                lost=self._intake.holding.lose,
                committed=self._intake.commit_offsets,
                standstill=self._intake.holding.standstill,
                sealer=_sealer(settings),
            )
        )
        self._health = HealthServer(self._metrics, settings.metrics_port)
        port = await self._health.start()
        await self._intake.start()
        log.info("worker ready", partitions=partitions, metrics=f"http://127.0.0.1:{port}/metrics")

    @Service.task  # type: ignore[untyped-decorator]
    async def _run(self) -> None:
        seasons = self._seasons.follow(self._intake.holding)
        loops = [self._intake.feed(), self._intake.checkpoint_forever(), self._follow_news(), seasons]
        loops.append(heartbeat.beat(self._settings, self._metrics))
        self._tasks = [asyncio.create_task(loop) for loop in loops]
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        failed = next((task.exception() for task in done if not task.cancelled() and task.exception()), None)
        if not self.should_stop:
            self.failure = self._intake.fatal or failed or PulseError("the worker's loop ended")
            self.failed.set()

    async def on_stop(self) -> None:
        """Checkpoint, leave the group, close."""
        deadline = asyncio.get_running_loop().time() + _LAST_CHECKPOINT_S
        async with contextlib.AsyncExitStack() as last:  # whatever fails, the rest is done
            last.callback(log.info, "worker stopped")
            if hasattr(self, "_store"):
                last.push_async_callback(self._store.close)
            if hasattr(self, "_producer"):
                last.push_async_callback(asyncio.to_thread, self._producer.close)
            if hasattr(self, "_health"):
                last.push_async_callback(self._health.stop)
            last.callback(lambda: [task.cancel() for task in self._tasks])
            if hasattr(self, "_intake"):
                with contextlib.suppress(UnavailableError):
                    await self._intake.stop(deadline)

    # --------------------------------------------------------- news

    async def _follow_news(self) -> None:
        """Load policies and reference data when a publication is announced, or after a while unannounced."""
        pubsub, channel = self._store.subscribe()
        subscribed = False
        while not self.should_stop:
            try:
                if not subscribed:
                    await pubsub.subscribe(channel)
                    subscribed = True
                await pubsub.get_message(timeout=_LOOK_FOR_NEWS_S)
                await self._load_news()
            except (RedisError, OSError, UnavailableError) as error:
                log.debug("no news", error=str(error))
                subscribed = False
                await asyncio.sleep(1)
            except PulseError as error:  # published by somebody with a newer version of this program
                log.error("the newest policy or reference data cannot be used; going on as before", error=str(error))
                await asyncio.sleep(_LOOK_FOR_NEWS_S)

    async def _load_news(self) -> None:
        newest = await asyncio.to_thread(newest_versions, self._reader)
        company = self._intake.holding.company  # as it is now: a season may have come in meanwhile
        known = (company.policy_version, company.directory.version, company.lights.version, company.rules.version)
        is_news = newest != known
        if is_news:
            company = self._seasons.with_known(await asyncio.to_thread(load_company, self._settings, self._reader))
        if is_news or self._intake.holding.behind:  # what a service that was away kept from being adopted
            await self._intake.holding.adopt(company)
            log.info(
                "news loaded",
                policy=company.policy_version,
                reference_data=company.directory.version,
                rules=company.rules.version,
            )


def _client(settings: Settings) -> Any:
    return connect(settings.clickhouse_url)


def newest_versions(client: Any) -> tuple[int, int, int, int]:
    """Newest published version of the KPI policy, of the reference data, of the policy of lights and of the rules."""
    lights = policies.newest_version(client, policies.LIGHTS)
    rules = rule_books.newest_version(client)
    return policies.newest_version(client), references.newest_version(client), lights, rules


def load_company(settings: Settings, client: Any) -> Company:
    """What is in force now.

    Raises:
        UnavailableError: ClickHouse does not answer.
        UsageError: nothing is published, or what is published cannot be read.
    """
    version = references.newest_version(client)  # before the rows: rows newer than their version are loaded again
    rows = references.load(client)
    policy_version, policy = policies.current(client)
    time = CompanyTime(settings.time_zone)
    directory = Directory(rows, version)
    return Company(
        plan=Plan(policy),
        policy_version=policy_version,
        directory=directory,
        time=time,
        lights=load_book(client, policy, rows),
        rules=rule_books.load(client, time),
        references=References(rows, directory),
        lateness=timedelta(days=settings.rule_lateness_days),
    )


async def source_layout(settings: Settings) -> tuple[int, str]:
    """Partitions of the source topics and the id of the cluster.

    Raises:
        UsageError: topics are missing or have different partition counts.
        UnavailableError: Kafka does not answer.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_url)
    try:
        await admin.start()
        described = await admin.describe_topics(list(SHARD_TOPICS))
        cluster = await admin.describe_cluster()
    except (KafkaError, OSError) as error:
        msg = f"Kafka does not answer: {error}"
        raise UnavailableError(msg) from error
    finally:
        await admin.close()
    counts = {topic["topic"]: len(topic["partitions"]) for topic in described}
    if len(set(counts.values())) != 1 or 0 in counts.values():
        shown = ", ".join(f"{topic} {count}" for topic, count in sorted(counts.items()))
        msg = f"the source topics need one partition count, and have: {shown}; create them alike"
        raise UsageError(msg)
    return next(iter(counts.values())), str(cluster.get("cluster_id"))


def build_app(settings: Settings, services: Sequence[Service], folder: str, name: str | None = None) -> Any:
    """The Faust app that runs the services; `folder` is for files that Faust wants to keep."""
    app = faust.App(
        name or settings.group,
        broker=f"kafka://{settings.kafka_url}",
        store="memory://",
        topic_allow_declare=False,
        topic_disable_leader=True,
        datadir=folder,
    )
    app.boot_strategy = _ServicesOnly(app)
    app.on_init_dependencies = lambda: list(services)
    return app


def require_urls(settings: Settings, who: str = "a worker") -> None:
    """Refuse to start without knowing where the services are.

    Raises:
        UsageError: naming the variables that are missing.
    """
    missing = [name for name in ("kafka_url", "redis_url", "clickhouse_url") if getattr(settings, name) is None]
    if missing:
        names = ", ".join(f"PULSE_{name.upper()}" for name in missing)
        msg = f"{who} alone needs {names}: set them, or run `pulse up`, which starts what is missing"
        raise UsageError(msg)


def run(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT.

    Raises:
        PulseError: what made the worker stop.
    """
    require_urls(settings)
    mode.loop.use("uvloop")
    gc.set_threshold(*_GC_THRESHOLDS)
    sys.setswitchinterval(_SWITCH_S)
    with tempfile.TemporaryDirectory(prefix="pulse-worker-") as folder:
        uvloop.run(_serve(settings, folder))


def _end_at_once() -> None:
    """End although a call still hangs in a service that does not answer; what it held is read again."""
    log.warning("stopped without a last checkpoint: what follows the one before is read again")
    os._exit(1)


def stop_in_time(stop: asyncio.Event) -> None:
    """Ask for the end, and see to it that it comes."""
    if not stop.is_set():
        watchdog = threading.Timer(_STOP_S, _end_at_once)
        watchdog.daemon = True
        watchdog.start()
    stop.set()


async def until(work: Coroutine[Any, Any, Any], stop: asyncio.Event) -> None:
    """Wait for `work`, or until `stop` is set; then it is called off."""
    tasks = [asyncio.create_task(work), asyncio.create_task(stop.wait())]
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    for task in done:
        task.result()


async def _serve(settings: Settings, folder: str) -> None:
    engine = EngineService(settings)
    app = build_app(settings, [engine], folder)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop_in_time, stop)
    try:
        await until(app.start(), stop)
        await until(engine.failed.wait(), stop)
    finally:
        stop_in_time(stop)
        await app.stop()
    if engine.failure is not None:
        raise engine.failure
