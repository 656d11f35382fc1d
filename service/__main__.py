"""``python -m service``: serve with gunicorn."""

from __future__ import annotations

import os
import sys

import click

from service.settings import PREFIX, Settings, SettingsError, load_settings


def _table() -> str:
    rows = [
        f"{PREFIX}{name.upper()}\n    {field.description} Default: {field.default!r}."
        for name, field in Settings.model_fields.items()
    ]
    return "\b\n" + "\n".join(rows).replace("`", "")


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Serve Kalm over HTTP. Settings are environment variables:\n\n" + _table(),
)
def main() -> None:
    """Check the settings, then become gunicorn."""
    try:
        load_settings()
    except SettingsError as error:
        raise click.ClickException(str(error)) from error
    command = [sys.executable, "-m", "gunicorn", "--config", "python:service.gunicorn_conf", "service.app:build()"]
    os.execv(sys.executable, command)  # noqa: S606  the process must become gunicorn, so that signals reach it


if __name__ == "__main__":
    main(prog_name="python -m service")
