CREATE OR REPLACE VIEW value_given_by_institution
(
    institution_id String COMMENT 'Institution that the event, an attendee or the payee names.',
    value_given Decimal(38, 6) COMMENT 'Fees, meals, gifts, donations and sponsorships of the last 1095 days, in CNY; what rule R17 adds up.',
    activities UInt64 COMMENT 'How many events that were.',
    representatives UInt64 COMMENT 'How many representatives gave it.',
    professionals UInt64 COMMENT 'How many professionals were paid.',
    first_on Date32 COMMENT 'Company day of the first of them.',
    last_on Date32 COMMENT 'Company day of the last of them.'
)
COMMENT 'Value given to the staff of each institution in the last three years, whoever gave it; held against the credit grades of the health security administration.'
AS SELECT
    institution_id,
    sum(amount) AS value_given,
    count() AS activities,
    uniqExact(rep_id) AS representatives,
    uniqExactIf(payee_id, payee_kind = 'hcp') AS professionals,
    min(day) AS first_on,
    max(day) AS last_on
FROM
(
    SELECT
        rep_id, amount, payee_kind, payee_id, day,
        arrayJoin(arrayDistinct(arrayFilter(one -> one != '', arrayConcat(
            [ifNull(institution_id, ''), if(payee_kind = 'institution', ifNull(payee_id, ''), '')],
            arrayMap(one -> ifNull(one.institution_id, ''), attendees)
        )))) AS institution_id
    FROM activities FINAL
    WHERE kind IN ('speaker_fee', 'meal', 'gift', 'donation', 'sponsorship') AND currency = 'CNY'
        AND occurred_at >= now64(6, 'UTC') - INTERVAL 1095 DAY
)
GROUP BY institution_id;
