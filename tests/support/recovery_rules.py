"""Rules for runs that are disturbed: their outcome hangs on nothing but the order of a representative's own events."""

from pathlib import Path

RULES = """
examples:
  events:
    visit: {occurred_at: 2026-03-24T10:00:00+08:00, check_in_at: 2026-03-24T10:00:00+08:00, source: crm, rep_id: R1,
            institution_id: I1}
    sale: {occurred_at: 2026-03-24T10:00:00+08:00, source: erp, rep_id: R1, institution_id: I1, product_id: P1,
           quantity: 1, amount: 100}
  references:
    rep: [{rep_id: R1, name: 王敏}]
    institution: [{institution_id: I1, name: 第一医院}]
    product: [{product_id: P1, name: 药}]
rules:
  - &base
    id: T-OFTEN
    title: {zh: 拜访频繁, en: Many visits}
    severity: 关注
    scope: {events: [visit]}
    let: {before: "count(v for v in visits(last(30 * days)))"}
    when: before >= 3
    message: {zh: "{rep_id}之前{before}次", en: "{rep_id} after {before}"}
    basis: [{article: "1", source: test}]
    effective_from: 1980-01-01
    owner: tests
    tests:
      - {case: a fourth, expect: hit, past: [{times: 3}]}
      - {case: a fifth, expect: hit, past: [{times: 4}]}
      - {case: a first, expect: miss}
      - {case: a third, expect: miss, past: [{times: 2}]}
  - <<: *base
    id: T-MONTH
    once_per: month
    let: {shown: count(details)}
    when: shown >= 2
    message: {zh: "{shown}", en: "{shown}"}
    tests: &shown
      - {case: two, expect: hit, event: {details: [{product_id: P1}, {product_id: P1}]}}
      - {case: three, expect: hit, event: {details: [{product_id: P1}, {product_id: P1}, {product_id: P1}]}}
      - {case: one, expect: miss, event: {details: [{product_id: P1}]}}
      - {case: none, expect: miss}
  - <<: *base
    id: T-PLACE
    let: {}
    when: count(details) >= 2 and count(v for v in visits(last(7 * days), institution=institution_id)) >= 0
    message: {zh: "{institution_id}", en: "{institution_id}"}
    tests: *shown
  - <<: *base
    id: T-SALE
    scope: {events: [sale]}
    let: {}
    when: amount > 500 and count(v for v in visits(this_month)) >= 0
    message: {zh: "{amount}", en: "{amount}"}
    tests:
      - {case: more, expect: hit, event: {amount: 501}}
      - {case: much more, expect: hit, event: {amount: 9000}}
      - {case: as much, expect: miss, event: {amount: 500}}
      - {case: less, expect: miss, event: {amount: 5}}
"""


def written(folder: Path) -> Path:
    """A policies folder with these rules alone."""
    (folder / "compliance").mkdir(parents=True, exist_ok=True)
    (folder / "compliance" / "rules.yaml").write_text(RULES, "utf-8")
    return folder
