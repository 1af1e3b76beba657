"""How rules do and where conduct breaks: precision, trials, fences, value given, scores."""

from grafana.looks import AMBER, BLUE, GREEN, RED, YELLOW
from grafana.signals.compliance import HERE, INSTITUTION_NAMES, REP_NAMES
from grafana.signals.signal import Column, Signal, Thresholds

#: Rules about check-ins away from the institution.
FENCE_RULES = "rule_id IN ('R19', 'R19-far')"
#: Credit grades of the health security administration, in yuan: beginning of each, and half of the first.
NEAR, FIRST, SECOND, THIRD = 5_000, 10_000, 500_000, 1_000_000

SUMMARY = Signal(
    "compliance_precision_now",
    "[[规则准确率|Precision of the rules]]",
    "[[属实 ÷（属实 + 误报），所有已有结论的案件。|Valid ÷ (valid + false alarms), all cases with such a verdict.]]",
    "SELECT sum(valid) / nullIf(sum(valid) + sum(false_alarms), 0) AS share FROM rule_precision",
    unit="percent",
    thresholds=((None, RED), (0.7, AMBER), (0.9, GREEN)),
    columns=(Column("share", "[[准确率|Precision]]", "percent"),),
    empty="[[还没有结论|No verdict yet]]",
)

PRECISION = Signal(
    "compliance_precision",
    "[[各规则的准确率（最低的在前）|Precision by rule, lowest first]]",
    "[[属实 ÷（属实 + 误报），全公司、所有时间；可容忍的不计。|"
    "Valid ÷ (valid + false alarms), whole company, all time; tolerated cases do not count.]]",
    """SELECT
    rule.rule_id AS rule_id, named.title AS title, rule.alerts AS alerts, rule.closed AS closed, rule.valid AS valid,
    rule.false_alarms AS false_alarms, rule.tolerated AS tolerated, rule.precision AS precision
FROM rule_precision AS rule
LEFT JOIN
(
    SELECT rule_id, argMax(title_[[zh|en]], raised_at) AS title FROM alert_log GROUP BY rule_id
) AS named ON named.rule_id = rule.rule_id
ORDER BY precision IS NULL, precision, rule_id""",
    columns=(
        Column("rule_id", "[[规则|Rule]]", width=104),
        Column("title", "[[名称|Title]]"),
        Column("alerts", "[[预警|Alerts]]", "count", width=70),
        Column("closed", "[[已结案|Closed]]", "count", width=74),
        Column("valid", "[[属实|Valid]]", "count", width=64),
        Column("false_alarms", "[[误报|False]]", "count", width=64),
        Column("tolerated", "[[可容忍|Tolerated]]", "count", width=80),
        Column(
            "precision",
            "[[准确率|Precision]]",
            "percent",
            cell="gauge",
            largest=1.0,
            thresholds=((None, RED), (0.7, AMBER), (0.9, GREEN)),
        ),
    ),
    empty="[[还没有预警|No alert yet]]",
)

