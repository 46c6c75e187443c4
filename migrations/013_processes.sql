-- Which process of the workbench holds, or held, a talk; several share one PostgreSQL. A process is there for as long as it has its
-- advisory lock, which the server takes from it with its connection. Its recordings lie in audio_dir on its host.

CREATE TABLE IF NOT EXISTS voice_processes (
  process_id VARCHAR(64) PRIMARY KEY,
  lock_key   BIGINT NOT NULL,
  host       TEXT NOT NULL,
  pid        BIGINT NOT NULL,
  address    TEXT,
  audio_dir  TEXT NOT NULL,
  started_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP
);

ALTER TABLE voice_sessions ADD COLUMN IF NOT EXISTS process_id VARCHAR(64);
