"""The boards as a person sees them: `pulse boards preview` in a real browser, in both languages."""

import json
import re
import subprocess
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from typing import Any

import data_folders
import pytest
import pytest_asyncio
from board_data import BoardData, beat, fill
from browser import Page, browser, found
from commands import ROOT, command, environment
from pydantic import SecretStr

from grafana.boards import BOARDS
from grafana.links import uid_in
from grafana.texts import LANGUAGES, Language
from streams import local
from streams.clickhouse import connect
from streams.simulator.world import COMPANY_ZONE

pytestmark = [
    pytest.mark.skipif(found() is None, reason="no chromium on this machine: install one to look at the boards"),
    pytest.mark.asyncio(loop_scope="module"),
]
START, END = (int(datetime(2026, month, 1, tzinfo=COMPANY_ZONE).timestamp() * 1000) for month in (7, 10))
QUARTER = f"from={START}&to={END - 1}"
LAST_DAYS = f"from={END - int(timedelta(days=2).total_seconds() * 1000)}&to={END - 1}"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, BoardData]]:
    """Address of the page, and what it shows."""
    folder = data_folders.migrated(tmp_path_factory.mktemp("boards"))
    with local.start(folder, ["clickhouse"], clickhouse_port=0) as services:
        url = SecretStr(services.urls["clickhouse_url"])
        made = fill(connect(url))
        made.url = url
        with subprocess.Popen(
            command("boards", "preview", "--port", 0),
            cwd=ROOT,
            env=environment(PULSE_CLICKHOUSE_READER_URL=services.urls["clickhouse_reader_url"]),
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            said = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
            try:
                assert said
                yield said[0], made
            finally:
                process.terminate()
                assert process.wait(20) == 0


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def page() -> AsyncIterator[Page]:
    async with browser() as made:
        yield made


def address(base: str, uid: str, more: str = "") -> str:
    span = "" if "pipeline" in uid else LAST_DAYS if "live" in uid else QUARTER
    return f"{base}/d/{uid}?{span}{more}"


async def drawn(page: Page, language: str) -> list[dict[str, Any]]:
    """Every panel with what it shows; checks what holds for all boards."""
    shown: list[dict[str, Any]] = await page.value(
        "[...document.querySelectorAll('.panel')].map(one => ({title: one.querySelector('h2').textContent,"
        " fault: one.dataset.fault ?? null,"
        " drawn: one.querySelectorAll('.stat .value, tbody tr, svg path, svg rect, svg circle, .gauges .one').length}))"
    )
    assert [one["fault"] for one in shown] == [None] * len(shown)
    assert [one["title"] for one in shown if not one["drawn"]] == []
    words = " ".join(one["title"] for one in shown)
    assert bool(re.search(r"[\u3400-\u9fff]", words)) is (language == "zh-CN")
    cut = "[...document.querySelectorAll('.stat .one')].filter(one => one.scrollWidth > one.clientWidth + 1)"
    assert await page.value(f"{cut}.map(one => one.textContent)") == []
    assert page.complaints == []
    return shown


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("board", [board.uid for board in BOARDS if board.uid != "pulse-company"])
async def test_every_panel_of_a_board_is_drawn(
    page: Page, data: tuple[str, BoardData], board: str, language: Language
) -> None:
    page.complaints.clear()
    page.requests.clear()
    await page.open(address(data[0], uid_in(board, language)))

    assert len(await drawn(page, language)) >= 6
    assert {url.split("/")[2] for url in page.requests if not url.startswith("data:")} == {data[0].split("/")[2]}


WORDS = {
    "zh-CN": {"red": "落后", "amber": "预警", "green": "正常"},
    "en": {"red": "Behind", "amber": "Watch", "green": "On track"},
}
COLOURS = {"red": "rgb(217, 72, 79)", "amber": "rgb(224, 160, 48)", "green": "rgb(76, 159, 112)"}


@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_company_board_shows_its_lights_and_figures(
    page: Page, data: tuple[str, BoardData], language: Language
) -> None:
    base, made = data
    page.complaints.clear()
    await page.open(address(base, uid_in("pulse-company", language)))
    await drawn(page, language)
    own = made.lights["company", "COMPANY", "all", ""]
    light = await page.value(
        "(() => { const one = document.querySelector('[data-panel=\"1\"]');"
        " return [one.querySelector('.value').textContent, getComputedStyle(one).backgroundColor]; })()"
    )
    because = "节奏" if language == "zh-CN" else "pace"
    assert light == [f"{WORDS[language][own['state']]} · {because}", COLOURS[own["state"]]]

    cells = await page.value("[...document.querySelectorAll('[data-panel=\"7\"] td.cell')].map(one => one.textContent)")
    regions = {owner for level, owner, *_ in made.lights if level == "region"}
    lines = {product.line_id for product in made.products.values()}
    assert len(cells) == len(regions) * (1 + len(lines))
    assert all(re.fullmatch(r"\d+\.\d%", cell) for cell in cells)

    sold = own["value"]
    written = f"{round(sold / 10_000):,}万元" if language == "zh-CN" else f"¥{sold / 1_000_000:.1f}M"
    assert await page.value("document.querySelector('[data-panel=\"2\"] .value').textContent") == written


async def test_from_the_company_over_a_team_to_a_rep_and_back(page: Page, data: tuple[str, BoardData]) -> None:
    base, made = data
    await page.open(address(base, "pulse-company-en"))
    await page.value("document.querySelector('[data-panel=\"7\"] tbody a').click()")
    await page.until("document.getElementById('title').textContent === 'Region and team'")
    await page.drawn()
    region = await page.value("document.querySelector('select[name=node]').value")
    assert made.nodes[region].level == "region"
    assert f"from={START}" in await page.value("location.search")

    await page.value("document.querySelector('[data-panel=\"7\"] tbody a').click()")
    await page.until(f"document.querySelector('select[name=node]')?.value !== {json.dumps(region)}")
    await page.drawn()
    team = await page.value("document.querySelector('select[name=node]').value")
    assert made.nodes[team].parent_id == region

    name = await page.value("document.querySelector('[data-panel=\"7\"] tbody a').textContent")
    await page.value("document.querySelector('[data-panel=\"7\"] tbody a').click()")
    await page.until("document.getElementById('title').textContent === 'Rep'")
    await page.drawn()
    rep = await page.value("document.querySelector('select[name=rep]').value")
    assert made.reps[rep].team_id == team
    assert made.reps[rep].name_en == name

    await page.value("history.back()")
    await page.until("document.getElementById('title').textContent === 'Region and team'")
    await page.drawn()
    assert await page.value("document.querySelector('select[name=node]').value") == team


async def test_the_language_switch_keeps_what_is_looked_at(page: Page, data: tuple[str, BoardData]) -> None:
    rep = max(one for one in data[1].paths)
    await page.open(address(data[0], "pulse-rep", f"&var-rep={rep}"))
    await page.value("document.querySelector('#languages a[lang=en]').click()")
    await page.until("document.documentElement.lang === 'en'")
    await page.drawn()

    assert await page.value("document.getElementById('title').textContent") == "Rep"
    assert await page.value("document.querySelector('select[name=rep]').value") == rep


async def test_another_rep_is_chosen_without_loading_the_page_anew(page: Page, data: tuple[str, BoardData]) -> None:
    reps = sorted(data[1].paths)
    await page.open(address(data[0], "pulse-rep-en"))
    await page.value("window.kept = document.querySelector('.panel')")
    await page.value(
        "(() => { const one = document.querySelector('select[name=rep]');"
        f" one.value = {json.dumps(reps[-1])}; one.dispatchEvent(new Event('change')); }})()"
    )
    await page.drawn()

    assert f"var-rep={reps[-1]}" in await page.value("location.search")
    assert await page.value("window.kept === document.querySelector('.panel')")


async def test_pointing_at_a_day_tells_its_figures(page: Page, data: tuple[str, BoardData]) -> None:
    await page.open(address(data[0], "pulse-team-en"))
    told = await page.value(
        "(() => { const one = document.querySelector('[data-kind=timeseries] svg');"
        " const box = one.getBoundingClientRect(), at = {clientX: box.left + box.width * 0.6, clientY: box.top + 40};"
        " one.dispatchEvent(new PointerEvent('pointermove', at));"
        " const tip = document.getElementById('tip'); return tip.hidden ? null : tip.innerText; })()"
    )

    assert re.match(r"0[789]-\d\d 00:00\n", told)
    assert re.search(r"Actual\s+¥[\d.]+[kM]?\b", told)
    assert re.search(r"Due\s+¥[\d.]+[kM]\b", told)


async def test_new_data_appears_in_place(page: Page, data: tuple[str, BoardData]) -> None:
    base, made = data
    await page.open(address(base, "pulse-pipeline-en"))
    await page.value("window.kept = document.querySelector('[data-panel=\"2\"]')")
    before = await page.value("window.kept.querySelector('.value').textContent")
    beat(connect(made.url), 54_321)

    await page.until(f"window.kept.querySelector('.value').textContent !== {json.dumps(before)}")
    assert int((await page.value("window.kept.querySelector('.value').textContent")).replace(",", "")) >= 54_321
    assert await page.value("window.kept.isConnected")
