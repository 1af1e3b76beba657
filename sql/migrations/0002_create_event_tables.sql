-- One raw table per event kind. The key is the event; a copy sent again replaces the one before.

CREATE TABLE IF NOT EXISTS visits
(
    event_id String COMMENT 'Stable identity in the source system; the same event sent twice carries the same id.',
    occurred_at DateTime64(6, 'UTC') COMMENT 'When it happened, with offset.',
    recorded_at Nullable(DateTime64(6, 'UTC')) COMMENT 'When the source system wrote it down; not part of the content that tells duplicates from conflicts.',
    source LowCardinality(String) COMMENT 'Name of the system that sent it.',
    rep_id String COMMENT 'Representative it belongs to; the message key.',
    institution_id String COMMENT 'Hospital, clinic or pharmacy.',
    hcp_id Nullable(String) COMMENT 'Professional visited; empty for a visit to the institution.',
    check_in_at DateTime64(6, 'UTC') COMMENT 'When the visit began.',
    check_out_at Nullable(DateTime64(6, 'UTC')) COMMENT 'When the visit ended.',
    channel LowCardinality(String) COMMENT 'How the contact took place.',
    appointment_id Nullable(String) COMMENT 'Appointment the visit was made under.',
    zone Nullable(String) COMMENT 'Area of the institution where the check-in happened, for example 住院部.',
    feedback_score Nullable(Float64) COMMENT '0 (rejecting) to 10 (convinced).',
    feedback_text Nullable(String) COMMENT 'What the professional said, in the representative''s words.',
    check_in_latitude Nullable(Float64) COMMENT 'Position at check-in: degrees north, WGS 84.',
    check_in_longitude Nullable(Float64) COMMENT 'Position at check-in: degrees east, WGS 84.',
    check_in_accuracy_m Nullable(Float64) COMMENT 'Position at check-in: radius of the 68 % confidence circle, metres.',
    check_out_latitude Nullable(Float64) COMMENT 'Position at check-out: degrees north, WGS 84.',
    check_out_longitude Nullable(Float64) COMMENT 'Position at check-out: degrees east, WGS 84.',
    check_out_accuracy_m Nullable(Float64) COMMENT 'Position at check-out: radius of the 68 % confidence circle, metres.',
    details Array(Tuple(product_id String, indication Nullable(String))) COMMENT 'Products presented, in order of presentation.',
    materials Array(Tuple(material_id String, version Nullable(String))) COMMENT 'Materials shown.',
    samples Array(Tuple(product_id String, quantity UInt64)) COMMENT 'Samples left.',
    companions Array(String) COMMENT 'Colleagues present (joint visit), by rep or manager id.',
    day Date32 COMMENT 'Company day of occurred_at.',
    content_hash UInt64 COMMENT 'Hash of the content; the same for the same event sent again.',
    stream_partition UInt16 COMMENT 'Kafka partition the event was read from.',
    stream_offset UInt64 COMMENT 'Kafka offset the event was read at.'
)
ENGINE = ReplacingMergeTree
PARTITION BY toYear(occurred_at)
ORDER BY (rep_id, event_id)
COMMENT 'Calls on health-care professionals, as they arrived; copies of an event merge in time. To ask questions, read visit_log.';

CREATE TABLE IF NOT EXISTS sales
(
    event_id String COMMENT 'Stable identity in the source system; the same event sent twice carries the same id.',
    occurred_at DateTime64(6, 'UTC') COMMENT 'When it happened, with offset.',
    recorded_at Nullable(DateTime64(6, 'UTC')) COMMENT 'When the source system wrote it down; not part of the content that tells duplicates from conflicts.',
    source LowCardinality(String) COMMENT 'Name of the system that sent it.',
    rep_id String COMMENT 'Representative it belongs to; the message key.',
    institution_id String COMMENT 'Hospital, clinic or pharmacy.',
    product_id String COMMENT 'Product.',
    quantity Decimal(38, 6) COMMENT 'Units; negative for a return.',
    amount Decimal(38, 6) COMMENT 'Money in `currency`; negative for a return.',
    currency LowCardinality(String) COMMENT 'ISO 4217 code of the money.',
    kind LowCardinality(String) COMMENT 'sale, return or adjustment.',
    invoice_id Nullable(String) COMMENT 'Invoice the line belongs to.',
    due_on Nullable(Date32) COMMENT 'Day the invoice line is due for payment.',
    day Date32 COMMENT 'Company day of occurred_at.',
    content_hash UInt64 COMMENT 'Hash of the content; the same for the same event sent again.',
    stream_partition UInt16 COMMENT 'Kafka partition the event was read from.',
    stream_offset UInt64 COMMENT 'Kafka offset the event was read at.'
)
ENGINE = ReplacingMergeTree
PARTITION BY toYear(occurred_at)
ORDER BY (rep_id, event_id)
COMMENT 'Sales lines, as they arrived; copies of an event merge in time. To ask questions, read sales_lines.';

