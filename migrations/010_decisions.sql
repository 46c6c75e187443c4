-- What was done about each final utterance of the user, and why. With voice_tool_invocations it is the audit of a talk.

CREATE TABLE IF NOT EXISTS voice_decisions (
  session_id    VARCHAR(64) NOT NULL REFERENCES voice_sessions (session_id),
  utterance_id  VARCHAR(64) NOT NULL,
  decided_at    TIMESTAMPTZ NOT NULL,
  start_ms      DOUBLE PRECISION NOT NULL,
  text          TEXT NOT NULL,
  act           TEXT NOT NULL,
  reason        TEXT NOT NULL,
  tool          TEXT,
  tier          TEXT,
  invocation_id VARCHAR(64),
  pending_id    VARCHAR(64),
  PRIMARY KEY (session_id, utterance_id)
);

-- Until when a proposed action waits for the user's word, in ms of session time.
ALTER TABLE voice_tool_invocations ADD COLUMN IF NOT EXISTS deadline_ms DOUBLE PRECISION;
-- Words of content that the agent said of its own accord between the dispatch and the delivery of the result; NULL when not counted.
ALTER TABLE voice_tool_invocations ADD COLUMN IF NOT EXISTS words_before_result INTEGER;
