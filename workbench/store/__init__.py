"""Where talks are kept: migrations, DuckDB and PostgreSQL, the recorder, stereo FLAC."""
