"""The `workbench` command."""

from __future__ import annotations

import typer

from workbench.commands import doctor, migrate, serve, talk

app = typer.Typer(
    name="workbench",
    help="Talk to full-duplex voice personas, study the talks in SQL, tune the personas.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command()(serve.serve)
app.command()(talk.talk)
app.command()(migrate.migrate)
app.command()(doctor.doctor)


def main() -> None:
    """The entry point of the package."""
    app()