TRIALS = Signal(
    "compliance_trials",
    "[[试运行版本与现行规则|Versions on trial against the rules in force]]",
    "[[自试运行首次判定以来，同一事件的命中比较；试运行不产生预警。|"
    "Hits on the same events since the trial was first heard of; a trial raises no alert.]]",
    """SELECT
    trial, rule_id, countIf(is_live) AS live, countIf(is_trial) AS on_trial, countIf(is_live AND is_trial) AS same,
    countIf(is_trial AND NOT is_live) AS gained, countIf(is_live AND NOT is_trial) AS lost
FROM
(
    SELECT
        version.rule_set AS trial, hit.rule_id AS rule_id,
        max(hit.rule_set = version.rule_set) AS is_trial, max(hit.rule_set = 'live') AS is_live
    FROM rule_hit_log AS hit
    CROSS JOIN
    (
        SELECT rule_set, min(judged_at) AS since, groupUniqArray(rule_id) AS rules FROM rule_hit_log
        WHERE rule_set != 'live' GROUP BY rule_set
    ) AS version
    WHERE hit.rule_set IN ('live', version.rule_set) AND hit.judged_at >= version.since
        AND has(version.rules, hit.rule_id)
    GROUP BY
        version.rule_set, hit.rule_id, hit.event_kind, hit.rep_id, hit.event_id, hit.subject_kind, hit.subject_id
)
GROUP BY trial, rule_id
ORDER BY gained + lost DESC, trial, rule_id
LIMIT 60""",
    columns=(
        Column("trial", "[[试运行版本|On trial]]", width=180),
        Column("rule_id", "[[规则|Rule]]"),
        Column("live", "[[现行命中|In force]]", "count", width=110),
        Column("on_trial", "[[试运行命中|On trial]]", "count", width=110),
        Column("same", "[[相同|Both]]", "count", width=90),
        Column("gained", "[[新增|Gained]]", "count", width=90),
        Column("lost", "[[减少|Lost]]", "count", width=90),
    ),
    empty="[[没有试运行的版本|No version on trial]]",
)

FENCE_MAP = Signal(
    "compliance_fence_map",
    "[[围栏违规地图|Fence breaches on the map]]",
    "[[时段内签到不在围栏内的机构，圆越大次数越多；位置是机构的，不是代表的。|"
    "Institutions with check-ins outside their fence in the range, the larger the more; positions are the "
    "institutions', never the representatives'.]]",
    f"""SELECT
    institution.latitude AS latitude, institution.longitude AS longitude, institution.city AS city,
    institution.name AS institution, breach.breaches AS breaches, breach.far AS far, breach.reps AS reps,
    breach.at AS at
FROM
(
    SELECT
        institution_id, count() AS breaches, countIf(colour = 'red') AS far, uniqExact(rep_id) AS reps,
        max(occurred_at) AS at
    FROM alert_log WHERE {FENCE_RULES} AND {HERE}
    GROUP BY institution_id
) AS breach
INNER JOIN
(
    SELECT institution_id, [[name|ifNull(name_en, name)]] AS name, ifNull(city, '') AS city, latitude, longitude
    FROM institutions_today
    WHERE latitude IS NOT NULL AND longitude IS NOT NULL
) AS institution ON institution.institution_id = breach.institution_id
ORDER BY breaches, institution.institution_id""",
    weight="breaches",
    columns=(
        Column("latitude", hidden=True),
        Column("longitude", hidden=True),
        Column("city", "[[城市|City]]"),
        Column("institution", "[[机构|Institution]]"),
        Column("breaches", "[[围栏外签到|Outside the fence]]", "count", colour=RED),
        Column("far", "[[其中严重偏离|Of these far away]]", "count"),
        Column("reps", "[[代表数|Reps]]", "count"),
        Column("at", "[[最近一次|Latest]]", "time"),
    ),
    empty="[[时段内没有围栏违规|No breach of a fence in the range]]",
)

