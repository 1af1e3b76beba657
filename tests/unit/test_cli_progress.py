"""Progress read from outside: what counts as drained, rates, the summary."""

from dataclasses import replace

import pytest

from streams.shards_view import Progress, progress_of
from streams.supervisor.pace import Pace, status_line
from streams.supervisor.summary import Summary


def test_a_shard_without_checkpoint_starts_at_the_low_watermark() -> None:
    progress = progress_of([{}], {("sales", 0): 5}, {("sales", 0): 7})
    assert progress.lag == {"sales": 2}
    assert not progress.drained()


def test_drained_means_all_offsets_reached_and_nothing_held() -> None:
    high = {("sales", 0): 7, ("sales", 1): 3, ("visits", 0): 0}
    metas = [{"o:sales": "7", "held": "0"}, {"o:sales": "3"}]
    assert progress_of(metas, {}, high).drained()
    assert not progress_of([{"o:sales": "7", "held": "1"}, metas[1]], {}, high).drained()
    assert not progress_of([metas[0], {"o:sales": "2"}], {}, high).drained()


def test_counters_of_the_shards_add_up() -> None:
    metas = [
        {"c:accepted:sale": "3", "c:accepted:visit": "1", "c:duplicates": "2", "partitions": "8"},
        {"c:accepted:sale": "4", "c:conflicts": "1", "c:dead_letters": "5", "held": "6"},
    ]
    progress = progress_of(metas, {}, {})
    assert progress.accepted == {"sale": 7, "visit": 1}
    assert (progress.duplicates, progress.conflicts, progress.dead_letters, progress.held) == (2, 1, 5, 6)
    later = progress_of([metas[0], {**metas[1], "c:accepted:sale": "10", "c:duplicates": "1"}], {}, {})
    assert later.since(progress).accepted == {"sale": 6}
    assert later.since(progress).duplicates == 1


def test_the_company_goes_by_the_reference_data_of_the_shard_that_is_behind() -> None:
    metas = [{"reference_version": "3"}, {"reference_version": "2"}]
    assert progress_of(metas, {}, {}).reference_version == 2
    assert progress_of([*metas, {}], {}, {}).reference_version == 0
    assert progress_of(metas, {}, {}).since(Progress(reference_version=1)).reference_version == 2


def test_the_rate_is_over_the_last_seconds() -> None:
    pace = Pace(window_s=5)
    assert pace.add(0.0, 0) == 0
    assert pace.add(1.0, 100) == 100
    assert pace.add(20.0, 100) == pytest.approx(0.0)
    assert pace.add(21.0, 300) == pytest.approx(200 / 20)
    assert pace.add(25.0, 300) == pytest.approx(200 / 5)


def test_the_status_line_names_what_waits() -> None:
    line = status_line(Progress(lag={"sales": 40_000}, accepted={"sale": 1234}, held=2), 12_345.4, "import a.csv")
    assert line == "12,345 events/s · lag 40,000 · accepted 1,234 · dead letters 0 · held 2 · import a.csv"


def test_the_summary_adds_dead_letters_of_files_and_streams() -> None:
    summary = Summary(
        progress=Progress(accepted={"sale": 1000, "visit": 500}, dead_letters=2),
        seconds=2.0,
        workers_peak_bytes=100 << 20,
        total_peak_bytes=300 << 20,
        file_dead_letters=3,
    )
    assert summary.as_json()["dead_letters"] == 5
    assert "dead letters    5 in this run: `pulse dead-letters list` shows them" in summary.as_text()
    assert "reference rows" not in summary.as_text()
    beside = replace(summary, open_letters=1_007, reference_rows=12)
    assert beside.as_json()["dead_letters_open"] == 1_007
    assert "dead letters    5 in this run, 1,007 open in all: `pulse" in beside.as_text()
    assert "reference rows  12" in beside.as_text()
    quiet = replace(summary, progress=Progress(), file_dead_letters=0, open_letters=0)
    assert "dead letters    0\n" in quiet.as_text()
    assert summary.as_json()["events_per_s"] == 750
    text = summary.as_text()
    assert "1,500 (1,000 sale, 500 visit)" in text
    assert "2.0 s, 750 events/s" in text
    assert "100 MiB workers, 300 MiB in all" in text
