"""Alerts of hits: they fit into a message whatever the events hold."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from rule_world import SHANGHAI, directory_of, event_of, rows_of, rule_of

from agents.compliance.judge import Hit, Judge, Surroundings
from agents.compliance.rule_book import LIVE, RuleBook, RuleSet
from agents.compliance.rules import CompiledRule
from agents.compliance.world import References
from schemas.alerts import ExplainedValue

#: What the broker takes by default, less what it adds.
_MESSAGE = 1_000_000
NESTED = """count(x for x in attendees if count(y for y in attendees if count(z for z in attendees
  if x.name == y.name and y.name == z.name and z.hcp_id != topic_text and venue == topic_text) > 0) > 0) > 0"""


def hits_of(rule: CompiledRule, event: Any) -> list[Hit]:
    directory = directory_of()
    book = RuleBook(1, RuleSet(LIVE, 1, (rule,)))
    judge = Judge(Surroundings(book, References(rows_of(), directory), directory, SHANGHAI), lambda _: False)
    return judge.judge(event, datetime(2026, 3, 4, 12, tzinfo=UTC))


def texts(explained: ExplainedValue) -> list[str]:
    return [explained.text, *(text for part in explained.parts for text in texts(part))]


@pytest.mark.parametrize("letter", ["n", "药", "\x01"], ids=["latin", "chinese", "control"])
def test_an_alert_fits_into_a_message(letter: str) -> None:
    """Each attendee is explained by all others, every sentence and value by notes as long as they may be."""
    long = letter * 20_000
    event = event_of(
        "activity", topic_text=long, venue=long, attendees=[{"hcp_id": f"H{n}", "name": long} for n in range(20)]
    )
    (hit,) = hits_of(rule_of(NESTED, "activity", "{topic_text} {venue} " * 20), event)
    assert hit.alert is not None
    assert len(orjson.dumps(hit.alert.model_dump(mode="json"))) < _MESSAGE
    assert hit.alert.explanation is not None
    said = texts(hit.alert.explanation)
    assert len(said) == 250
    assert said[:2] == [" ".join(NESTED.split()), " ".join(NESTED.split())[:-4]]
    assert hit.alert.message.en.startswith(letter * 100)
