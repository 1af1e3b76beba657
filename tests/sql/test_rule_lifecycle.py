"""From a text on somebody's disk into force: submitted, approved, tried, edited, snoozed, on a real ClickHouse."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from agents.compliance.rule_book import LIVE, RuleBook, RuleSet, Snooze
from agents.progress.calendar import CompanyTime
from streams import rule_books, rule_lifecycle, rule_lists, rule_log, rule_trials, snoozes
from streams.errors import InvalidError, UsageError
from streams.policies import PolicyError, digest_of
from streams.rule_changes import LISTED, Change

TIME = CompanyTime("Asia/Shanghai")
TODAY = date(2026, 3, 4)
RULES = """\
examples:
  events:
    activity: {occurred_at: 2026-03-04T12:00:00+08:00, source: s, rep_id: R1, kind: meal, amount: 700, venue: 温泉}
rules:
  - id: R12
    title: {zh: 餐费, en: Meal}
    severity: 禁止
    scope: {events: [activity]}
    parameters: {most: 300}
    when: amount > most and in_list("venues", venue)
    message: {zh: "{amount}元", en: "{amount} yuan"}
    basis: [{article: a, source: s}]
    effective_from: 2026-01-01
    owner: compliance
    tests:
      - {case: above, expect: hit}
      - {case: far above, expect: hit, event: {amount: 9000}}
      - {case: little, expect: miss, event: {amount: 3}}
      - {case: elsewhere, expect: miss, event: {venue: 食堂}}
