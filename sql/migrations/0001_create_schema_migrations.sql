-- What has been applied to this database.
CREATE TABLE IF NOT EXISTS schema_migrations
(
    name String COMMENT 'File that was applied, without its ending.',
    kind LowCardinality(String) COMMENT 'migration (frozen once applied) or view (replaced when its text changes).',
    checksum String COMMENT 'SHA-256 of the text that was applied.',
    applied_at DateTime64(3, 'UTC') COMMENT 'When it was applied.'
)
ENGINE = MergeTree
ORDER BY (kind, name, applied_at)
COMMENT 'Migrations and views applied to this database.';
