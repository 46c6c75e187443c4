-- What people thought of a talk: stars or a note or both, by whom and when. Every judgement is kept; of one person's stars the newest count.
-- A vote between two talks of a blind trial is a judgement of each: `preferred` is true or false, NULL where neither was better.

CREATE TABLE IF NOT EXISTS voice_ratings (
  session_id VARCHAR(64) NOT NULL REFERENCES voice_sessions (session_id),
  rating_id  VARCHAR(64) NOT NULL,
  rated_at   TIMESTAMPTZ NOT NULL,
  rater      TEXT NOT NULL,
  stars      INTEGER CHECK (stars BETWEEN 1 AND 5),
  note       TEXT NOT NULL,
  trial_id   VARCHAR(64),
  preferred  BOOLEAN,
  PRIMARY KEY (session_id, rating_id)
);

CREATE OR REPLACE VIEW voice_session_ratings AS
SELECT session_id, CAST(avg(stars) AS DOUBLE PRECISION) AS rating, count(*) AS raters
FROM (
  SELECT session_id, stars, row_number() OVER (PARTITION BY session_id, rater ORDER BY rated_at DESC, rating_id DESC) AS newest
  FROM voice_ratings WHERE stars IS NOT NULL
) AS judged
WHERE newest = 1 GROUP BY session_id;
