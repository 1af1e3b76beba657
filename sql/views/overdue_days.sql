CREATE OR REPLACE VIEW overdue_days
(
    owner_level LowCardinality(String) COMMENT 'rep, team, region or company.',
    owner_id String COMMENT 'Representative or organisation node.',
    owner_name String COMMENT 'Name, in the company''s language; empty when unknown.',
    owner_name_en String COMMENT 'Name, in English where given.',
    currency LowCardinality(String) COMMENT 'ISO 4217 code of the money.',
    open_invoices UInt64 COMMENT 'Invoices not paid in full.',
    open_amount Decimal(38, 6) COMMENT 'Money open on them.',
    overdue_invoices UInt64 COMMENT 'Those whose due day has passed.',
    overdue_amount Decimal(38, 6) COMMENT 'Money open on those whose due day has passed.',
    overdue_days Nullable(Decimal(76, 6)) COMMENT 'Mean days overdue of the overdue money: sum of money × days ÷ money; NULL where nothing is overdue.'
)
COMMENT 'Open and overdue money today, and how long it is overdue on average, by representative, team, region and company.'
AS
WITH
    toInt256(weighted * toDecimal256(1000000, 0)) AS above,
    nullIf(toInt256(overdue_amount * toDecimal256(1000000, 0)), 0) AS below
SELECT
    owner_level,
    owner_id,
    owner_name,
    owner_name_en,
    currency,
    open_invoices,
    open_amount,
    overdue_invoices,
    overdue_amount,
    -- rounded half up
    toDecimal256(intDiv(2 * above * 1000000 + below, 2 * below), 0) * toDecimal256('0.000001', 6) AS overdue_days
FROM
(
    SELECT
        owner.1 AS owner_level,
        owner.2 AS owner_id,
        any(owner.3) AS owner_name,
        any(owner.4) AS owner_name_en,
        currency,
        count() AS open_invoices,
        sum(open) AS open_amount,
        countIf(days_overdue > 0) AS overdue_invoices,
        sumIf(open, days_overdue > 0) AS overdue_amount,
        sum(open * toDecimal128(days_overdue, 0)) AS weighted
    FROM
    (
        SELECT
            *,
            arrayJoin([
                ('rep', rep_id, rep_name, rep_name_en),
                ('team', team_id, team_name, team_name_en),
                ('region', region_id, region_name, region_name_en),
                ('company', company_id, company_name, company_name_en)
            ]) AS owner
        FROM open_invoices
    )
    WHERE owner.2 != ''
    GROUP BY owner_level, owner_id, currency
);
