"""One `pulse up`: from nothing to running workers, through the imports, to an orderly end."""

import shlex
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import structlog

from agents.progress.calendar import CompanyTime
from streams import dead_letters, light_policy, lights_view, migrate, policies, quarantine, references, rule_lifecycle
from streams.clickhouse import connect
from streams.errors import PulseError, UnavailableError, UsageError
from streams.importing import ImportJob
from streams.importing.plan import prepare
from streams.settings import Settings
from streams.shards_view import Progress, ShardsView
from streams.supervisor import desk
from streams.supervisor.gateway import Gateway
from streams.supervisor.imports import Imports, counts
from streams.supervisor.kafka_topics import ensure_topics
from streams.supervisor.memory import PeakMemory
from streams.supervisor.pace import Pace, status_line
from streams.supervisor.page import BoardsPage
from streams.supervisor.screen import Screen
from streams.supervisor.services import Services, environment, open_services
from streams.supervisor.simulating import Ongoing, Simulating
from streams.supervisor.stop_signal import StopSignal
from streams.supervisor.summary import Summary
from streams.supervisor.workers import Worker, WorkerFailedError, WorkerPool

#: Time between two looks: while something is waited for, and when all is quiet.
_TICK_S, _IDLE_S = 0.25, 1.0
_LOG_EVERY_S = 10.0
#: Workers that are up but hold no shards after this long are a fault worth saying.
_READY_S = 120.0
#: What is published last is taken up within a few seconds; a worker that cannot use it says why.
_ADOPT_S = 30.0

_log = structlog.get_logger("supervisor")


@dataclass(frozen=True)
class Options:
    """What `pulse up` was asked for."""

    workers: int = 1
    jobs: tuple[ImportJob, ...] = ()
    exit_when_drained: bool = False
    clickhouse_port: int = 8123
    simulation: Ongoing | None = None
    boards: bool = True
    gateway: bool = True


@dataclass(frozen=True)
class Running:
    """Where the parts of a run are, for the person who started it."""

    settings: Settings
    services: Services
    workers: int
    metrics_ports: tuple[int, ...]
    simulation: Ongoing | None = None
    boards_url: str | None = None
    gateway_url: str | None = None


class LocalServicesEndedError(PulseError):
    """The process of the local services is gone; the workers cannot go on."""


