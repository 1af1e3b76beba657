CREATE OR REPLACE VIEW delivery_log
(
    delivery_id String COMMENT 'Identity: hash of alert, recipient, channel, kind and level.',
    alert_id String COMMENT 'Alert it is about, and case.',
    rule_id String COMMENT 'Rule of the alert; empty while the alert is not stored yet.',
    recipient String COMMENT 'Recipient, as named in policies/delivery.yaml; empty when no route leads to anybody.',
    channel String COMMENT 'Channel, as named in policies/delivery.yaml; outbox: the file in the data folder.',
    kind String COMMENT 'first: told at once; digest: told at a given time; escalation: told because nobody acted.',
    level UInt8 COMMENT 'Level of an escalation, from 1; 0 otherwise.',
    status String COMMENT 'sent; failed: given up; waiting: for its time or its next attempt; bundled: waits to go out in one message with others; called_off: somebody acted before; unrouted: nobody is told.',
    attempts UInt16 COMMENT 'Attempts made.',
    last_error String COMMENT 'Why the last attempt failed; empty when none did.',
    due_at DateTime64(3, 'UTC') COMMENT 'When it is, or was, to go out.',
    planned_at DateTime64(3, 'UTC') COMMENT 'When it was decided on.',
    sent_at Nullable(DateTime64(3, 'UTC')) COMMENT 'When the channel took it; NULL while it has not.',
    message_id String COMMENT 'Message it went out in: its own identity, or that of the message several shared; empty before the first attempt.',
    colour String COMMENT 'Colour of the alert: red, amber or yellow.'
)
COMMENT 'Who was, or will be, told of which alert, and what came of it.'
AS SELECT
    told.delivery_id AS delivery_id, told.alert_id AS alert_id, raised.rule_id AS rule_id, told.recipient AS recipient,
    told.channel AS channel, told.kind AS kind, told.level AS level, told.status AS status, told.attempts AS attempts,
    told.last_error AS last_error, told.due_at AS due_at, told.planned_at AS planned_at, told.sent_at AS sent_at,
    told.message_id AS message_id, told.colour AS colour
FROM (SELECT * FROM deliveries FINAL) AS told
LEFT JOIN (SELECT toString(alert_id) AS id, rule_id FROM alerts FINAL) AS raised ON raised.id = told.alert_id;
