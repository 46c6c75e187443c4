-- Versions of personas by content: equal content has an equal hash, wherever it was loaded from.

CREATE TABLE IF NOT EXISTS voice_personas (
  content_hash TEXT PRIMARY KEY CHECK (length(content_hash) = 64),
  persona_id   TEXT NOT NULL,
  name         TEXT NOT NULL,
  voice        TEXT NOT NULL,
  role         TEXT NOT NULL,
  prompt       TEXT NOT NULL,
  tools        JSON NOT NULL,
  sampling     JSON NOT NULL,
  first_seen   TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP
);
