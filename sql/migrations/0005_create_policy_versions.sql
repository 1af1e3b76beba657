-- Every text of every policy that was ever in force.
CREATE TABLE IF NOT EXISTS policy_versions
(
    policy LowCardinality(String) COMMENT 'Which policy, for example kpis.',
    version UInt64 COMMENT 'Number of the version within the policy; higher is newer.',
    hash String COMMENT 'SHA-256 of the text.',
    effective_from DateTime64(3, 'UTC') COMMENT 'Moment the version is in force from.',
    published_at DateTime64(3, 'UTC') COMMENT 'When it was published.',
    author String COMMENT 'Who published it.',
    text String COMMENT 'The policy as it was written.'
)
ENGINE = MergeTree
ORDER BY (policy, version)
COMMENT 'Versions of the policies, with their text.';
