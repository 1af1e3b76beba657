CREATE OR REPLACE VIEW institutions_history
(
    effective_from Date32 COMMENT 'First day the row is in force.',
    institution_id String COMMENT 'Hospital, clinic or pharmacy.',
    name String COMMENT 'Name, in the company''s language.',
    name_en Nullable(String) COMMENT 'Name, in English.',
    channel Nullable(String) COMMENT 'Hospital, pharmacy, …',
    sub_channel Nullable(String) COMMENT 'Finer channel, for example private or government.',
    country Nullable(String) COMMENT 'Country.',
    province Nullable(String) COMMENT 'Province.',
    city Nullable(String) COMMENT 'City.',
    latitude Nullable(Float64) COMMENT 'Degrees north, WGS 84.',
    longitude Nullable(Float64) COMMENT 'Degrees east, WGS 84.',
    fence_radius_m Float64 COMMENT 'Distance within which a check-in counts as on site, metres.',
    appointment_required Bool COMMENT 'Whether representatives need an appointment.',
    registration_required Bool COMMENT 'Whether representatives must be registered here.',
    is_target Bool COMMENT 'Target hospital of the new-drug plan.',
    reception_windows Array(Tuple(weekdays Array(UInt64), opens String, closes String)) COMMENT 'When the institution receives representatives.',
    forbidden_zones Array(String) COMMENT 'Areas of the institution closed to representatives.',
    effective_to Nullable(Date32) COMMENT 'Last day the row is in force; NULL while none follows.',
    published_version UInt64 COMMENT 'Publication that brought this text; higher is newer.',
    published_at DateTime64(3, 'UTC') COMMENT 'When it was published.',
    author String COMMENT 'Who published it.'
)
COMMENT 'Hospitals, clinics and pharmacies, with the days each row is in force; corrected texts are left out.'
AS
SELECT
    effective_from,
    institution_id,
    name,
    name_en,
    channel,
    sub_channel,
    country,
    province,
    city,
    latitude,
    longitude,
    fence_radius_m,
    appointment_required,
    registration_required,
    is_target,
    reception_windows,
    forbidden_zones,
    leadInFrame(toNullable(effective_from - 1)) OVER (
        PARTITION BY institution_id ORDER BY effective_from
        ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
    ) AS effective_to,
    published_version,
    published_at,
    author
FROM
(
    SELECT * FROM institutions
    ORDER BY published_version DESC, published_at DESC
    LIMIT 1 BY institution_id, effective_from
);

CREATE OR REPLACE VIEW institutions_today
(
    effective_from Date32 COMMENT 'First day the row is in force.',
    institution_id String COMMENT 'Hospital, clinic or pharmacy.',
    name String COMMENT 'Name, in the company''s language.',
    name_en Nullable(String) COMMENT 'Name, in English.',
    channel Nullable(String) COMMENT 'Hospital, pharmacy, …',
    sub_channel Nullable(String) COMMENT 'Finer channel, for example private or government.',
    country Nullable(String) COMMENT 'Country.',
    province Nullable(String) COMMENT 'Province.',
    city Nullable(String) COMMENT 'City.',
    latitude Nullable(Float64) COMMENT 'Degrees north, WGS 84.',
    longitude Nullable(Float64) COMMENT 'Degrees east, WGS 84.',
    fence_radius_m Float64 COMMENT 'Distance within which a check-in counts as on site, metres.',
    appointment_required Bool COMMENT 'Whether representatives need an appointment.',
    registration_required Bool COMMENT 'Whether representatives must be registered here.',
    is_target Bool COMMENT 'Target hospital of the new-drug plan.',
    reception_windows Array(Tuple(weekdays Array(UInt64), opens String, closes String)) COMMENT 'When the institution receives representatives.',
    forbidden_zones Array(String) COMMENT 'Areas of the institution closed to representatives.'
)
COMMENT 'Hospitals, clinics and pharmacies, as in force on the company''s today.'
AS
SELECT
    effective_from,
    institution_id,
    name,
    name_en,
    channel,
    sub_channel,
    country,
    province,
    city,
    latitude,
    longitude,
    fence_radius_m,
    appointment_required,
    registration_required,
    is_target,
    reception_windows,
    forbidden_zones
FROM institutions_history
WHERE effective_from <= toDate(now('{{time_zone}}'))
    AND (effective_to IS NULL OR effective_to >= toDate(now('{{time_zone}}')));
