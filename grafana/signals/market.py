"""Products in their market: share, evolution, competitors' prices, tenders, new drugs."""

from grafana.looks import AMBER, BLUE, GREEN, PALE, RED, TEAL
from grafana.signals.progress import KPI, MONEY, PACE, QUARTER, STATE, share_text
from grafana.signals.signal import Column, Signal

_LINE = "${line:sqlstring}"
_PRODUCT = "${product:sqlstring}"
#: Reports of the quarter, by the last day they speak about.
_REPORTED = f"toStartOfQuarter(period_to) = toDate32({QUARTER})"

SHARE_TREND = Signal(
    "market_share_trend",
    "[[市场份额（按周）|Market share by week]]",
    "[[自有销量 ÷ 全部供应商销量，各大区报告相加。|"
    "Own volume ÷ volume of all suppliers, reports of all regions added.]]",
    f"""SELECT
    toDateTime(period_to, '{{{{time_zone}}}}') AS time, product_name[[|_en]] AS product,
    sum(own_volume) / nullIf(sum(market_volume), 0) AS share
FROM market_reports
WHERE kind = 'volume' AND {_REPORTED} AND line_id = {_LINE}
GROUP BY time, product
ORDER BY time, product""",
    unit="percent",
    time_series=True,
    series="product",
)

#: First and second half of the weeks reported in the quarter, per product.
_HALVES = f"""
SELECT
    product_id, product_name, product_name_en,
    sumIf(own_volume, late) AS own_now, sumIf(market_volume, late) AS market_now,
    sumIf(own_volume, NOT late) AS own_before, sumIf(market_volume, NOT late) AS market_before
FROM
(
    SELECT *, week <= 4 AS late
    FROM
    (
        SELECT *, dense_rank() OVER (ORDER BY period_to DESC) AS week FROM market_reports
        WHERE kind = 'volume' AND {_REPORTED} AND line_id = {_LINE}
    )
    WHERE week <= 8
)
GROUP BY product_id, product_name, product_name_en
"""

SHARE_TABLE = Signal(
    "market_share_table",
    "[[份额、变化与增长指数|Share, change and evolution index]]",
    "[[最近 4 周与之前 4 周相比；增长指数 = 100 ×（1 + 自身增长）÷（1 + 市场增长），不低于 100 即跑赢市场。|"
    "The latest 4 weeks against the 4 before; evolution index = 100 × (1 + own growth) ÷ (1 + market growth), "
    "100 or more beats the market.]]",
    f"""SELECT
    product_name[[|_en]] AS product,
    own_now / nullIf(market_now, 0) AS share,
    (own_now / nullIf(market_now, 0) - own_before / nullIf(market_before, 0)) * 100 AS change,
    100 * (own_now / nullIf(own_before, 0)) / nullIf(market_now / nullIf(market_before, 0), 0) AS evolution
FROM ({_HALVES})
ORDER BY share DESC""",
    columns=(
        Column("product", "[[产品|Product]]"),
        Column("share", "[[份额|Share]]", "percent", width=86),
        Column("change", "[[变化|Change]]", "points", width=96, cell="coloured", thresholds=((None, RED), (0, GREEN))),
        Column(
            "evolution",
            "[[增长指数|Evolution]]",
            "number",
            width=100,
            cell="coloured",
            thresholds=((None, RED), (98, AMBER), (100, GREEN)),
        ),
    ),
)

PRICES = Signal(
    "competitor_prices",
    "[[竞品价格|Competitors' prices]]",
    "[[各竞品价格，大区平均。|Price of each competing product, mean of the regions.]]",
    f"""SELECT toDateTime(day, '{{{{time_zone}}}}') AS time, ifNull(competitor, '') AS competitor, avg(price) AS price
FROM market_reports
WHERE kind = 'competitor_price' AND quarter_start = {QUARTER} AND product_id = {_PRODUCT}
GROUP BY time, competitor
ORDER BY time, competitor""",
    unit="price",
    time_series=True,
    series="competitor",
)

VOLUME = Signal(
    "own_and_market_volume",
    "[[自有与市场销量|Own and market volume]]",
    "[[所选产品每周销量。|Weekly units of the chosen product.]]",
    f"""SELECT toDateTime(period_to, '{{{{time_zone}}}}') AS time, sum(own_volume) AS own, sum(market_volume) AS market
FROM market_reports
WHERE kind = 'volume' AND {_REPORTED} AND product_id = {_PRODUCT}
GROUP BY time
ORDER BY time""",
    unit="packs",
    time_series=True,
    columns=(
        Column("own", "[[自有|Own]]", "packs", colour=BLUE),
        Column("market", "[[市场|Market]]", "packs", colour=PALE),
    ),
)