CREATE TABLE IF NOT EXISTS payments
(
    event_id String COMMENT 'Stable identity in the source system; the same event sent twice carries the same id.',
    occurred_at DateTime64(6, 'UTC') COMMENT 'When it happened, with offset.',
    recorded_at Nullable(DateTime64(6, 'UTC')) COMMENT 'When the source system wrote it down; not part of the content that tells duplicates from conflicts.',
    source LowCardinality(String) COMMENT 'Name of the system that sent it.',
    rep_id String COMMENT 'Representative it belongs to; the message key.',
    institution_id String COMMENT 'Hospital, clinic or pharmacy.',
    product_id Nullable(String) COMMENT 'Product.',
    invoice_id String COMMENT 'Invoice the line belongs to.',
    amount Decimal(38, 6) COMMENT 'Money in `currency`; negative when paid back.',
    currency LowCardinality(String) COMMENT 'ISO 4217 code of the money.',
    due_on Date32 COMMENT 'Day the paid invoice was due; decides the period of the collection rate.',
    day Date32 COMMENT 'Company day of occurred_at.',
    content_hash UInt64 COMMENT 'Hash of the content; the same for the same event sent again.',
    stream_partition UInt16 COMMENT 'Kafka partition the event was read from.',
    stream_offset UInt64 COMMENT 'Kafka offset the event was read at.'
)
ENGINE = ReplacingMergeTree
PARTITION BY toYear(occurred_at)
ORDER BY (rep_id, event_id)
COMMENT 'Money received on invoices, as it arrived; copies of an event merge in time. To ask questions, read payment_lines.';

CREATE TABLE IF NOT EXISTS activities
(
    event_id String COMMENT 'Stable identity in the source system; the same event sent twice carries the same id.',
    occurred_at DateTime64(6, 'UTC') COMMENT 'When it happened, with offset.',
    recorded_at Nullable(DateTime64(6, 'UTC')) COMMENT 'When the source system wrote it down; not part of the content that tells duplicates from conflicts.',
    source LowCardinality(String) COMMENT 'Name of the system that sent it.',
    rep_id String COMMENT 'Representative it belongs to; the message key.',
    kind LowCardinality(String) COMMENT 'meeting, speaker_fee, meal, gift, donation, sponsorship, training or other.',
    amount Decimal(38, 6) COMMENT 'Money in `currency`.',
    currency LowCardinality(String) COMMENT 'ISO 4217 code of the money.',
    institution_id Nullable(String) COMMENT 'Hospital, clinic or pharmacy.',
    payee_kind LowCardinality(String) COMMENT 'What the payee is.',
    payee_id Nullable(String) COMMENT 'Who received the money or benefit.',
    headcount Nullable(UInt64) COMMENT 'People present, where the attendees are not listed one by one.',
    topic_text Nullable(String) COMMENT 'Title of the talk or purpose of the spending.',
    venue Nullable(String) COMMENT 'Where it took place.',
    approval_id Nullable(String) COMMENT 'Approval of the spending in the source system.',
    started_at Nullable(DateTime64(6, 'UTC')) COMMENT 'When it began.',
    ended_at Nullable(DateTime64(6, 'UTC')) COMMENT 'When it ended.',
    attendees Array(Tuple(hcp_id Nullable(String), institution_id Nullable(String), name Nullable(String))) COMMENT 'People present, one by one.',
    product_ids Array(String) COMMENT 'Products it was about.',
    day Date32 COMMENT 'Company day of occurred_at.',
    content_hash UInt64 COMMENT 'Hash of the content; the same for the same event sent again.',
    stream_partition UInt16 COMMENT 'Kafka partition the event was read from.',
    stream_offset UInt64 COMMENT 'Kafka offset the event was read at.'
)
ENGINE = ReplacingMergeTree
PARTITION BY toYear(occurred_at)
ORDER BY (rep_id, event_id)
COMMENT 'Meetings, fees, meals, gifts and donations, as they arrived; copies of an event merge in time. To ask questions, read activity_log.';

