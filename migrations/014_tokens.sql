-- What programs are given instead of the password. Only the SHA-256 of a token is kept: it cannot be told again.

CREATE TABLE IF NOT EXISTS access_tokens (
  token_id   VARCHAR(64) PRIMARY KEY,
  name       TEXT NOT NULL,
  role       TEXT NOT NULL CHECK (role IN ('operator', 'viewer', 'talk')),
  hash       TEXT NOT NULL CHECK (length(hash) = 64),
  created_at TIMESTAMPTZ NOT NULL,
  expires_at TIMESTAMPTZ,
  revoked_at TIMESTAMPTZ
);
