"""A real Apache Kafka on loopback: one KRaft node from its Maven artefacts, for as long as a test needs it.

The class path is asked from Maven once and kept under `tests/kafka/target/`; the broker's files lie in the folder the
caller gives and survive `restart()`.
"""

import base64
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

_PROJECT = Path(__file__).parents[1] / "kafka"
_CLASS_PATH = _PROJECT / "target" / "classpath.txt"
_JAVA_RELEASE = 17
_MAVEN_S = 600
_QUIET = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"

PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={folder}/log
auto.create.topics.enable=false
delete.topic.enable=true
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
log.segment.delete.delay.ms=0
log.cleaner.dedupe.buffer.size=2000000
num.network.threads=2
num.io.threads=4
"""


class NoKafkaError(Exception):
    """The broker cannot be had here, or does not start; the message says why."""


def available() -> str | None:
    """Why a real Kafka cannot run here; None when it can."""
    for tool in ("java", "mvn"):
        if shutil.which(tool) is None:
            return f"no real Kafka here: {tool} is not on PATH (needs Java {_JAVA_RELEASE} and Maven)"
    if _java_release() < _JAVA_RELEASE:
        return f"no real Kafka here: java is older than release {_JAVA_RELEASE}"
    try:
        class_path()
    except NoKafkaError as error:
        return f"no real Kafka here: {error}"
    return None


def class_path() -> str:
    """Jars of the broker, joined as Java takes them; Maven is asked when the pom is newer than the last answer.

    Raises:
        NoKafkaError: Maven cannot get them.
    """
    pom = _PROJECT / "pom.xml"
    if not _CLASS_PATH.exists() or _CLASS_PATH.stat().st_mtime < pom.stat().st_mtime or not _jars_exist():
        _ask_maven(pom)
    return _CLASS_PATH.read_text().strip()


def start(folder: Path, *, timeout_s: float = 60.0) -> "RealKafka":
    """A formatted and answering broker whose files lie in `folder`.

    Raises:
        NoKafkaError: Java or the jars are missing, or the broker does not answer in time.
    """
    broker = RealKafka(folder)
    broker.begin(timeout_s)
    return broker


@contextmanager
def running(folder: Path) -> Iterator["RealKafka"]:
    """The same as a context: the broker ends with the block."""
    with start(folder) as broker:
        yield broker


class RealKafka:
    """One broker process.

    Args:
        folder: where its properties, logs and messages lie; made when missing.

    Attributes:
        bootstrap: `host:port` for clients; the same after a restart.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._port, controller = _free_ports(2)
        self.bootstrap = f"127.0.0.1:{self._port}"
        self.output = self.folder / "broker.log"
        self._properties = self.folder / "server.properties"
        self._properties.write_text(PROPERTIES.format(port=self._port, controller=controller, folder=self.folder))
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "RealKafka":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def begin(self, timeout_s: float = 60.0) -> None:
        """Format the folder unless it is, start the process, wait until it answers."""
        if not (self.folder / "log" / "meta.properties").exists():
            self._format()
        with self.output.open("ab") as output:
            self._process = subprocess.Popen(
                self._java("kafka.Kafka", str(self._properties)),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self._wait(time.monotonic() + timeout_s)

    def stop(self, *, kill: bool = False) -> None:
        """End the process: an orderly shutdown, or SIGKILL when asked or when it takes longer than 20 s."""
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(20)

    def restart(self, *, kill: bool = False) -> None:
        """Stop and start again on the same port with the same messages."""
        self.stop(kill=kill)
        self.begin()

    def _java(self, main: str, *arguments: str) -> list[str]:
        heap = ["-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", _QUIET]
        return ["java", *heap, "-cp", class_path(), main, *arguments]

    def _format(self) -> None:
        cluster = _cluster_id()
        done = subprocess.run(
            self._java("kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(self._properties)),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode:
            msg = f"formatting the broker's folder failed: {_last_line(done.stderr or done.stdout)}"
            raise NoKafkaError(msg)

    def _wait(self, deadline: float) -> None:
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0, "reconnect.backoff.max.ms": 200})
        while True:
            if self._process is None or self._process.poll() is not None:
                msg = f"the broker ended while starting: {_last_line(self.output.read_text())}"
                raise NoKafkaError(msg)
            try:
                if admin.list_topics(timeout=0.5).brokers:
                    return
            except KafkaException:
                pass
            if time.monotonic() > deadline:
                self.stop(kill=True)
                msg = f"the broker did not answer in time; its log is {self.output}"
                raise NoKafkaError(msg)


def _java_release() -> int:
    said = subprocess.run(["java", "-version"], capture_output=True, text=True, timeout=30, check=False).stderr
    number = said.split('"')[1].split(".") if '"' in said else ["0"]
    return int(number[1] if number[0] == "1" else number[0].split("-")[0])


def _jars_exist() -> bool:
    return all(Path(jar).exists() for jar in _CLASS_PATH.read_text().strip().split(os.pathsep))


def _ask_maven(pom: Path) -> None:
    _CLASS_PATH.parent.mkdir(exist_ok=True)
    command = ["mvn", "-B", "-q", "-f", str(pom), "dependency:build-classpath", f"-Dmdep.outputFile={_CLASS_PATH}"]
    if sys.stderr.isatty():
        sys.stderr.write("asking Maven for Apache Kafka …\n")
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_MAVEN_S, check=False)
    except subprocess.TimeoutExpired:
        msg = f"Maven did not answer within {_MAVEN_S} s"
        raise NoKafkaError(msg) from None
    if done.returncode:
        msg = f"Maven cannot get Apache Kafka: {_first_error(done.stdout)}"
        raise NoKafkaError(msg)
    _CLASS_PATH.touch()


def _first_error(output: str) -> str:
    return next((line for line in output.splitlines() if "ERROR" in line), "no message")


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "no message"


def _cluster_id() -> str:
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A", 1)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]
    finally:
        for each in sockets:
            each.close()
