"""The plain loop the engine is compared with, on figures a person can check by hand."""

import json
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from field_force import Message, company
from oracle import Expected, expected
from result_tables import Tables, mistakes

from schemas.reference import Institution, OrganisationNode, Product, Reference, Rep

REFERENCES: list[Reference] = [
    OrganisationNode(node_id="C", name="C", level="company"),
    OrganisationNode(node_id="T1", name="T1", level="team", parent_id="C"),
    OrganisationNode(node_id="T2", name="T2", level="team", parent_id="C"),
    Rep(rep_id="R1", name="R1", team_id="T1"),
    Rep(rep_id="R1", name="R1", team_id="T2", effective_from=date(2025, 1, 15)),
    Rep(rep_id="R2", name="R2", team_id="T2"),
    Product(product_id="P1", name="P1", line_id="L1"),
    Product(product_id="P2", name="P2", line_id="L1"),
    Institution(institution_id="H1", name="H1"),
]


def message(topic: str, event_id: str, at: str, rep: str = "R1", **fields: Any) -> Message:
    event = {"event_id": event_id, "occurred_at": at, "source": "crm", "rep_id": rep, "institution_id": "H1", **fields}
    return Message(topic, rep, json.dumps(event).encode())


def sale(event_id: str, at: str, amount: str, **fields: Any) -> Message:
    kind = "return" if amount.startswith("-") else "sale"
    quantity = "-1" if kind == "return" else "1"
    return message(
        "sales", event_id, at, **{"product_id": "P1", "quantity": quantity, "amount": amount, "kind": kind, **fields}
    )


def of_node(result: Expected, kpi: str, node: str, level: str = "team", period: str = "month") -> dict[date, Decimal]:
    return {
        key[2]: figures.numerator
        for key, figures in result.node_totals.items()
        if key[:2] == (kpi, period) and key[3:] == (node, level, "all", "")
    }


def test_a_rep_that_moves_leaves_what_it_sold_with_the_old_team() -> None:
    result = expected(
        [
            sale("1", "2025-01-14T15:59:59Z", "10.000001"),  # the 14th in Shanghai, one second to midnight
            sale("2", "2025-01-14T16:00:00Z", "5"),  # the 15th
            sale("3", "2025-01-20T00:00:00+08:00", "-2.5"),
        ],
        REFERENCES,
    )
    january = date(2025, 1, 1)
    assert of_node(result, "sales_amount", "T1") == {january: Decimal("10.000001")}
    assert of_node(result, "sales_amount", "T2") == {january: Decimal("2.5")}
    assert of_node(result, "sales_amount", "C", "company") == {january: Decimal("12.500001")}
    assert result.kpi_cells["sales_amount", "year", january, "R1", "line", "L1"].numerator == Decimal("12.500001")


def test_a_visit_counts_once_for_each_product_and_each_line() -> None:
    details = [{"product_id": "P1"}, {"product_id": "P2"}, {"product_id": "P1"}]
    at = "2025-02-01T10:00:00+08:00"
    result = expected([message("visits", "1", at, check_in_at=at, details=details)], REFERENCES)
    found = {key[4:]: figures.numerator for key, figures in result.kpi_cells.items() if key[:2] == ("visits", "month")}
    assert found == {("all", ""): 1, ("product", "P1"): 1, ("product", "P2"): 1, ("line", "L1"): 1}


def test_the_collection_rate_follows_the_due_day() -> None:
    at = "2025-01-10T10:00:00+08:00"
    paid = message("payments", "3", at, invoice_id="I", amount="30", due_on="2025-03-31")
    result = expected(
        [sale("1", at, "100", due_on="2025-03-01"), sale("2", at, "-20", due_on="2025-03-02"), paid], REFERENCES
    )
    figures = result.kpi_cells["collection_rate", "month", date(2025, 3, 1), "R1", "all", ""]
    assert (figures.numerator, figures.denominator) == (30, 80)


@pytest.mark.parametrize(
    ("second_at", "credited"),
    [("2025-01-10T23:00:00+08:00", False), ("2025-04-10T00:00:00+08:00", True), ("2025-04-11T00:00:00+08:00", False)],
)
def test_a_new_account_needs_a_second_order_on_a_later_day_within_90(second_at: str, credited: bool) -> None:
    first, second = sale("1", "2025-01-10T08:00:00+08:00", "1"), sale("2", second_at, "1", rep="R2")
    result = expected([replace(second, key="R2"), first], REFERENCES)
    assert of_node(result, "new_accounts", "T1") == ({date(2025, 1, 1): Decimal(1)} if credited else {})
    assert of_node(result, "new_accounts", "T2") == {}


def test_the_first_of_an_id_counts_and_what_differs_is_a_conflict() -> None:
    at = "2025-01-10T10:00:00+08:00"
    again = sale("1", at, "100", recorded_at="2025-01-11T10:00:00Z")
    result = expected([sale("1", at, "100"), again, sale("1", at, "200")], REFERENCES)
    assert (result.duplicates, len(result.conflicting)) == (1, 1)
    assert of_node(result, "sales_amount", "T1") == {date(2025, 1, 1): 100}


def test_what_cannot_be_used_is_dead() -> None:
    at = "2025-01-10T10:00:00+08:00"
    broken = [Message("sales", "R1", b"{"), sale("1", "2025-01-10T10:00:00", "1"), sale("2", at, "1", product_id="P9")]
    assert expected(broken, REFERENCES).dead == {("sales", each.value) for each in broken}


def test_empty_tables_are_found_out() -> None:
    one = company(1, 200)
    wanted = expected(one.messages, one.references)
    empty = Tables({table: [] for table in (*wanted.events, "call_counts", "dead_letters", "kpi_cells", "node_totals")})
    assert {problem.partition(":")[0] for problem in mistakes(empty, wanted)} == set(empty.rows)
    assert empty.differences(empty) == []


def test_a_company_is_the_same_every_time() -> None:
    assert company(7, 300) == company(7, 300)
