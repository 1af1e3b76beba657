-- How the rules of compliance became what they are: every step of every person, in one line of numbers.
CREATE TABLE IF NOT EXISTS rule_changes
(
    version UInt64 COMMENT 'Number of the change; higher is later. What is in force follows from the changes in this order.',
    change_id String COMMENT 'Identity of the change; one that had to be written again under a higher number counts once.',
    kind LowCardinality(String) COMMENT 'submitted, approved, rejected, listed, tried, trial_stopped, snoozed or unsnoozed.',
    name String COMMENT 'What it is about: number of the submitted version, name of the list or trial, rule and subject of the snooze.',
    at DateTime64(3, 'UTC') COMMENT 'When it was made.',
    author String COMMENT 'Who made it.',
    remark String COMMENT 'Why.',
    hash String COMMENT 'SHA-256 of the text; empty where there is none.',
    rules Array(String) COMMENT 'Ids of the rules in the text.',
    detail String COMMENT 'What the change says besides, as JSON: values added and removed, last day of a snooze, hashes of the named lists.',
    text String COMMENT 'Files of a submitted or tried version with all they say, as JSON; empty for the rest.'
)
ENGINE = MergeTree
ORDER BY version
COMMENT 'Changes of the rules of compliance, of their named lists, trials and snoozes, with every text.';
