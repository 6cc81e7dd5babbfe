"""Start of the server process: ``python -I main.py --home HOME --port N``. No secret passes through here."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import sys
from pathlib import Path

PACKAGE = "morbench_server"


def load_package() -> None:
    """Import this folder under a name of its own, so that its modules can't hide anybody else's."""
    here = Path(__file__).resolve().parent
    spec = importlib.util.spec_from_file_location(PACKAGE, here / "__init__.py", submodule_search_locations=[str(here)])
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot load {here}")
    package = importlib.util.module_from_spec(spec)
    sys.modules[PACKAGE] = package
    spec.loader.exec_module(package)


def main() -> int:
    """Run the server until it is told to stop."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", required=True, type=Path)
    parser.add_argument("--port", required=True, type=int)
    parser.add_argument("--plain", action="store_true", help="without what only makes it faster, for scripts/bench")
    args = parser.parse_args()
    os.umask(0o077)
    load_package()
    boot = importlib.import_module(f"{PACKAGE}.boot")
    return int(boot.run(args.home.resolve(), args.port, args.plain))


if __name__ == "__main__":
    sys.exit(main())
