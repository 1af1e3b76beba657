"""Variables of the boards: each a question whose first column is the value and whose second is the text."""

from dataclasses import dataclass

from grafana_foundation_sdk.models import dashboard as model

from grafana.company import Company
from grafana.query import data_source
from grafana.texts import Language, localised


@dataclass(frozen=True)
class Variable:
    """A variable.

    Attributes:
        name: as statements name it.
        label: in both languages.
        sql: values and texts, in both languages; the first row is chosen at the beginning.
        is_open: whether a value may be chosen that is not among them, for there are too many to list.
    """

    name: str
    label: str
    sql: str
    is_open: bool = False


COMPANY = Variable(
    "node",
    "[[公司|Company]]",
    "SELECT node_id AS value, [[name|ifNull(name_en, name)]] AS text FROM organisation_nodes_today "
    "WHERE level = 'company' ORDER BY node_id",
)
NODE = Variable(
    "node",
    "[[大区或团队|Region or team]]",
    "SELECT node_id AS value, [[name|ifNull(name_en, name)]] AS text FROM organisation_nodes_today "
    "WHERE level IN ('region', 'team') ORDER BY level, node_id",
)
ANY_NODE = Variable(
    "node",
    "[[范围|Scope]]",
    "SELECT node_id AS value, [[name|ifNull(name_en, name)]] AS text FROM organisation_nodes_today "
    "ORDER BY indexOf(['company', 'region', 'team'], level), node_id",
)
CASE = Variable(
    "case_id",
    "[[案件|Case]]",
    """SELECT alert_id AS value, concat(formatDateTime(toTimeZone(occurred_at, '{{time_zone}}'), '%m-%d %H:%i'), ' · ',
    rule_id, ' · ', title_[[zh|en]]) AS text
FROM alert_log
ORDER BY raised_at DESC, alert_id
LIMIT 200""",
    is_open=True,
)
REP = Variable(
    "rep",
    "[[代表|Rep]]",
    """SELECT rep_id AS value, concat([[name|ifNull(name_en, name)]], ' · ', rep_id) AS text FROM reps_today
WHERE role != 'manager' AND (left_on IS NULL OR left_on >= toDate32(now('{{time_zone}}')))
ORDER BY role = 'filed_rep', rep_id""",
)
LINE = Variable(
    "line",
    "[[产品线|Product line]]",
    "SELECT product_key AS value, name[[|_en]] AS text FROM product_names WHERE product_level = 'line' ORDER BY value",
)
PRODUCT = Variable(
    "product",
    "[[产品|Product]]",
    "SELECT product_id AS value, [[name|ifNull(name_en, name)]] AS text FROM products_today "
    "WHERE line_id = ${line:sqlstring} ORDER BY value",
)


def variable(made: Variable, language: Language, company: Company) -> model.VariableModel:
    """As Grafana stores it."""
    sql = company.fill(made.sql, language)
    return model.VariableModel(
        type_val=model.VariableType.QUERY,
        name=made.name,
        label=localised(made.label, language),
        query=sql,
        definition=sql,
        datasource=data_source(),
        refresh=model.VariableRefresh.ON_TIME_RANGE_CHANGED,
        sort=model.VariableSort.DISABLED,
        multi=False,
        include_all=False,
        allow_custom_value=made.is_open,
    )
