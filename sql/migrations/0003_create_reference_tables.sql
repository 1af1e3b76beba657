-- Reference data with its whole history: rows are only ever added.

CREATE TABLE IF NOT EXISTS reps
(
    effective_from Date32 COMMENT 'First day the row is in force.',
    rep_id String COMMENT 'Representative.',
    name String COMMENT 'Name, in the company''s language.',
    name_en Nullable(String) COMMENT 'Name, in English.',
    role LowCardinality(String) COMMENT 'Filed academic representative, sales staff, contract sales organisation, or manager.',
    team_id Nullable(String) COMMENT 'Organisation node the rep reports to; empty once the rep has left.',
    hired_on Nullable(Date32) COMMENT 'First day of employment.',
    left_on Nullable(Date32) COMMENT 'Last day of employment.',
    filings Array(Tuple(filed_from Date32, filed_to Nullable(Date32), filing_number Nullable(String))) COMMENT 'Statutory filings (备案) of the representative.',
    published_version UInt64 COMMENT 'Publication that brought this text; higher is newer.',
    published_at DateTime64(3, 'UTC') COMMENT 'When it was published.',
    author String COMMENT 'Who published it.'
)
ENGINE = MergeTree
ORDER BY (rep_id, effective_from, published_version)
COMMENT 'Field representatives: every text ever published. To ask questions, read reps_today or reps_history.';

CREATE TABLE IF NOT EXISTS organisation_nodes
(
    effective_from Date32 COMMENT 'First day the row is in force.',
    node_id String COMMENT 'Organisation node.',
    name String COMMENT 'Name, in the company''s language.',
    name_en Nullable(String) COMMENT 'Name, in English.',
    level LowCardinality(String) COMMENT 'Level in the tree: team, region or company.',
    parent_id Nullable(String) COMMENT 'Node one or more levels up; empty for the company.',
    manager_id Nullable(String) COMMENT 'Person who leads the node.',
    published_version UInt64 COMMENT 'Publication that brought this text; higher is newer.',
    published_at DateTime64(3, 'UTC') COMMENT 'When it was published.',
    author String COMMENT 'Who published it.'
)
ENGINE = MergeTree
ORDER BY (node_id, effective_from, published_version)
COMMENT 'Organisation tree: teams, regions, company: every text ever published. To ask questions, read organisation_nodes_today or organisation_nodes_history.';

CREATE TABLE IF NOT EXISTS institutions
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
    published_version UInt64 COMMENT 'Publication that brought this text; higher is newer.',
    published_at DateTime64(3, 'UTC') COMMENT 'When it was published.',
    author String COMMENT 'Who published it.'
)
ENGINE = MergeTree
ORDER BY (institution_id, effective_from, published_version)
COMMENT 'Hospitals, clinics and pharmacies: every text ever published. To ask questions, read institutions_today or institutions_history.';

CREATE TABLE IF NOT EXISTS registrations
(
    effective_from Date32 COMMENT 'First day the row is in force.',
    rep_id String COMMENT 'Representative.',
    institution_id String COMMENT 'Hospital, clinic or pharmacy.',
    published_version UInt64 COMMENT 'Publication that brought this text; higher is newer.',
    published_at DateTime64(3, 'UTC') COMMENT 'When it was published.',
    author String COMMENT 'Who published it.'
)
ENGINE = MergeTree
ORDER BY (rep_id, institution_id, effective_from, published_version)
COMMENT 'Representatives registered at institutions: every text ever published. To ask questions, read registrations_today or registrations_history.';

CREATE TABLE IF NOT EXISTS hcps
(
    effective_from Date32 COMMENT 'First day the row is in force.',
    hcp_id String COMMENT 'Health-care professional.',
    name String COMMENT 'Name, in the company''s language.',
    institution_id Nullable(String) COMMENT 'Institution the professional works at.',
    department Nullable(String) COMMENT 'Department within the institution.',
    specialty Nullable(String) COMMENT 'Medical specialty.',
    segment LowCardinality(Nullable(String)) COMMENT 'Value class; A is visited most.',
    owner_rep_id Nullable(String) COMMENT 'Representative who looks after the professional.',
    is_state_employee Bool COMMENT 'Whether the professional works for a public institution.',
    published_version UInt64 COMMENT 'Publication that brought this text; higher is newer.',
    published_at DateTime64(3, 'UTC') COMMENT 'When it was published.',
    author String COMMENT 'Who published it.'
)
ENGINE = MergeTree
ORDER BY (hcp_id, effective_from, published_version)
COMMENT 'Health-care professionals: every text ever published. To ask questions, read hcps_today or hcps_history.';

