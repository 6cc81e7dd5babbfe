"""The user's cache: converted weights, the server's environment. Nothing in it is the only copy of anything."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """$MORBENCH_CACHE, or the platform's cache folder for morbench."""
    override = os.environ.get("MORBENCH_CACHE")
    if override:
        return Path(override).expanduser().resolve()
    from platformdirs import user_cache_path

    return user_cache_path("morbench", appauthor=False)
