-- Stereo sound of a talk (left user, right agent, 24 kHz, 16 bit). Paths are relative to the audio directory.

-- Closed segments, while the talk lasts.
CREATE TABLE IF NOT EXISTS voice_audio_segments (
  session_id    VARCHAR(64) NOT NULL REFERENCES voice_sessions (session_id),
  seq           BIGINT NOT NULL CHECK (seq >= 0),
  path          TEXT NOT NULL,
  start_samples BIGINT NOT NULL CHECK (start_samples >= 0),
  samples       BIGINT NOT NULL CHECK (samples > 0),
  codec         TEXT NOT NULL,
  PRIMARY KEY (session_id, seq)
);

-- The one file that the segments become when the talk is over. Its sample 0 is session time 0.
CREATE TABLE IF NOT EXISTS voice_recordings (
  session_id   VARCHAR(64) PRIMARY KEY REFERENCES voice_sessions (session_id),
  path         TEXT NOT NULL,
  samples      BIGINT NOT NULL CHECK (samples > 0),
  lost_samples BIGINT NOT NULL CHECK (lost_samples >= 0),
  sample_rate  INTEGER NOT NULL,
  channels     INTEGER NOT NULL,
  codec        TEXT NOT NULL
);
