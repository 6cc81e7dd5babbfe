"""For all tests: the machine may be busy, so threads do not spin while they wait, and hypothesis times no example."""

from __future__ import annotations

import os

from hypothesis import settings

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read once, when torch is imported (see releases/cli.py)
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
