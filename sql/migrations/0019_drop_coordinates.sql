-- Raw coordinates are used once, in memory, as a visit arrives (R26); nothing keeps them.
ALTER TABLE visits
    DROP COLUMN IF EXISTS check_in_latitude,
    DROP COLUMN IF EXISTS check_in_longitude,
    DROP COLUMN IF EXISTS check_in_accuracy_m,
    DROP COLUMN IF EXISTS check_out_latitude,
    DROP COLUMN IF EXISTS check_out_longitude,
    DROP COLUMN IF EXISTS check_out_accuracy_m;
