"""A pytest plugin (``-p plugin_for_sdk``) for the tests of Argilla's SDK: a module that huggingface_hub has renamed."""

from __future__ import annotations

import sys

import huggingface_hub.errors
import pytest

sys.modules["huggingface_hub.utils._errors"] = huggingface_hub.errors


def pytest_configure(config: pytest.Config) -> None:
    """Name the mark of a plugin that those tests like to have; no test needs it to pass."""
    config.addinivalue_line("markers", "flaky: tried again by pytest-retry, where that is installed")
