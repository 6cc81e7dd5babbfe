# Sourced by quickstart and test: makes .venv with pip alone, once for each state of pyproject and constraints.
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PROJECT="$PWD"
PYTHON="${PYTHON:-python3}"

make_environment() { # make_environment EXTRA...: install the project (with extras) into .venv, unless it is there already
  "$PYTHON" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' || {
    echo "error: $("$PYTHON" --version) found, morbench needs Python 3.10 to 3.13; set PYTHON=/path/to/python" >&2; exit 2; }
  local extras state
  extras=$(IFS=,; echo "$*")
  state=$(cat pyproject.toml constraints.txt | sha256sum | cut -c1-16)
  if [ -f ".venv/.morbench-$state-$extras" ]; then return; fi
  echo "installing into .venv (some minutes the first time) ..." >&2
  [ -x .venv/bin/python ] || "$PYTHON" -m venv .venv
  # torch first and pinned: a looser pin would bring several gigabytes of GPU packages
  .venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
  .venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --editable ".${extras:+[$extras]}"
  touch ".venv/.morbench-$state-$extras"
}

find_chromium() { # for the tests in a browser: try to install one where that asks nobody; never fails the run
  local name
  for name in chromium chromium-browser google-chrome google-chrome-stable; do
    if command -v "$name" > /dev/null; then return; fi
  done
  if [ -n "${MORBENCH_CHROMIUM:-}" ]; then return; fi
  if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
    echo "installing chromium for the tests in a browser ..." >&2
    timeout 60 apt-get -qq update > /dev/null 2>&1 || true
    DEBIAN_FRONTEND=noninteractive timeout 240 apt-get -qq install -y --no-install-recommends \
      chromium fonts-noto-core fonts-noto-cjk > /dev/null 2>&1 || true
    if command -v chromium > /dev/null; then return; fi
  fi
  echo "note: no Chromium here: the tests in a browser are skipped (apt-get install chromium, or set MORBENCH_CHROMIUM)" >&2
}
