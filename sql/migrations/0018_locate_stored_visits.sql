-- What is kept of a position in place of its coordinates (R26). Visits that are stored already are located here, so that
-- no figure changes when their coordinates go.
ALTER TABLE visits
    ADD COLUMN IF NOT EXISTS in_fence Nullable(Bool)
        COMMENT 'Whether the check-in lies inside the fence of the institution, or may do so by its accuracy; NULL: unknown.' AFTER feedback_text,
    ADD COLUMN IF NOT EXISTS distance_band LowCardinality(Nullable(String))
        COMMENT 'How far the check-in surely lies from the institution, its accuracy taken off, for example 200-500 m.' AFTER in_fence,
    ADD COLUMN IF NOT EXISTS accuracy_m Nullable(Float64)
        COMMENT 'Radius of the 68 % confidence circle of the check-in, metres.' AFTER distance_band,
    ADD COLUMN IF NOT EXISTS journey_kmh Nullable(Float64)
        COMMENT 'Least speed from the representative''s check-in before, within a day, km/h; NULL where there is none.' AFTER accuracy_m;

ALTER TABLE visits
    UPDATE
        accuracy_m = check_in_accuracy_m,
        in_fence = (rep_id, event_id) NOT IN (
            SELECT visit.rep_id, visit.event_id
            FROM visits AS visit
            ASOF INNER JOIN (
                SELECT * FROM institutions ORDER BY published_version DESC LIMIT 1 BY institution_id, effective_from
            ) AS site
                ON site.institution_id = visit.institution_id AND visit.day >= site.effective_from
            WHERE visit.check_in_latitude IS NOT NULL
                AND 12742017.6 * asin(sqrt(least(1.,
                    pow(sin(radians(site.latitude - visit.check_in_latitude) / 2), 2)
                    + cos(radians(visit.check_in_latitude)) * cos(radians(site.latitude))
                    * pow(sin(radians(site.longitude - visit.check_in_longitude) / 2), 2))))
                - ifNull(visit.check_in_accuracy_m, 0) > site.fence_radius_m
        )
    WHERE check_in_latitude IS NOT NULL
        AND (rep_id, event_id) IN (
            SELECT visit.rep_id, visit.event_id
            FROM visits AS visit
            ASOF INNER JOIN (
                SELECT * FROM institutions ORDER BY published_version DESC LIMIT 1 BY institution_id, effective_from
            ) AS site
                ON site.institution_id = visit.institution_id AND visit.day >= site.effective_from
            WHERE visit.check_in_latitude IS NOT NULL AND site.latitude IS NOT NULL AND site.longitude IS NOT NULL
        )
    SETTINGS mutations_sync = 1;

ALTER TABLE reps
    ADD COLUMN IF NOT EXISTS location_consent Nullable(Bool)
        COMMENT 'Whether the representative agreed, apart from anything else, to positions being used; empty: not asked.' AFTER left_on;
