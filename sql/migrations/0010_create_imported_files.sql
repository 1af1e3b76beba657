-- Files whose rows take their ids from the file: a changed copy of one would count its rows once more.
CREATE TABLE IF NOT EXISTS imported_files
(
    kind LowCardinality(String) COMMENT 'Kind of events the rows became.',
    content String COMMENT 'SHA-256 of the content, unpacked; hex digits.',
    file String COMMENT 'The file, as the import named it.',
    rows_sketch Array(UInt64) COMMENT 'The smallest hashes of its different rows, ascending: tells copies from other files.',
    imported_at DateTime64(3, 'UTC') COMMENT 'When its rows were last sent.'
)
ENGINE = ReplacingMergeTree(imported_at)
ORDER BY (kind, content)
COMMENT 'Imported files whose rows have ids made from the file; pulse import refuses changed copies of them.';
