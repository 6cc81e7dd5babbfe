"""Options that every package's commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Project = Annotated[Path, typer.Option("--project", "-p", help="The project's folder.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
