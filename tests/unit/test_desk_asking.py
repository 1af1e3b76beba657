"""Who waits for the desk is told what became of a command, or that nobody is there."""

from datetime import UTC, datetime, timedelta
from typing import Any

import fakeredis
import pytest
import redis
from pydantic import SecretStr

from agents.cases.chain import Head, sealed
from agents.cases.deciding import Circumstances, decide
from agents.cases.state import CaseState
from schemas.cases import CaseCommand, CaseEvent, Person
from streams import cli
from streams.cli import case_options
from streams.desk import alive, asking, audit
from streams.errors import UnavailableError
from streams.settings import Settings

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SETTINGS = Settings(_env_file=None, redis_url=SecretStr("redis://127.0.0.1:1/0"))
COMMAND = CaseCommand(
    command_id="c", case_id="a" * 32, action="note", remark="r", at=NOW, by=Person(person_id="p", role="compliance")
)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> fakeredis.FakeServer:
    """What every Redis client of the test talks to."""
    made = fakeredis.FakeServer()
    monkeypatch.setattr(redis.Redis, "from_url", lambda *_, **__: fakeredis.FakeRedis(server=made))
    monkeypatch.setattr(alive.aioredis.Redis, "from_url", lambda *_, **__: fakeredis.FakeAsyncRedis(server=made))
    return made


async def test_a_desk_gives_signs_of_life_that_fade(server: fakeredis.FakeServer) -> None:
    assert not alive.is_alive(SETTINGS)
    said = alive.Alive("", SETTINGS.group)
    await said.say()
    assert alive.is_alive(SETTINGS)
    client = fakeredis.FakeRedis(server=server)
    assert 0 < client.ttl("pulse-desk:alive") <= 10
    client.delete("pulse-desk:alive")
    await said.say()  # too early for another one
    assert not alive.is_alive(SETTINGS)
    await said.close()


def test_nobody_is_alive_where_nobody_can_be_asked(server: fakeredis.FakeServer) -> None:
    server.connected = False
    assert not alive.is_alive(SETTINGS)
    assert not alive.is_alive(Settings(_env_file=None))


def test_the_check_says_whether_a_desk_runs(
    server: fakeredis.FakeServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PULSE_REDIS_URL", "redis://127.0.0.1:1/0")
    assert cli.run(["desk", "--check"]) == 1
    fakeredis.FakeRedis(server=server).set("pulse-desk:alive", "1")
    assert cli.run(["desk", "--check"]) == 0
    said = capsys.readouterr()
    assert (said.out, said.err.startswith("pulse: no desk has given a sign of life")) == ("a desk runs\n", True)


def test_who_got_no_answer_is_told_why() -> None:
    assert case_options.unanswered(False, 2).startswith("no desk runs, so the command waits on its topic")
    assert case_options.unanswered(True, 2).startswith("the desk did not answer within 2 s")


def answer() -> CaseEvent:
    content = decide(
        CaseState("a" * 32, "R01", "R1", "open"), COMMAND, Circumstances(NOW, timedelta(), lambda _: False)
    )
    assert content is not None
    return sealed(content, 0, Head(), NOW)


def waited(monkeypatch: pytest.MonkeyPatch, answers: list[Any], timeout_s: float) -> CaseEvent | None:
    """Wait on a clock that moves with every sleep."""
    now_s = [0.0]

    def ask(_client: Any, case_id: str, command_id: str) -> Any:
        assert (case_id, command_id) == ("a" * 32, "c")
        found = answers.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    def sleep(seconds: float) -> None:
        now_s[0] += seconds

    monkeypatch.setattr(audit, "answer", ask)
    client: Any = None
    return asking.wait(client, COMMAND, timeout_s, clock=lambda: now_s[0], sleep=sleep)


def test_the_answer_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    event = answer()
    assert waited(monkeypatch, [None, UnavailableError("busy"), None, event], 1) == event
    assert waited(monkeypatch, [None] * 3, 0.2) is None
    with pytest.raises(UnavailableError, match="away"):
        waited(monkeypatch, [UnavailableError("away")] * 3, 0.2)
