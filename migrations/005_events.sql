-- Every event of a talk but FrameTiming (006), in order of publication. Times are samples at 24 kHz of session time.

CREATE TABLE IF NOT EXISTS voice_events (
  session_id      VARCHAR(64) NOT NULL REFERENCES voice_sessions (session_id),
  seq             BIGINT NOT NULL CHECK (seq >= 0),
  kind            TEXT NOT NULL,
  at_samples      BIGINT NOT NULL,
  noticed_samples BIGINT NOT NULL,
  payload         JSON NOT NULL,
  PRIMARY KEY (session_id, seq)
);