CREATE TABLE IF NOT EXISTS surveys
(
    event_id String COMMENT 'Stable identity in the source system; the same event sent twice carries the same id.',
    occurred_at DateTime64(6, 'UTC') COMMENT 'When it happened, with offset.',
    recorded_at Nullable(DateTime64(6, 'UTC')) COMMENT 'When the source system wrote it down; not part of the content that tells duplicates from conflicts.',
    source LowCardinality(String) COMMENT 'Name of the system that sent it.',
    rep_id String COMMENT 'Representative it belongs to; the message key.',
    kind LowCardinality(String) COMMENT 'satisfaction or training_quiz.',
    score Float64 COMMENT '0 to 100.',
    institution_id Nullable(String) COMMENT 'Hospital, clinic or pharmacy.',
    hcp_id Nullable(String) COMMENT 'Health-care professional.',
    product_id Nullable(String) COMMENT 'Product.',
    subject Nullable(String) COMMENT 'Course or questionnaire.',
    comment Nullable(String) COMMENT 'Free text of the answer.',
    day Date32 COMMENT 'Company day of occurred_at.',
    content_hash UInt64 COMMENT 'Hash of the content; the same for the same event sent again.',
    stream_partition UInt16 COMMENT 'Kafka partition the event was read from.',
    stream_offset UInt64 COMMENT 'Kafka offset the event was read at.'
)
ENGINE = ReplacingMergeTree
PARTITION BY toYear(occurred_at)
ORDER BY (rep_id, event_id)
COMMENT 'Answered questionnaires, as they arrived; copies of an event merge in time. To ask questions, read survey_answers.';

CREATE TABLE IF NOT EXISTS market
(
    event_id String COMMENT 'Stable identity in the source system; the same event sent twice carries the same id.',
    occurred_at DateTime64(6, 'UTC') COMMENT 'When it happened, with offset.',
    recorded_at Nullable(DateTime64(6, 'UTC')) COMMENT 'When the source system wrote it down; not part of the content that tells duplicates from conflicts.',
    source LowCardinality(String) COMMENT 'Name of the system that sent it.',
    territory_id String COMMENT 'Region or other node the report is about; the message key.',
    kind LowCardinality(String) COMMENT 'volume, competitor_price or tender.',
    product_id String COMMENT 'Own product whose market is meant.',
    period_from Nullable(Date32) COMMENT 'First day reported.',
    period_to Nullable(Date32) COMMENT 'Last day reported.',
    own_volume Nullable(Decimal(38, 6)) COMMENT 'Units of the own product.',
    market_volume Nullable(Decimal(38, 6)) COMMENT 'Units sold by all suppliers together.',
    competitor Nullable(String) COMMENT 'Competing product or company.',
    price Nullable(Decimal(38, 6)) COMMENT 'Price of the competing product.',
    tender_id Nullable(String) COMMENT 'Tender (集采) notice.',
    text Nullable(String) COMMENT 'Text of the notice.',
    day Date32 COMMENT 'Company day of occurred_at.',
    content_hash UInt64 COMMENT 'Hash of the content; the same for the same event sent again.',
    stream_partition UInt16 COMMENT 'Kafka partition the event was read from.',
    stream_offset UInt64 COMMENT 'Kafka offset the event was read at.'
)
ENGINE = ReplacingMergeTree
PARTITION BY toYear(occurred_at)
ORDER BY (territory_id, event_id)
COMMENT 'Market reports of territories, as they arrived; copies of an event merge in time. To ask questions, read market_reports.';