CREATE TABLE IF NOT EXISTS products
(
    effective_from Date32 COMMENT 'First day the row is in force.',
    product_id String COMMENT 'Product.',
    name String COMMENT 'Name, in the company''s language.',
    name_en Nullable(String) COMMENT 'Name, in English.',
    line_id Nullable(String) COMMENT 'Product line its figures roll up to.',
    line_name Nullable(String) COMMENT 'Product line, in the company''s language.',
    line_name_en Nullable(String) COMMENT 'Product line, in English.',
    is_new_drug Bool COMMENT 'Whether the product counts as a new drug.',
    launched_on Nullable(Date32) COMMENT 'First day on the market.',
    labels Array(Tuple(indication String, valid_from Date32, valid_to Nullable(Date32))) COMMENT 'Approved indications and the days they are valid.',
    published_version UInt64 COMMENT 'Publication that brought this text; higher is newer.',
    published_at DateTime64(3, 'UTC') COMMENT 'When it was published.',
    author String COMMENT 'Who published it.'
)
ENGINE = MergeTree
ORDER BY (product_id, effective_from, published_version)
COMMENT 'Products and their lines: every text ever published. To ask questions, read products_today or products_history.';

CREATE TABLE IF NOT EXISTS materials
(
    effective_from Date32 COMMENT 'First day the row is in force.',
    material_id String COMMENT 'Promotional or medical material.',
    version String COMMENT 'Version of the material.',
    title String COMMENT 'Title.',
    audience LowCardinality(String) COMMENT 'Whom the material may be shown to.',
    product_id Nullable(String) COMMENT 'Product.',
    approved_on Nullable(Date32) COMMENT 'Day of internal approval.',
    expires_on Nullable(Date32) COMMENT 'Last day the material may be used.',
    published_version UInt64 COMMENT 'Publication that brought this text; higher is newer.',
    published_at DateTime64(3, 'UTC') COMMENT 'When it was published.',
    author String COMMENT 'Who published it.'
)
ENGINE = MergeTree
ORDER BY (material_id, version, effective_from, published_version)
COMMENT 'Versions of promotional and medical materials: every text ever published. To ask questions, read materials_today or materials_history.';

CREATE TABLE IF NOT EXISTS call_plans
(
    effective_from Date32 COMMENT 'First day the row is in force.',
    rep_id String COMMENT 'Representative.',
    hcp_id String COMMENT 'Health-care professional.',
    planned_calls UInt64 COMMENT 'Calls planned in the month.',
    published_version UInt64 COMMENT 'Publication that brought this text; higher is newer.',
    published_at DateTime64(3, 'UTC') COMMENT 'When it was published.',
    author String COMMENT 'Who published it.'
)
ENGINE = MergeTree
ORDER BY (rep_id, hcp_id, effective_from, published_version)
COMMENT 'Planned calls of a representative on a professional in a month: every text ever published. To ask questions, read call_plans_today or call_plans_history.';

CREATE TABLE IF NOT EXISTS calendar_days
(
    effective_from Date32 COMMENT 'First day the row is in force.',
    day Date32 COMMENT 'The day meant.',
    is_working_day Bool COMMENT 'Whether people work on the day.',
    name Nullable(String) COMMENT 'Name, in the company''s language.',
    published_version UInt64 COMMENT 'Publication that brought this text; higher is newer.',
    published_at DateTime64(3, 'UTC') COMMENT 'When it was published.',
    author String COMMENT 'Who published it.'
)
ENGINE = MergeTree
ORDER BY (day, effective_from, published_version)
COMMENT 'Days that differ from the usual week: every text ever published. To ask questions, read calendar_days_today or calendar_days_history.';

CREATE TABLE IF NOT EXISTS reference_publications
(
    version UInt64 COMMENT 'Number of the publication; higher is newer.',
    published_at DateTime64(3, 'UTC') COMMENT 'When it was published.',
    author String COMMENT 'Who published it.',
    rows Map(String, UInt64) COMMENT 'Rows that were new or changed, by kind.'
)
ENGINE = MergeTree
ORDER BY (version)
COMMENT 'Publications of reference data, one row each.';
