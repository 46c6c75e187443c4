"""`workbench token`, on a store of its own."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner, Result

from workbench.cli import app


def test_a_token_is_made_listed_and_revoked(tmp_path: Path) -> None:
    def token(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["token", *arguments, "--data-dir", str(tmp_path / "var")])

    made = token("create", "my robot", "--role", "viewer", "--days", "7")
    assert made.exit_code == 0, made.stderr
    secret = made.stdout.strip()
    assert secret.startswith("wbt_")
    assert token("create", "my robot").exit_code == 2
    (row,) = json.loads(token("list", "--json").stdout)["tokens"]
    assert (row["name"], row["role"], row["revoked_at"]) == ("my robot", "viewer", None)
    assert secret not in token("list").stdout
    assert token("revoke", "my robot").exit_code == 0
    assert "revoked" in token("list").stdout
    again = token("revoke", "my robot")
    assert (again.exit_code, "token list" in again.stderr) == (2, True)
    assert token("create").exit_code == 2
