-- What readers read. Counts are 0 when there is nothing, never NULL.

CREATE OR REPLACE VIEW voice_session_stats AS
SELECT (SELECT count(*) FROM voice_sessions WHERE is_active) AS active_sessions,
       (SELECT count(*) FROM voice_sessions)                 AS total_sessions,
       (SELECT count(*) FROM voice_turns)                    AS total_turns,
       (SELECT count(*) FROM voice_tool_invocations)         AS total_tool_invocations;

CREATE OR REPLACE VIEW voice_session_overview AS
SELECT s.session_id, s.conversation_id, s.mode, s.engine, s.persona, s.persona_hash, s.voice_prompt, s.transport, s.recording, s.pace,
       s.latency_model, s.started_at, s.ended_at, s.is_active, s.ended_reason,
       coalesce(t.turn_count, 0)     AS turn_count,
       coalesce(i.tool_count, 0)     AS tool_count,
       coalesce(b.barge_in_count, 0) AS barge_in_count,
       coalesce(s.started_at + e.last_samples / 24000.0 * INTERVAL '1 second', s.started_at) AS last_activity
FROM voice_sessions s
LEFT JOIN (SELECT session_id, count(*) AS turn_count FROM voice_turns GROUP BY session_id) t ON t.session_id = s.session_id
LEFT JOIN (SELECT session_id, count(*) AS tool_count FROM voice_tool_invocations GROUP BY session_id) i ON i.session_id = s.session_id
LEFT JOIN (SELECT session_id, count(*) AS barge_in_count FROM voice_barge_in_events GROUP BY session_id) b ON b.session_id = s.session_id
LEFT JOIN (SELECT session_id, max(noticed_samples) AS last_samples FROM voice_events GROUP BY session_id) e ON e.session_id = s.session_id;
