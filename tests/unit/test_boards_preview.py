"""The page's server: local names alone, no statement in any answer, questions bounded and shared."""

import asyncio
import threading
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from aiohttp import ClientSession
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError

from grafana.preview.answers import as_json
from grafana.preview.model import shown_boards
from grafana.preview.questions import Questions
from grafana.preview.server import PreviewServer
from streams.errors import UsageError

pytestmark = pytest.mark.usefixtures("network")
BOARDS = shown_boards()
SHANGHAI = ZoneInfo("Asia/Shanghai")


class Type:
    def __init__(self, name: str) -> None:
        self.name = name


class Answer:
    def __init__(self, names: list[str], types: list[str], rows: list[list[Any]]) -> None:
        self.column_names, self.column_types, self.result_rows = names, [Type(name) for name in types], rows


class FakeClient:
    """Answers variables with two options and everything else with one row; notes what was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.quarters: list[date] = []
        self.at_once = self.most_at_once = 0
        self.error: Exception | None = None
        self._lock = threading.Lock()

    def query(self, sql: str) -> Answer:
        with self._lock:
            self.asked.append(sql)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if self.error is not None:
                raise self.error
            if " AS first " in sql:
                return Answer(["first"], ["Date32"], [[day] for day in self.quarters])
            if " AS text" in sql:
                return Answer(["value", "text"], ["String", "String"], [["A", "first"], ["B'", "second"]])
            return Answer(["state"], ["LowCardinality(String)"], [["red"]])
        finally:
            with self._lock:
                self.at_once -= 1


@pytest.fixture
def client() -> FakeClient:
    return FakeClient()


@pytest.fixture
async def page(client: FakeClient) -> AsyncIterator[str]:
    server = PreviewServer(BOARDS, Questions(client, SHANGHAI))  # type: ignore[arg-type]
    port = await server.start(0)
    yield f"http://127.0.0.1:{port}"
    await server.stop()


async def get(url: str, **headers: str) -> tuple[int, Any, dict[str, str]]:
    async with ClientSession() as session, session.get(url, headers=headers, allow_redirects=False) as answer:
        content = await answer.json() if "json" in answer.content_type else await answer.text()
        return answer.status, content, dict(answer.headers)


async def test_the_first_page_is_chinese_unless_english_is_asked_for(page: str) -> None:
    assert (await get(page))[2]["Location"] == "/d/pulse-company"
    assert (await get(page, **{"Accept-Language": "en-GB,en;q=0.9"}))[2]["Location"] == "/d/pulse-company-en"
    assert (await get(page, **{"Accept-Language": "zh-CN,en;q=0.9"}))[2]["Location"] == "/d/pulse-company"


@pytest.mark.parametrize("host", ["evil.example.org", "evil.example.org:8300", "127.0.0.1.evil.org"])
async def test_other_names_for_this_machine_are_refused(page: str, host: str) -> None:
    status, content, _ = await get(f"{page}/api/boards/pulse-company", Host=host)

    assert status == 403
    assert "127.0.0.1 alone" in content["error"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_nothing_can_be_changed(page: str, method: str) -> None:
    async with ClientSession() as session, session.request(method, f"{page}/api/boards/pulse-company") as answer:
        assert answer.status == 405


@pytest.mark.parametrize(
    "path",
    ["/d/nothing", "/api/boards/nothing", "/api/boards/pulse-rep/panels/99", "/api/boards/pulse-rep/panels/1a",
     "/assets/server.py", "/assets/..%2Fserver.py", "/api/boards/pulse-rep/panels/-1"],
)  # fmt: skip
async def test_what_is_not_there_is_not_found(page: str, path: str) -> None:
    assert (await get(page + path))[0] == 404


async def test_a_board_comes_without_its_statements(page: str) -> None:
    _, board, headers = await get(f"{page}/api/boards/pulse-company")

    assert "SELECT" not in str(board)
    assert [tab["uid"] for tab in board["tabs"]] == [uid for uid in BOARDS if not uid.endswith("-en")]
    assert board["other"] == {"zh-CN": "pulse-company", "en": "pulse-company-en"}
    assert "default-src 'self'" in headers["Content-Security-Policy"]


async def test_quarters_with_sales_can_be_chosen_and_the_newest_is_shown_first(page: str, client: FakeClient) -> None:
    client.quarters = [date(2199, 1, 1), date(2018, 4, 1), date(2017, 10, 1)]
    _, english, _ = await get(f"{page}/api/boards/pulse-team-en")
    _, chinese, _ = await get(f"{page}/api/boards/pulse-team")
    _, live, _ = await get(f"{page}/api/boards/pulse-live")
    begin, end = datetime(2018, 4, 1, tzinfo=SHANGHAI), datetime(2018, 7, 1, tzinfo=SHANGHAI)
    second = {"from": str(int(begin.timestamp() * 1000)), "to": str(int(end.timestamp() * 1000) - 1)}

    assert english["ranges"][-2:-1] == [{"display": "2018 Q2", **second}]
    assert [one["display"] for one in english["ranges"][-2:]] == ["2018 Q2", "2017 Q4"]
    assert [one["display"] for one in chinese["ranges"][-2:]] == ["2018年第2季度", "2017年第4季度"]
    assert english["time"] == second
    assert live["time"] == {"from": "now-24h", "to": "now"}
    assert "2018" not in str(live["ranges"])


async def test_the_running_quarter_is_shown_when_it_has_sales(page: str, client: FakeClient) -> None:
    today = datetime.now(SHANGHAI).date()
    client.quarters = [today.replace(month=(today.month - 1) // 3 * 3 + 1, day=1), date(2018, 4, 1)]

    assert (await get(f"{page}/api/boards/pulse-team"))[1]["time"] == {"from": "now/fQ", "to": "now/fQ"}


async def test_a_board_comes_while_clickhouse_is_away(page: str, client: FakeClient) -> None:
    client.error = OperationalError("connection refused")

    assert (await get(f"{page}/api/boards/pulse-team"))[0] == 200


@pytest.mark.parametrize("name", ["app.js", "charts.js", "format.js", "style.css"])
async def test_the_page_brings_along_all_it_needs(page: str, name: str) -> None:
    status, text, _ = await get(f"{page}/assets/{name}")

    assert status == 200
    assert "http://" not in text.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in text


async def test_a_value_that_is_no_option_gives_way_to_the_first(page: str, client: FakeClient) -> None:
    url = f"{page}/api/boards/pulse-team"
    _, chosen, _ = await get(f"{url}/variables?var-node=' OR 1=1 --")
    await get(f"{url}/panels/1?var-node=' OR 1=1 --")

    assert chosen["node"]["value"] == "A"
    assert "owner_id = 'A' AND" in client.asked[-1]
    assert "1=1" not in "".join(client.asked)


async def test_an_option_is_quoted(page: str, client: FakeClient) -> None:
    await get(f"{page}/api/boards/pulse-team/panels/1?var-node=B%27")

    assert "owner_id = 'B''' AND" in client.asked[-1]


async def test_the_time_range_is_that_of_the_address_or_of_the_board(page: str, client: FakeClient) -> None:
    _, answer, _ = await get(f"{page}/api/boards/pulse-live/panels/1?from=1790784000000&to=1790870400000")

    assert answer["range"] == [1790784000000, 1790870400000]
    assert "toDateTime(1790784000)" in client.asked[-1]
    _, answer, _ = await get(f"{page}/api/boards/pulse-live/panels/1")
    assert answer["range"][1] - answer["range"][0] == 86_400_000


@pytest.mark.parametrize("query", ["from=yesterday", "from=now&to=now-1h"])
async def test_a_range_that_makes_no_sense_is_refused(page: str, query: str) -> None:
    status, content, _ = await get(f"{page}/api/boards/pulse-live/panels/1?{query}")

    assert status == 400
    assert "time" in content["error"]


async def test_many_viewers_ask_once_and_never_too_much_at_a_time(page: str, client: FakeClient) -> None:
    board = BOARDS["pulse-live"].json["panels"]
    window = "from=1790784000000&to=1790870400000"
    paths = [f"{page}/api/boards/pulse-live/panels/{panel['id']}?{window}" for panel in board] * 5
    answers = await asyncio.gather(*(get(path) for path in paths))

    assert {status for status, *_ in answers} == {200}
    assert len(client.asked) == len(board)
    assert client.most_at_once <= 2


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (OperationalError("connection refused"), 503, "ClickHouse does not answer"),
        (DatabaseError("Code: 60. DB::Exception: Unknown table"), 400, "ClickHouse refused"),
    ],
)
async def test_a_clickhouse_that_fails_is_told_and_asked_again(
    page: str, client: FakeClient, error: Exception, status: int, said: str
) -> None:
    client.error = error
    found, content, _ = await get(f"{page}/api/boards/pulse-live/panels/1")
    assert (found, said in content["error"]) == (status, True)

    client.error = None
    assert (await get(f"{page}/api/boards/pulse-live/panels/1"))[0] == 200


async def test_a_port_in_use_is_named(page: str, client: FakeClient) -> None:
    server = PreviewServer(BOARDS, Questions(client, SHANGHAI))  # type: ignore[arg-type]

    with pytest.raises(UsageError, match="is in use: choose another with --port"):
        await server.start(int(page.rpartition(":")[2]))


def test_answers_are_fit_for_json() -> None:
    names = ["at", "naive", "day", "money", "nothing", "ratio", "name", "list"]
    types = ["DateTime64(3, 'UTC')", "DateTime", "Date32", "Nullable(Decimal(38, 6))", "Nullable(Float64)", "Float64"]
    types += ["LowCardinality(Nullable(String))", "Array(String)"]
    at = datetime(2026, 10, 1, tzinfo=UTC)
    row = [at, at.replace(tzinfo=None), date(2026, 10, 1), Decimal("1.5"), None, float("nan"), "甲", ["a"]]
    answer = as_json(names, types, [row])

    assert [field["type"] for field in answer["fields"]] == [
        "time", "time", "day", "number", "number", "number", "string", "string",
    ]  # fmt: skip
    assert answer["rows"] == [[1790812800000, 1790812800000, "2026-10-01", 1.5, None, None, "甲", "['a']"]]
