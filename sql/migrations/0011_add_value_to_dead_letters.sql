-- A message without a value is not one with an empty value: it is replayed as it was.
ALTER TABLE dead_letters
    ADD COLUMN IF NOT EXISTS has_value Bool DEFAULT true
        COMMENT 'Whether the message had a value at all, be it an empty one.' AFTER raw;
