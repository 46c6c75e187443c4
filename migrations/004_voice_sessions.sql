-- The four tables of the original system: names and columns as there, ids as text up to 64 characters, checks widened, later columns nullable.
-- One file for DuckDB 2 and PostgreSQL 15+. Numbering starts at 004 because the original's does.
-- What differs from the original, and why:
--   ids are BIGINT from a sequence (DuckDB has no SERIAL); metadata is JSON (DuckDB has no JSONB);
--   child ids are unique within their session, so that a talk may number its turns itself;
--   children refer to their session, and are deleted before it (DuckDB has no ON DELETE CASCADE);
--   there is no index on is_active: DuckDB refuses to change an indexed column of a row that others refer to.

CREATE SEQUENCE IF NOT EXISTS voice_sessions_id_seq;
CREATE SEQUENCE IF NOT EXISTS voice_turns_id_seq;
CREATE SEQUENCE IF NOT EXISTS voice_tool_invocations_id_seq;
CREATE SEQUENCE IF NOT EXISTS voice_barge_in_events_id_seq;

CREATE TABLE IF NOT EXISTS voice_sessions (
  id              BIGINT PRIMARY KEY DEFAULT nextval('voice_sessions_id_seq'),
  session_id      VARCHAR(64) UNIQUE NOT NULL CHECK (length(session_id) BETWEEN 1 AND 64),
  conversation_id VARCHAR(64) NOT NULL,
  mode            VARCHAR(20) NOT NULL
                  CHECK (mode IN ('personaplex', 'elevenlabs', 'whisper', 'degraded', 'classic', 'scripted', 'echo', 'other', 'unknown')),
  persona         TEXT DEFAULT 'myca',
  voice_prompt    TEXT,
  started_at      TIMESTAMPTZ DEFAULT CURRENT_TIMESTAMP,
  ended_at        TIMESTAMPTZ,
  is_active       BOOLEAN DEFAULT TRUE,
  metadata        JSON DEFAULT '{}',
  persona_hash    TEXT,
  engine          TEXT,
  engine_reason   TEXT,
  transport       TEXT,
  recording       BOOLEAN,
  pace            TEXT,
  latency_model   TEXT,
  ended_reason    TEXT,
  ended_detail    TEXT
);

CREATE TABLE IF NOT EXISTS voice_turns (
  id          BIGINT PRIMARY KEY DEFAULT nextval('voice_turns_id_seq'),
  turn_id     VARCHAR(64) NOT NULL,
  session_id  VARCHAR(64) NOT NULL REFERENCES voice_sessions (session_id),
  speaker     VARCHAR(20) NOT NULL CHECK (speaker IN ('user', 'agent', 'myca', 'system')),
  text        TEXT,
  duration_ms INTEGER,
  timestamp   TIMESTAMPTZ DEFAULT CURRENT_TIMESTAMP,
  start_ms    DOUBLE PRECISION,
  end_ms      DOUBLE PRECISION,
  latency_ms  DOUBLE PRECISION,
  interrupted BOOLEAN,
  engine      TEXT,
  UNIQUE (session_id, turn_id)
);

CREATE TABLE IF NOT EXISTS voice_tool_invocations (
  id            BIGINT PRIMARY KEY DEFAULT nextval('voice_tool_invocations_id_seq'),
  invocation_id VARCHAR(64) NOT NULL,
  session_id    VARCHAR(64) NOT NULL REFERENCES voice_sessions (session_id),
  agent         TEXT NOT NULL,
  action        TEXT,
  status        VARCHAR(20) NOT NULL
                CHECK (status IN ('pending', 'running', 'success', 'error', 'proposed', 'refused', 'cancelled', 'timeout')),
  latency_ms    DOUBLE PRECISION,
  started_at    TIMESTAMPTZ DEFAULT CURRENT_TIMESTAMP,
  completed_at  TIMESTAMPTZ,
  start_ms      DOUBLE PRECISION,
  end_ms        DOUBLE PRECISION,
  utterance_id  TEXT,
  tier          TEXT,
  arguments     JSON,
  result        JSON,
  spoken        TEXT,
  error         TEXT,
  delivered_how TEXT,
  words_asked   INTEGER,
  words_heard   INTEGER,
  interrupted   BOOLEAN,
  fidelity_wer  DOUBLE PRECISION,
  UNIQUE (session_id, invocation_id)
);

CREATE TABLE IF NOT EXISTS voice_barge_in_events (
  id              BIGINT PRIMARY KEY DEFAULT nextval('voice_barge_in_events_id_seq'),
  event_id        VARCHAR(64) NOT NULL,
  session_id      VARCHAR(64) NOT NULL REFERENCES voice_sessions (session_id),
  cancelled_text  TEXT,
  timestamp       TIMESTAMPTZ DEFAULT CURRENT_TIMESTAMP,
  outcome         TEXT,
  heard_text      TEXT,
  start_ms        DOUBLE PRECISION,
  stop_ms         DOUBLE PRECISION,
  stop_latency_ms DOUBLE PRECISION,
  UNIQUE (session_id, event_id)
);

CREATE INDEX IF NOT EXISTS idx_voice_turns_session ON voice_turns (session_id);
CREATE INDEX IF NOT EXISTS idx_voice_tool_invocations_session ON voice_tool_invocations (session_id);
