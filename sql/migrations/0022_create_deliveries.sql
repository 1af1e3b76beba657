-- What is to go, or went, to whom: one row a delivery.
CREATE TABLE IF NOT EXISTS deliveries
(
    delivery_id String COMMENT 'Identity: hash of alert, recipient, channel, kind and level.',
    alert_id String COMMENT 'Alert it is about, and case.',
    recipient LowCardinality(String) COMMENT 'Recipient, as named in policies/delivery.yaml; empty when no route leads to anybody.',
    channel LowCardinality(String) COMMENT 'Channel, as named in policies/delivery.yaml; outbox: the file in the data folder.',
    kind LowCardinality(String) COMMENT 'first: told at once; digest: told at a given time; escalation: told because nobody acted.',
    level UInt8 COMMENT 'Level of an escalation, from 1; 0 otherwise.',
    status LowCardinality(String) COMMENT 'sent; failed: given up; waiting: for its time or its next attempt; bundled: waits to go out in one message with others; called_off: somebody acted before; unrouted: nobody is told.',
    attempts UInt16 COMMENT 'Attempts made.',
    last_error String COMMENT 'Why the last attempt failed; empty when none did.',
    due_at DateTime64(3, 'UTC') COMMENT 'When it is, or was, to go out.',
    planned_at DateTime64(3, 'UTC') COMMENT 'When it was decided on.',
    sent_at Nullable(DateTime64(3, 'UTC')) COMMENT 'When the channel took it; NULL while it has not.',
    message_id String COMMENT 'Message it went out in: its own identity, or that of the message several shared; empty before the first attempt.',
    colour LowCardinality(String) COMMENT 'Colour of the alert: red, amber or yellow.',
    joins Bool COMMENT 'Whether it goes out in one message with others that wait.',
    version UInt64 COMMENT 'Higher is newer; the highest version of a delivery counts.'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY delivery_id
COMMENT 'Deliveries of alerts, all versions. To ask questions, read delivery_log.';
