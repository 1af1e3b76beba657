-- English sentences of alerts name professionals in English where the company does.
ALTER TABLE hcps ADD COLUMN IF NOT EXISTS name_en Nullable(String) COMMENT 'Name, in English.' AFTER name;
