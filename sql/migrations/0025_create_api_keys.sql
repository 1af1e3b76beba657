-- Keys of the systems that send events to the gateway.
CREATE TABLE IF NOT EXISTS api_keys
(
    key_id FixedString(16) COMMENT 'Part of the key that is no secret; names it in logs.',
    name String COMMENT 'What people call it.',
    key_hash FixedString(64) COMMENT 'SHA-256 of the whole key, in hex; the key itself is kept nowhere.',
    kinds Array(LowCardinality(String)) COMMENT 'Kinds of events its holder may send.',
    source String COMMENT 'The source that its events must carry; empty: any.',
    created_at DateTime64(3, 'UTC') COMMENT 'When it was made.',
    created_by String COMMENT 'Who made it.',
    revoked_at Nullable(DateTime64(3, 'UTC')) COMMENT 'When it was ended; NULL while it is in use.',
    version UInt64 COMMENT 'Higher is newer; the highest version of a key counts.'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY key_id
COMMENT 'Keys of systems that send events to the gateway, all versions.';
