CREATE OR REPLACE VIEW rule_totals
(
    rule_set String COMMENT 'live, or the name of a version on trial.',
    rule_id String COMMENT 'Rule.',
    hits UInt64 COMMENT 'Events it hit, repeated and snoozed ones included.',
    not_applicable UInt64 COMMENT 'Events it could not be applied to: a field or reference row was missing, a division by zero, too much to look at.'
)
COMMENT 'How often each rule hit and could not be applied. A shard that lost its state counts from nothing again.'
AS SELECT rule_set, rule_id, sum(hits) AS hits, sum(not_applicable) AS not_applicable
FROM (SELECT rule_set, rule_id, hits, not_applicable FROM rule_counts FINAL)
GROUP BY rule_set, rule_id;