_GRADE_STEPS: Thresholds = ((None, BLUE), (0.5, YELLOW), (0.8, AMBER), (1.0, RED))
GRADES = Signal(
    "compliance_grades",
    "[[三年内给予各医院的利益与失信等级|Value given per hospital in three years against the credit grades]]",
    "[[讲课费、餐费、礼品、捐赠与资助，近 1095 天，人民币。一般 1 万、严重 50 万、特别严重 100 万元；"
    "条形是占下一等级门槛的比例，特别严重占满。|"
    "Fees, meals, gifts, donations and sponsorships of the last 1095 days in CNY. Grades begin at 10,000, 500,000 "
    "and 1,000,000 yuan; the bar is the share of the next threshold, full at the gravest.]]",
    f"""SELECT
    multiIf(given.value_given >= {THIRD}, 'red [[特别严重|Gravest]]',
        given.value_given >= {SECOND}, 'red [[严重|Serious]]',
        given.value_given >= {FIRST}, 'amber [[一般|General]]', given.value_given >= {NEAR}, 'yellow [[接近|Near]]',
        'green [[正常|None]]') AS grade,
    if(institution.name = '', given.institution_id, institution.name) AS hospital, given.value_given AS value_given,
    least(toFloat64(given.value_given) / multiIf(given.value_given < {FIRST}, {FIRST},
        given.value_given < {SECOND}, {SECOND}, {THIRD}), 1) AS share,
    given.representatives AS reps, toString(given.last_on) AS last_on
FROM value_given_by_institution AS given
LEFT JOIN {INSTITUTION_NAMES} AS institution ON institution.institution_id = given.institution_id
ORDER BY given.value_given DESC, given.institution_id
LIMIT 40""",
    columns=(
        Column("grade", "[[等级|Grade]]", cell="light", width=92),
        Column("hospital", "[[医院|Hospital]]"),
        Column("value_given", "[[三年累计|Three years]]", "yuan", width=108),
        Column(
            "share", "[[占下一门槛|Of next threshold]]", "percent", cell="gauge", largest=1.0, thresholds=_GRADE_STEPS
        ),
        Column("reps", "[[代表|Reps]]", "count", width=58),
        Column("last_on", "[[最近|Latest]]", "day", width=92),
    ),
    empty="[[近三年没有给予利益|Nothing given in three years]]",
)

SCORES = Signal(
    "compliance_scores_lowest",
    "[[合规得分（最低的在前）|Compliance scores, lowest first]]",
    "[[100 分减去各违规：禁止 20、回避 5、关注 1，每 90 天减半；误报不计。低于 80 分不发奖金。点行看代表。|"
    "100 minus each breach: prohibited 20, avoid 5, monitor 1, halved every 90 days; false alarms left out. Below 80 "
    "no bonus. Click a row for the rep.]]",
    f"""SELECT
    score.rep_id AS owner_id, 'pulse-rep' AS board, 'rep' AS variable,
    if(rep.name = '', score.rep_id, rep.name) AS owner, toFloat64(score.score) AS points, score.red_open AS red_open
FROM compliance_scores AS score
LEFT JOIN {REP_NAMES} AS rep ON rep.rep_id = score.rep_id
WHERE score.rep_id IN (SELECT rep_id FROM reps_today WHERE role != 'manager')
ORDER BY points, score.rep_id
LIMIT 40""",
    columns=(
        Column("owner", "[[代表|Rep]]", link="owner", width=130),
        Column(
            "points",
            "[[得分|Score]]",
            "number",
            cell="gauge",
            largest=100.0,
            thresholds=((None, RED), (80, AMBER), (90, GREEN)),
        ),
        Column(
            "red_open",
            "[[未结禁止级|Red open]]",
            "count",
            width=90,
            cell="coloured",
            thresholds=((None, GREEN), (1, RED)),
        ),
        Column("owner_id", hidden=True),
        Column("board", hidden=True),
        Column("variable", hidden=True),
    ),
    empty="[[没有代表|No representative]]",
)

SCORE_OF_REP = Signal(
    "compliance_score_of_rep",
    "[[合规得分|Compliance score]]",
    "[[100 分减去各违规：禁止 20、回避 5、关注 1，每 90 天减半；误报不计。|"
    "100 minus each breach: prohibited 20, avoid 5, monitor 1, halved every 90 days; false alarms left out.]]",
    "SELECT toFloat64(score) AS points, red_open FROM compliance_scores WHERE rep_id = ${rep:sqlstring}",
    columns=(
        Column("points", "[[得分|Score]]", "points", thresholds=((None, RED), (80, AMBER), (90, GREEN))),
        Column("red_open", "[[未结禁止级|Red open]]", "count", thresholds=((None, GREEN), (1, RED))),
    ),
)