"""
LISTS = "lists:\n  - id: venues\n    title: {zh: 场所, en: Venues}\n    values: [温泉, KTV]\n"
STRICTER = RULES.replace("most: 300", "most: 250")


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def written(rules: str = RULES, lists: str = LISTS) -> Path:
        (tmp_path / "compliance").mkdir(exist_ok=True)
        (tmp_path / "compliance" / "money.yaml").write_text(rules, "utf-8")
        (tmp_path / "compliance" / "lists.yaml").write_text(lists, "utf-8")
        return tmp_path

    return written


def put_in_force(client: Client, folder: Path) -> int:
    number = int(rule_lifecycle.submit(client, folder, TIME, "ann").name)
    rule_lifecycle.approve(client, number, TIME, "bob")
    return number


def most(book: RuleBook) -> object:
    (rule,) = book.live.rules
    return rule.rule.parameters["most"]


def test_an_empty_database_has_the_empty_book(database: Client) -> None:
    assert rule_books.newest_version(database) == 0
    assert rule_books.load(database, TIME) == RuleBook(0, RuleSet(LIVE, 0, ()))


def test_what_one_submits_another_puts_into_force(database: Client, write: Callable[..., Path]) -> None:
    folder = write()
    assert rule_lifecycle.submit(database, folder, TIME, "Ann Li").name == "1"
    assert rule_books.load(database, TIME).live.rules == ()
    assert rule_books.newest_version(database) == 0, "a submission changes nothing workers judge with"
    for herself in ("ann  LI", "Ａｎｎ Li", "Ann\u200b Li"):
        with pytest.raises(UsageError, match="submitted by Ann Li: somebody else must approve it"):
            rule_lifecycle.approve(database, 1, TIME, herself)
    with pytest.raises(UsageError, match="nobody is named as its author"):
        rule_lifecycle.approve(database, 1, TIME, "\u200b")
    assert rule_lifecycle.approve(database, 1, TIME, "bob").version == 2
    book = rule_books.load(database, TIME)
    assert (book.version, book.live.version, most(book)) == (rule_books.newest_version(database), 1, 300)
    assert book.lists == {"venues": frozenset({"温泉", "ktv"})}
    with pytest.raises(UsageError, match="version 1 is in force already"):
        rule_lifecycle.approve(database, 1, TIME, "eve")
    with pytest.raises(UsageError, match="version 1 is this text already, and in force"):
        rule_lifecycle.submit(database, folder, TIME, "ann")


def test_only_the_newest_submission_can_be_decided(database: Client, write: Callable[..., Path]) -> None:
    rule_lifecycle.submit(database, write(), TIME, "ann")
    rule_lifecycle.submit(database, write(STRICTER), TIME, "ann")
    with pytest.raises(UsageError, match="version 1 was superseded by version 2: decide on that"):
        rule_lifecycle.approve(database, 1, TIME, "bob")
    rule_lifecycle.reject(database, 2, "bob", "too strict")
    with pytest.raises(UsageError, match="version 2 was rejected by bob"):
        rule_lifecycle.approve(database, 2, TIME, "bob")
    with pytest.raises(UsageError, match="there is no version 7"):
        rule_lifecycle.approve(database, 7, TIME, "bob")
    statuses = [bundle.status for bundle in rule_log.state(database).bundles.values()]
    assert statuses == ["superseded", "rejected"]
    assert rule_books.load(database, TIME).live.rules == ()


def test_every_text_is_kept_and_an_altered_one_is_noticed(database: Client, write: Callable[..., Path]) -> None:
    put_in_force(database, write())
    put_in_force(database, write(STRICTER))
    bundles = rule_log.state(database).bundles
    assert [bundle.status for bundle in bundles.values()] == ["replaced", "in force"]
    assert rule_log.files_of(database, bundles[1].submitted) == {"lists.yaml": LISTS, "money.yaml": RULES}
    rule_lifecycle.submit(database, write(RULES.replace("most: 300", "most: 9")), TIME, "ann")
    database.command(
        "ALTER TABLE rule_changes UPDATE text = replaceAll(text, 'most: 9', 'most: 8') WHERE kind = 'submitted' "
        "SETTINGS mutations_sync = 1"
    )
    with pytest.raises(InvalidError, match="was altered"):
        rule_lifecycle.approve(database, 3, TIME, "bob")


def test_wrong_rules_and_failing_tests_are_not_submitted(database: Client, write: Callable[..., Path]) -> None:
    folder = write(RULES.replace("case: above, expect: hit", "case: above, expect: hit, event: {amount: 1}"))
    with pytest.raises(PolicyError, match=r"money\.yaml:16:9: .*judged a miss, but hit is expected"):
        rule_lifecycle.submit(database, folder, TIME, "ann")
    with pytest.raises(PolicyError, match=r"money\.yaml:10:37: R12.when: there is no list 'places'"):
        rule_lifecycle.submit(database, write(RULES.replace('"venues"', '"places"')), TIME, "ann")
    assert rule_log.changes(database) == []


def test_of_two_approvals_at_one_moment_one_counts(database: Client, write: Callable[..., Path]) -> None:
    rule_lifecycle.submit(database, write(), TIME, "ann")
    submitted = rule_log.state(database).bundles[1].submitted
    for number in (1, 2):  # both looked before either wrote
        change = Change("approved", "1", f"boss {number}", 2, f"{number}", submitted.at, hash=submitted.hash)
        rule_log._insert(database, change)
    state = rule_log.state(database)
    assert state.bundles[1].decided is not None
    assert state.bundles[1].decided.author == "boss 1"
    assert "in force already" in str(state.made["2"])
    assert state.version == rule_books.newest_version(database) == 2


def test_a_change_somebody_got_ahead_of_is_refused(
    database: Client, write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    rule_lifecycle.submit(database, write(), TIME, "ann")
    insert = rule_log._insert

    def after_another(client: Client, change: Change) -> None:
        monkeypatch.setattr(rule_log, "_insert", insert)
        rule_lifecycle.reject(client, 1, "eve", "no")
        insert(client, change)

    monkeypatch.setattr(rule_log, "_insert", after_another)
    with pytest.raises(InvalidError, match="version 1 was rejected by eve"):
        rule_lifecycle.approve(database, 1, TIME, "bob")
    assert rule_books.load(database, TIME).live.rules == ()


def test_edits_of_a_list_count_until_the_list_itself_is_approved_anew(
    database: Client, write: Callable[..., Path]
) -> None:
    put_in_force(database, write())
    assert rule_lists.add(database, "venues", ["SPA", "ktv", "ＳＰＡ"], "ann", "found").values == 3
    assert rule_lists.remove(database, "venues", ["ＫＴＶ"], "ann", "fine").values == 2
    book = rule_books.load(database, TIME)
    assert book.lists["venues"] == {"温泉", "spa"}
    assert book.version == rule_books.newest_version(database) == 4
    assert rule_lists.add(database, "venues", ["spa"], "ann", "again").change is None
    put_in_force(database, write(STRICTER))
    assert rule_books.load(database, TIME).lists["venues"] == {"温泉", "spa"}, "the list's own text is as it was"
    put_in_force(database, write(STRICTER, LISTS.replace("KTV", "KTV, 酒吧")))
    assert rule_books.load(database, TIME).lists["venues"] == {"温泉", "ktv", "酒吧"}
    kept = [change for change in rule_log.changes(database) if change.kind == LISTED]
    assert [(one.author, one.remark, one.detail) for one in kept] == [
        ("ann", "found", {"add": ["ＳＰＡ"]}),
        ("ann", "fine", {"remove": ["KTV"]}),
    ]


def test_a_list_takes_ten_thousand_values_and_no_more(database: Client, write: Callable[..., Path]) -> None:
    put_in_force(database, write())
    many = [f"place {number}" for number in range(9_998)]
    assert rule_lists.add(database, "venues", many, "ann", "all of them").values == 10_000
    assert len(rule_books.load(database, TIME).lists["venues"]) == 10_000
    with pytest.raises(UsageError, match=r"10,001 values, and 10,000 is the most"):
        rule_lists.add(database, "venues", ["one more"], "ann", "more")
    for wrong in (" ", "\u3000", "", "x" * 201):  # blanks are in nearly every text
        with pytest.raises(UsageError, match="a value has 1 to 200 characters that are more than blanks"):
            rule_lists.add(database, "venues", [wrong], "ann", "more")
    with pytest.raises(UsageError, match=r"venues does not have 'nowhere' and 1 more"):
        rule_lists.remove(database, "venues", ["nowhere", "never"], "ann", "gone")
    with pytest.raises(UsageError, match=r"no list wards in force: there is venues"):
        rule_lists.add(database, "wards", ["A"], "ann", "new")


def test_snoozes_are_in_the_book_until_they_are_ended(database: Client, write: Callable[..., Path]) -> None:
    put_in_force(database, write())

    def snooze(rule: str = "R12", kind: str = "rep", until: date = date(2026, 4, 30), reason: str = "agreed") -> None:
        snoozes.add(database, rule, kind, "R 1", until=until, author="ann", reason=reason, today=TODAY, time=TIME)

    snooze()
    snooze(until=date(2026, 5, 31))
    assert rule_books.load(database, TIME).snoozes == (Snooze("R12", "rep", "R 1", date(2026, 5, 31), "ann", "agreed"),)
    assert snoozes.there_are(database, date(2026, 6, 1)) == []
    snoozes.end(database, "R12", "rep", "R 1", author="bob")
    assert rule_books.load(database, TIME).snoozes == ()
    for wrong, message in (
        ({"rule": "R99"}, "there is no rule R99 in force"),
        ({"kind": "dog"}, "dog is no kind of subject"),
        ({"kind": "hcp"}, "alerts of R12 are about rep, so this would silence nothing"),
        ({"until": date(2026, 3, 3)}, "2026-03-03 lies behind"),
        ({"reason": " "}, "needs a reason"),
    ):
        with pytest.raises(UsageError, match=message):
            snooze(**wrong)
    with pytest.raises(UsageError, match="is not snoozed"):
        snoozes.end(database, "R12", "rep", "R 1", author="bob")


def test_several_trials_run_beside_the_rules_in_force(
    database: Client, write: Callable[..., Path], tmp_path: Path
) -> None:
    put_in_force(database, write())
    draft = tmp_path / "draft.yaml"
    draft.write_text(STRICTER, "utf-8")
    rule_trials.start(database, "stricter", draft, TIME, "ann")
    own = LISTS.replace("venues", "wards")
    folder = write(RULES.replace('"venues"', '"wards"'), own)
    rule_trials.start(database, "wards", folder, TIME, "ann")
    book = rule_books.load(database, TIME)
    assert [(shadow.name, shadow.rules[0].rule.parameters["most"]) for shadow in book.shadows] == [
        ("stricter", 250),
        ("wards", 300),
    ]
    assert set(book.lists) == {"venues", "wards"}
    with pytest.raises(UsageError, match="stricter runs already: take another name"):
        rule_trials.start(database, "stricter", draft, TIME, "ann")
    rule_trials.stop(database, "stricter", "ann")
    with pytest.raises(UsageError, match="was a trial before"):
        rule_trials.start(database, "stricter", draft, TIME, "ann")
    with pytest.raises(UsageError, match="no trial stricter runs: there is wards"):
        rule_trials.stop(database, "stricter", "ann")
    for name in ("live", "Big", "a b"):
        with pytest.raises(UsageError, match="is no name for a trial"):
            rule_trials.start(database, name, draft, TIME, "ann")
    with pytest.raises(UsageError, match="the list venues has other values"):
        rule_trials.start(database, "third", write(lists=LISTS.replace("KTV", "X")), TIME, "ann")
    with pytest.raises(UsageError, match="the list wards has other values"):
        rule_trials.start(
            database, "fourth", write(RULES.replace('"venues"', '"wards"'), own.replace("KTV", "X")), TIME, "ann"
        )
    assert [shadow.name for shadow in rule_books.load(database, TIME).shadows] == ["wards"]


def test_a_version_without_the_list_of_a_running_trial_is_not_approved(
    database: Client, write: Callable[..., Path], tmp_path: Path
) -> None:
    """Workers could adopt neither."""
    put_in_force(database, write())
    draft = tmp_path / "draft.yaml"
    draft.write_text(STRICTER, "utf-8")
    rule_trials.start(database, "stricter", draft, TIME, "ann")
    everywhere = RULES.replace(' and in_list("venues", venue)', "").replace("{venue: 食堂}", "{amount: 2}")
    rule_lifecycle.submit(database, write(everywhere, "lists: []\n"), TIME, "ann")
    with pytest.raises(UsageError, match=r"the trial stricter could not be judged .* there is no list 'venues'"):
        rule_lifecycle.approve(database, 2, TIME, "bob")
    assert rule_books.load(database, TIME).live.version == 1
    rule_trials.stop(database, "stricter", "ann")
    rule_lifecycle.approve(database, 2, TIME, "bob")
    assert rule_books.load(database, TIME).live.version == 2


def test_a_text_of_a_newer_program_is_refused_with_what_to_do(database: Client, write: Callable[..., Path]) -> None:
    put_in_force(database, write())
    newer = json.dumps({"money.yaml": RULES.replace("amount > most", "amount_in_space() > most")})
    digest = digest_of(newer)
    for number, kind in enumerate(("submitted", "approved"), start=3):
        at = datetime(2026, 3, 4, tzinfo=UTC)
        change = Change(kind, "2", kind, number, kind, at, hash=digest, rules=("R12",), text=newer)
        rule_log._insert(database, change)
    with pytest.raises(UsageError, match=r"cannot read the rules in force: published compliance rules 2: money.yaml"):
        rule_books.load(database, TIME)


def test_the_example_comes_into_force_by_itself_and_never_over_a_person(
    database: Client, write: Callable[..., Path], tmp_path: Path
) -> None:
    assert rule_lifecycle.publish_example(database, tmp_path, TIME) == 0, "a folder without rules"
    assert rule_lifecycle.publish_example(database, write(), TIME) == 1
    assert rule_lifecycle.publish_example(database, write(), TIME) == 1
    assert rule_lifecycle.publish_example(database, write(STRICTER), TIME) == 2
    bundle = rule_log.state(database).bundles[2]
    assert bundle.decided is not None
    assert (bundle.submitted.author, bundle.decided.author) == ("example", "pulse up")
    rule_lifecycle.submit(database, write(), TIME, "ann")
    assert rule_lifecycle.publish_example(database, write(RULES.replace("most: 300", "most: 9")), TIME) == 2
    rule_lifecycle.approve(database, 3, TIME, "bob")
    assert rule_lifecycle.publish_example(database, write(STRICTER), TIME) == 3
    assert most(rule_books.load(database, TIME)) == 300


def hit(rule_set: str, event: str, at: datetime, region: str = "EAST", rule: str = "R12") -> dict[str, object]:
    row: dict[str, object] = dict.fromkeys(("subject_kind", "event_kind"), "activity")
    row |= {"rule_set": rule_set, "rule_id": rule, "rule_version": 1, "subject_kind": "rep", "subject_id": "R1"}
    row |= {"rep_id": "R1", "team_id": "T", "region_id": region, "event_kind": "activity", "event_id": event}
    row |= {"occurred_at": at, "status": "raised" if rule_set == LIVE else "trial", "alert_id": f"{event:>032}"}
    return row | {"judged_at": at, "version": 1}


def test_a_trial_is_compared_with_what_is_in_force(database: Client, write: Callable[..., Path]) -> None:
    put_in_force(database, write())
    started = rule_trials.start(database, "stricter", write(STRICTER), TIME, "ann").at
    after, before = started + timedelta(seconds=11), started + timedelta(seconds=1)
    rows = [
        *(hit(rule_set, "A", after) for rule_set in (LIVE, "stricter")),
        *(hit(rule_set, "B", after, "WEST") for rule_set in (LIVE, "stricter")),
        hit(LIVE, "C", after),
        *(hit("stricter", event, after) for event in ("D", "E")),
        hit(LIVE, "EARLY", before),
        hit(LIVE, "OTHER", after, rule="R1"),
        hit("another", "F", after),
    ]
    database.insert("rule_hits", [list(row.values()) for row in rows], column_names=list(rows[0]))
    compared = [tuple(one) for one in rule_trials.compare(database, "stricter")]
    assert compared == [("R12", "EAST", 1, 1, 2), ("R12", "WEST", 1, 0, 0)]
    events = rule_trials.samples(database, "stricter", "R12", "only_trial")
    assert [event["event_id"] for event in events] == ["D", "E"]
    with pytest.raises(UsageError, match="there is no trial other: there is stricter"):
        rule_trials.compare(database, "other")
