"""What every record of a benchmark says of the run that made it, and how records are kept."""

from __future__ import annotations

import datetime
import json
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from eimg_core import __version__

__all__ = ["keep", "of_run"]


def of_run(command: str) -> dict[str, Any]:
    """The command that was given, and when, where and with which version of ours it ran."""
    return {
        "command": command,
        "version": __version__,
        "date": datetime.date.today().isoformat(),
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "python": platform.python_version(),
    }


def keep(record: Mapping[str, Any], out: Path) -> None:
    """Write a record, and show it."""
    text = json.dumps(record, indent=1)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text + "\n", encoding="utf-8")
    print(text)
