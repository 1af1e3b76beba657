CREATE OR REPLACE VIEW event_ids_used_twice
(
    kind String COMMENT 'Table the events are in.',
    event_id String COMMENT 'Identity that several owners use.',
    owners Array(String) COMMENT 'Representatives (market reports: territories) that use it, in order.'
)
COMMENT 'Events with the same identity under several representatives: probably one event booked twice, or ids that are not unique.'
AS
SELECT kind, event_id, arraySort(groupUniqArray(rep_id)) AS owners
FROM
(
    SELECT 'visits' AS kind, event_id, rep_id FROM visits
    UNION ALL
    SELECT 'sales' AS kind, event_id, rep_id FROM sales
    UNION ALL
    SELECT 'payments' AS kind, event_id, rep_id FROM payments
    UNION ALL
    SELECT 'activities' AS kind, event_id, rep_id FROM activities
    UNION ALL
    SELECT 'surveys' AS kind, event_id, rep_id FROM surveys
    UNION ALL
    SELECT 'market' AS kind, event_id, territory_id AS rep_id FROM market
)
GROUP BY kind, event_id
HAVING length(owners) > 1;