class Run:
    """A run in progress.

    Args:
        settings: as they are set; local services fill what is missing.
        options: what to do.
        stop: tells when to end early.
        screen: where log and status go.
        announce: called once when the workers are ready.
    """

    def __init__(
        self,
        settings: Settings,
        options: Options,
        stop: StopSignal,
        screen: Screen,
        announce: Callable[[Running], None],
    ) -> None:
        self._settings = settings
        self._options = options
        self._stop = stop
        self._screen = screen
        self._announce = announce
        self._memory = PeakMemory()
        self._pace = Pace()
        self._started_s = 0.0
        self._drained_s = 0.0
        self._behind_s = 0.0
        self._seen = Progress()
        self._logged_s = time.monotonic()
        self._logged = Progress()
        self._page: BoardsPage | None = None
        self._gateway: Gateway | None = None

    def run(self) -> Summary:
        """Do everything and return what was done.

        Raises:
            UsageError: something is not set up as it must be; nothing was processed.
            UnavailableError: a service does not answer.
            WorkerFailedError: a worker cannot be kept running, or did not leave cleanly.
        """
        text = policies.read(self._settings.policies)
        policies.parse(text, str(self._settings.policies / policies.KPI_FILE))
        light_policy.load(self._settings.policies)
        for job in self._options.jobs:
            prepare(job, self._settings)  # a wrong mapping is told before anything is started
        with ExitStack() as stack:
            services = stack.enter_context(open_services(self._settings, self._options.clickhouse_port))
            settings = _with_quarantine_key(services.settings)
            _prepare(settings, text, local_kafka="kafka" in services.started)
            view = stack.enter_context(closing(ShardsView(settings)))
            before = self._seen = view.read()
            pool, ports = self._pool(settings)
            stack.callback(self._end, pool)
            pool.start()
            self._open_page(settings, stack)
            self._open_gateway(settings, stack)
            self._wait_until_ready(view, pool, services)
            if not self._stop.requested:
                self._announce(self._running(settings, services, ports))
            imports, simulating = self._feed(settings, view, pool, services)
            self._finish(pool)
            summary = self._summary(self._read(view).since(before), pool, imports, simulating)
            summary = replace(summary, alerts=desk.counts(settings))
            return replace(summary, lights=_lights(settings), open_letters=_open_letters(settings))

    def _open_page(self, settings: Settings, stack: ExitStack) -> None:
        """Serve the boards, unless the run ends by itself."""
        if self._options.boards and not self._options.exit_when_drained:
            self._page = BoardsPage(settings, log_folder(settings), self._screen)
            stack.callback(self._page.stop)
            self._page.start()

    def _open_gateway(self, settings: Settings, stack: ExitStack) -> None:
        """Take events and commands over HTTP, unless the run ends by itself."""
        if self._options.gateway and not self._options.exit_when_drained:
            self._gateway = Gateway(settings, log_folder(settings), self._screen)
            stack.callback(self._gateway.stop)
            self._gateway.start()

    def _running(self, settings: Settings, services: Services, ports: tuple[int, ...]) -> Running:
        url = self._page.url if self._page else None
        gateway = self._gateway.url if self._gateway else None
        return Running(settings, services, self._options.workers, ports, self._options.simulation, url, gateway)

    def _pool(self, settings: Settings) -> tuple[WorkerPool, tuple[int, ...]]:
        folder = log_folder(settings)
        ports = metrics_ports(settings.metrics_port, self._options.workers)
        workers = [
            Worker(index, environment(settings, {"PULSE_METRICS_PORT": str(port)}), folder, self._screen)
            for index, port in enumerate(ports)
        ]
        return WorkerPool([*workers, desk.child(settings, folder, self._screen)]), ports

    def _wait_until_ready(self, view: ShardsView, pool: WorkerPool, services: Services) -> None:
        shards = view.partitions()
        if self._options.workers > shards:
            _log.warning("more workers than shards: some will have nothing to do", shards=shards)
        deadline_s = time.monotonic() + _READY_S
        while (owned := view.owned()) < shards and not self._stop.wait(_TICK_S):
            self._look(pool, services)
            self._screen.show(f"workers are starting: {owned} of {shards} shards")
            if time.monotonic() > deadline_s:
                _log.warning("not all shards have a worker yet", owned=owned, shards=shards)
                return

    def _feed(
        self, settings: Settings, view: ShardsView, pool: WorkerPool, services: Services
    ) -> tuple[Imports, Simulating]:
        """Import and simulate while the workers are watched, until told to stop or everything is processed."""
        leave = self._options.exit_when_drained
        imports = Imports(self._options.jobs, settings)
        simulating = Simulating(self._options.simulation, settings, go_on=not leave)
        self._started_s = time.monotonic()
        imports.start()
        simulating.start()
        try:
            while not self._stop.wait(self._tick_s(imports, simulating)):
                self._look(pool, services)
                feeding = imports.is_alive() or simulating.is_busy
                progress = self._read(view, " · ".join(filter(None, (imports.status, simulating.status))))
                if error := imports.error or simulating.error:
                    raise error
                if not leave or feeding or not (progress.drained() and desk.drained(settings)):
                    continue
                if self._is_up_to_date(settings, progress):
                    break
        finally:
            self._drained_s = time.monotonic()
            imports.stop()
            simulating.stop()
        return imports, simulating

    def _is_up_to_date(self, settings: Settings, progress: Progress) -> bool:
        """Whether all shards go by the newest reference data, which may change lights; waited for only so long."""
        try:
            with closing(connect(settings.clickhouse_url)) as client:
                newest = references.newest_version(client)
        except UnavailableError:
            return False
        if progress.reference_version >= newest:
            return True
        self._behind_s = self._behind_s or time.monotonic()
        if time.monotonic() - self._behind_s < _ADOPT_S:
            return False
        _log.warning("workers do not take up reference data", published=newest, taken_up=progress.reference_version)
        return True

    def _look(self, pool: WorkerPool, services: Services) -> None:
        """Keep the workers running and note their memory."""
        if services.local is not None and not services.local.running:
            msg = "the local services ended unexpectedly: what they logged stands above; start again"
            raise LocalServicesEndedError(msg)
        pool.look(time.monotonic())
        if self._page is not None:
            self._page.look()
        if self._gateway is not None:
            self._gateway.look()
        local = {} if services.local is None else {"services": services.local.pid}
        page = self._page.processes() if self._page is not None else {}
        gateway = self._gateway.processes() if self._gateway is not None else {}
        self._memory.sample({**pool.processes(), **page, **gateway, **local})

    def _tick_s(self, imports: Imports, simulating: Simulating) -> float:
        is_busy = imports.is_alive() or simulating.is_busy or self._options.exit_when_drained
        return _TICK_S if is_busy else _IDLE_S

    def _read(self, view: ShardsView, doing: str = "") -> Progress:
        """The newest progress, shown; while a service is away, a progress that is not drained, and why."""
        try:
            self._seen = view.read()
        except UnavailableError as error:
            self._screen.show(f"waiting: {error}")
            return replace(self._seen, lag={"unknown": 1})
        self._show(self._seen, doing)
        return self._seen

    def _show(self, progress: Progress, doing: str) -> None:
        now_s = time.monotonic()
        line = status_line(progress, self._pace.add(now_s, progress.total_accepted), doing)
        self._screen.show(line)
        if not self._screen.isatty() and now_s - self._logged_s >= _LOG_EVERY_S and progress != self._logged:
            self._logged_s, self._logged = now_s, progress
            _log.info(line)

    def _finish(self, pool: WorkerPool) -> None:
        if failed := self._end(pool):
            msg = f"{', '.join(failed)} did not leave cleanly: the end of its log in logs/ says why"
            raise WorkerFailedError(msg)

    def _end(self, pool: WorkerPool) -> list[str]:
        self._screen.show("workers write their checkpoints" if pool.processes() else "")
        failed = pool.stop(lambda: self._stop.count > 1)
        self._screen.show("")
        return failed

    def _summary(self, progress: Progress, pool: WorkerPool, imports: Imports, simulating: Simulating) -> Summary:
        done = [counts(summary) for summary in imports.done]
        return Summary(
            progress=progress,
            seconds=self._drained_s - self._started_s,
            workers_peak_bytes=self._memory.total("worker"),
            total_peak_bytes=self._memory.total(),
            restarts=pool.restarts,
            reference_rows=sum(item["reference_rows"] for item in done) + simulating.reference_rows,
            file_dead_letters=sum(item["dead_letters"] for item in done),
            imports=done,
        )


