-- One FrameTiming event a row (12.5 a second), in plain columns; seq counts on with voice_events, so both together are the whole talk.

CREATE TABLE IF NOT EXISTS voice_frame_timings (
  session_id      VARCHAR(64) NOT NULL REFERENCES voice_sessions (session_id),
  seq             BIGINT NOT NULL CHECK (seq >= 0),
  at_samples      BIGINT NOT NULL,
  noticed_samples BIGINT NOT NULL,
  frame           BIGINT NOT NULL,
  late_ms         DOUBLE PRECISION NOT NULL,
  listen_ms       DOUBLE PRECISION NOT NULL,
  engine_ms       DOUBLE PRECISION NOT NULL,
  total_ms        DOUBLE PRECISION NOT NULL,
  engine          TEXT,
  PRIMARY KEY (session_id, seq)
);
