-- teams: which team is part of which, in the newest directory.
--
-- A report on a team holds its descendants; with as_of, those of the directory that held then. The teams of
-- entries are those that held when the use took place, so an entry may name a team that is not listed here.
--
-- team             id
-- parent           team above it; null at the top
-- recorded_at      when the directory was taken in
SELECT team, parent, recorded_at
FROM raw.teams
WHERE team IS NOT NULL
  AND recorded_at = (SELECT MAX(recorded_at) FROM raw.teams)
