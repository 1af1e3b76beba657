CREATE OR REPLACE VIEW touch_log
(
    subject_kind String COMMENT 'Whom the event concerns: hcp or institution.',
    subject_id String COMMENT 'Its id.',
    event_kind String COMMENT 'Kind of the event.',
    rep_id String COMMENT 'Representative of the event.',
    event_id String COMMENT 'The event; with event_kind and rep_id its identity.',
    occurred_at DateTime64(6, 'UTC') COMMENT 'When the event happened.',
    occurred_on Date32 COMMENT 'Company day of the event.',
    activity_kind String COMMENT 'Of an activity: meeting, speaker_fee, meal, gift, donation, …; else empty.',
    amount Nullable(Decimal(38, 6)) COMMENT 'Money of the event in currency; NULL where it has none.',
    currency String COMMENT 'Currency of amount; empty where there is none.'
)
COMMENT 'Visits and value by the professional or institution they concern, each once, as far as rules of compliance look back on them.'
AS SELECT
    subject_kind, subject_id, event_kind, rep_id, event_id, occurred_at,
    toDate32(toTimeZone(occurred_at, '{{time_zone}}')) AS occurred_on, activity_kind, amount, currency
FROM touches FINAL;