TENDERS = Signal(
    "tenders",
    "[[集采与招标公告|Tender notices]]",
    "[[本季度的公告，最新在前。|Notices of the quarter, newest first.]]",
    f"""SELECT report.day AS day, report.product_name[[|_en]] AS product, node.name AS territory, report.text AS text
FROM market_reports AS report
LEFT JOIN (SELECT node_id, [[name|ifNull(name_en, name)]] AS name FROM organisation_nodes_today) AS node
    ON node.node_id = report.territory_id
WHERE report.kind = 'tender' AND report.quarter_start = {QUARTER}
ORDER BY day DESC, product, territory
LIMIT 40""",
    columns=(
        Column("day", "[[日期|Day]]", "day", width=104),
        Column("product", "[[产品|Product]]", width=130),
        Column("territory", "[[大区|Region]]", width=110),
        Column("text", "[[内容|Notice]]"),
    ),
    empty="[[本季度没有公告|No notice in this quarter]]",
)

LINE_LIGHTS = Signal(
    "line_lights",
    "[[产品 × 大区的灯|Lights of products by region]]",
    "[[数字是整季目标的达成率，颜色是灯。|"
    "The number is the attainment of the whole quarter, the colour is the light.]]",
    f"""SELECT name,
    toJSONString(CAST(arrayMap(one -> (one.2, one.3), arraySort(groupArray((owner_id, owner, cell)))),
        'Map(String, String)')) AS owners
FROM
(
    SELECT
        product_key, product_name[[|_en]] AS name, if(owner_level = 'company', '', owner_id) AS owner_id,
        if(owner_level = 'company', '[[全国|Company]]', owner_name[[|_en]]) AS owner,
        {share_text("attainment", "state")} AS cell
    FROM lights_now
    WHERE {KPI} AND product_level = 'product' AND owner_level IN ('company', 'region')
)
GROUP BY product_key, name
ORDER BY product_key""",
    unit="text",
    states=True,
    expand="owners",
    columns=(Column("name", "[[产品|Product]]", width=150),),
)

LINE_PROGRESS = Signal(
    "line_progress",
    "[[产品线进度|Progress of product lines]]",
    "[[全国各产品线对目标的进度。|Progress of the product lines of the whole company.]]",
    f"""SELECT
    state, product_name[[|_en]] AS line, attainment, pace, value{MONEY} AS sold, target{MONEY} AS goal,
    (ifNull(value, 0) - expected){MONEY} AS gap
FROM lights_now
WHERE {KPI} AND product_level = 'line' AND owner_level = 'company'
ORDER BY pace""",
    columns=(
        STATE,
        Column("line", "[[产品线|Product line]]"),
        Column("sold", "[[销售额|Sales]]", "money", width=104),
        Column("goal", "[[目标|Target]]", "money", width=104),
        Column("attainment", "[[达成率|Attainment]]", "percent", width=92),
        Column("pace", "[[节奏|Pace]]", "percent", width=80, cell="coloured", thresholds=PACE),
        Column("gap", "[[差额|Gap]]", "money", width=104),
    ),
)

_NEW = "SELECT product_id FROM products_today WHERE is_new_drug"
_FIRST = f"""
SELECT product_id, institution_id, min(day) AS first_day FROM sales FINAL
WHERE kind = 'sale' AND quantity > 0 AND product_id IN ({_NEW})
    AND institution_id IN (SELECT institution_id FROM institutions_today WHERE is_target)
GROUP BY product_id, institution_id
"""

NEW_DRUGS = Signal(
    "new_drug_progress",
    "[[新药进院进度|New drugs: target hospitals reached]]",
    "[[有过首单的目标医院 ÷ 全部目标医院，至所选季度末。|"
    "Target hospitals with a first order ÷ all target hospitals, up to the end of the quarter chosen.]]",
    f"""SELECT
    any(name) AS name,
    countIf(first_day < addMonths(toDate32({QUARTER}), 3))
        / nullIf((SELECT count() FROM institutions_today WHERE is_target), 0) AS reached
FROM ({_FIRST}) AS first
INNER JOIN (SELECT product_id, [[name|ifNull(name_en, name)]] AS name FROM products_today) AS product
    ON product.product_id = first.product_id
GROUP BY first.product_id
ORDER BY name""",
    unit="percent",
    thresholds=((None, RED), (0.5, AMBER), (0.8, GREEN)),
    columns=(Column("reached", "[[已进院|Reached]]", "percent", largest=1.0),),
    empty="[[没有新药|No new drug]]",
)

NEW_DRUG_TREND = Signal(
    "new_drug_trend",
    "[[新药首单医院（累计）|Hospitals with a first order, added up]]",
    "[[目标医院中每天新增首单，自季初累计。|"
    "Target hospitals whose first order fell on the day, added up since the quarter began.]]",
    f"""SELECT toDateTime(first_day, '{{{{time_zone}}}}') AS time, sum(count()) OVER (ORDER BY first_day) AS hospitals
FROM ({_FIRST})
WHERE toStartOfQuarter(first_day) = toDate32({QUARTER})
GROUP BY first_day
ORDER BY time""",
    unit="count",
    time_series=True,
    columns=(Column("hospitals", "[[医院|Hospitals]]", "count", colour=TEAL),),
)
