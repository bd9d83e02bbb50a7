#!/usr/bin/env bash
# Resolve pyproject.toml into requirements.lock, with hashes, for every supported platform.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

python3 -m venv --clear .venv/lock
.venv/lock/bin/python -m pip install --quiet --disable-pip-version-check uv==0.13.8
.venv/lock/bin/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url \
  --no-header --python-version 3.11 --group pyproject.toml:dev pyproject.toml \
  --output-file requirements.lock "$@"
git --no-pager diff --stat -- requirements.lock
