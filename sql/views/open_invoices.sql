CREATE OR REPLACE VIEW open_invoices
(
    invoice_id String COMMENT 'Invoice.',
    currency LowCardinality(String) COMMENT 'ISO 4217 code of the money.',
    rep_id String COMMENT 'Representative of the newest sales line.',
    rep_name String COMMENT 'Name of the representative, in the company''s language; empty when unknown.',
    rep_name_en String COMMENT 'Name of the representative, in English where given, else as rep_name.',
    team_id String COMMENT 'Team on the day the invoice is due, or today before it; empty when there is none.',
    team_name String COMMENT 'Name of the team, in the company''s language; empty when unknown.',
    team_name_en String COMMENT 'Name of the team, in English where given, else as team_name.',
    region_id String COMMENT 'Region on the day the invoice is due, or today before it; empty when there is none.',
    region_name String COMMENT 'Name of the region, in the company''s language; empty when unknown.',
    region_name_en String COMMENT 'Name of the region, in English where given, else as region_name.',
    company_id String COMMENT 'Company on the day the invoice is due, or today before it; empty when there is none.',
    company_name String COMMENT 'Name of the company, in the company''s language; empty when unknown.',
    company_name_en String COMMENT 'Name of the company, in English where given, else as company_name.',
    institution_id String COMMENT 'Hospital, clinic or pharmacy of the newest sales line.',
    due_on Date32 COMMENT 'Earliest day a line of the invoice is due.',
    billed Decimal(38, 6) COMMENT 'Money of all sales lines of the invoice, returns netted.',
    paid Decimal(38, 6) COMMENT 'Money received on the invoice.',
    open Decimal(38, 6) COMMENT 'billed less paid; above zero.',
    days_overdue UInt32 COMMENT 'Days since the due day, today in company time; 0 up to the due day.'
)
COMMENT 'Invoices with a due day that are not paid in full.'
AS
SELECT
    bill.invoice AS invoice_id,
    bill.currency AS currency,
    bill.rep_id AS rep_id,
    rep.name AS rep_name,
    ifNull(rep.name_en, rep.name) AS rep_name_en,
    path.team_id AS team_id,
    path.team_name AS team_name,
    path.team_name_en AS team_name_en,
    path.region_id AS region_id,
    path.region_name AS region_name,
    path.region_name_en AS region_name_en,
    path.company_id AS company_id,
    path.company_name AS company_name,
    path.company_name_en AS company_name_en,
    bill.institution_id AS institution_id,
    assumeNotNull(bill.due) AS due_on,
    bill.billed AS billed,
    payment.paid AS paid,
    bill.billed - payment.paid AS open,
    toUInt32(greatest(dateDiff('day', assumeNotNull(bill.due), toDate32(now('{{time_zone}}'))), 0)) AS days_overdue
FROM
(
    SELECT
        assumeNotNull(invoice_id) AS invoice,
        currency,
        argMax(rep_id, (occurred_at, event_id)) AS rep_id,
        argMax(institution_id, (occurred_at, event_id)) AS institution_id,
        min(due_on) AS due,
        sum(amount) AS billed,
        least(assumeNotNull(due), toDate32(now('{{time_zone}}'))) AS placed_on
    FROM sales FINAL
    WHERE invoice_id IS NOT NULL
    GROUP BY invoice, currency
    HAVING due IS NOT NULL
) AS bill
LEFT JOIN (SELECT invoice_id, currency, sum(amount) AS paid FROM payments FINAL GROUP BY invoice_id, currency) AS payment
    ON payment.invoice_id = bill.invoice AND payment.currency = bill.currency
ASOF LEFT JOIN reps_history AS rep
    ON rep.rep_id = bill.rep_id AND bill.placed_on >= rep.effective_from
ASOF LEFT JOIN organisation_paths AS path
    ON path.node_id = rep.team_id AND bill.placed_on >= path.effective_from
WHERE bill.billed > payment.paid
SETTINGS join_use_nulls = 0;