def _with_quarantine_key(settings: Settings) -> Settings:
    """Settings with a key to seal what is not let in: the one that is set, or one of the data folder."""
    if settings.quarantine_key is not None or settings.quarantine_key_file is not None:
        return settings
    public = quarantine.local_keys(settings.data)
    private = public.with_name(quarantine.PRIVATE_FILE)
    _log.info("what is not let in is sealed; give the private key to compliance", private_key=str(private))
    return settings.model_copy(update={"quarantine_key_file": public})


def _prepare(settings: Settings, policy_text: str, *, local_kafka: bool) -> None:
    """Topics, tables, the KPI policy, and rules of compliance where nobody decided on any."""
    if not local_kafka:
        ensure_topics(settings)
    applied = migrate.migrate_database(settings.clickhouse_url, time_zone=settings.time_zone)
    if applied:
        _log.info("database brought up to date", files=len(applied))
    with closing(connect(settings.clickhouse_url)) as client:
        version = policies.publish(client, policy_text)
        light_policy.publish(client, settings.policies)
        rules = rule_lifecycle.publish_example(client, settings.policies, CompanyTime(settings.time_zone))
    _log.info("KPI policy in force", version=version, rules=rules)


def _lights(settings: Settings) -> lights_view.Counts:
    """Lights by colour."""
    with closing(connect(settings.clickhouse_url)) as client:
        return lights_view.counts(client, lights_view.today(settings.time_zone))


def _open_letters(settings: Settings) -> int | None:
    try:
        with closing(connect(settings.clickhouse_url)) as client:
            return dead_letters.count_open(client)
    except UnavailableError:
        return None


def log_folder(settings: Settings) -> Path:
    """Where the workers log; made when missing.

    Raises:
        UsageError: it cannot be made.
    """
    folder = settings.data / "logs"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"{folder} cannot be made ({error.strerror}): make {settings.data} writable, or name another with --data"
        raise UsageError(msg) from None
    return folder


def metrics_ports(wanted: int, workers: int) -> tuple[int, ...]:
    """A loopback port for each worker: from `wanted` on, or free ones when it is 0.

    Raises:
        UnavailableError: the system has no free port.
    """
    if wanted:
        return tuple(wanted + index for index in range(workers))
    with ExitStack() as stack:
        ports = []
        for _index in range(workers):
            probe = stack.enter_context(socket.socket())
            try:
                probe.bind(("127.0.0.1", 0))
            except OSError as error:
                msg = f"no free port on loopback: {error.strerror}"
                raise UnavailableError(msg) from error
            ports.append(int(probe.getsockname()[1]))
        return tuple(ports)


def describe(running: Running) -> Sequence[tuple[str, str]]:
    """Name and text of each thing a person wants to find."""
    settings = running.settings
    url = settings.clickhouse_reader_url
    is_local = "clickhouse" in running.services.started
    where = f" --data {shlex.quote(str(settings.data))}" if is_local else ""
    rows = [] if running.boards_url is None else [("boards", running.boards_url)]
    if running.gateway_url is not None:
        rows.append(("gateway", f"{running.gateway_url} (`pulse gateway token{where} …` makes a token)"))
    rows.append(("query", f"pulse sql{where} 'SELECT * FROM kpi_progress_by_node LIMIT 10'"))
    if url is not None and is_local:
        rows.append(("ClickHouse", f"{url.get_secret_value()} (read-only)"))
    rows += [("metrics", f"http://127.0.0.1:{port}/metrics") for port in running.metrics_ports]
    rows.append(("logs", str(settings.data / "logs")))
    if running.simulation is not None:
        plan = running.simulation.plan
        rows.append(
            (
                "simulated",
                f"{plan.reps} made-up reps since {plan.start}, seed {plan.seed}; --no-simulate leaves them out",
            )
        )
    return rows


def started(running: Running) -> dict[str, Any]:
    """The same for a script; the reader's URL only of a local ClickHouse."""
    reader = running.settings.clickhouse_reader_url if "clickhouse" in running.services.started else None
    return {
        "event": "started",
        "data": str(running.settings.data),
        "clickhouse_reader_url": reader.get_secret_value() if reader else None,
        "boards_url": running.boards_url,
        "gateway_url": running.gateway_url,
        "metrics_ports": running.metrics_ports,
        "workers": running.workers,
    }
