-- By which definitions (workbench.dynamics.definitions) the turns and barge-ins of a talk were derived; NULL = not known, or not whole.

ALTER TABLE voice_sessions ADD COLUMN IF NOT EXISTS scored_by TEXT;
