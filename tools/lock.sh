#!/usr/bin/env bash
# Resolve requirements into a lock with hashes, for every supported platform and Python:
# `tools/lock.sh [--upgrade]` resolves pyproject.toml into requirements.lock, and into
# docker/requirements.lock without what only development needs, and what an image for Dagster+ has
# besides into docker/dagster-plus.lock; `tools/lock.sh auditors`, `manifests` and `docs` resolve the
# locks of the separate environments.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

case "${1:-}" in
  auditors)
    shift
    lock=tools/auditors.lock
    set -- tools/auditors.in --excludes tools/auditors.excludes "$@"
    ;;
  manifests)
    shift
    lock=tools/manifests.lock
    set -- tools/manifests.in "$@"
    ;;
  docs)
    shift
    lock=tools/docs.lock
    set -- tools/docs.in "$@"
    ;;
  *)
    lock=requirements.lock
    set -- --group pyproject.toml:dev --extra kubernetes pyproject.toml "$@"
    ;;
esac

resolve() { # the requirements $2... into the lock $1, keeping the versions that it has
  .venv/lock/bin/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url \
    --no-header --python-version 3.11 --output-file "$@"
  git --no-pager diff --stat -- "$1"
}

python3 -m venv --clear .venv/lock
.venv/lock/bin/python -m pip install --quiet --disable-pip-version-check uv==0.13.8
resolve "$lock" "$@"
if [ "$lock" = requirements.lock ]; then
  cp requirements.lock docker/requirements.lock
  resolve docker/requirements.lock --group pyproject.toml:build --extra kubernetes pyproject.toml
  mapfile -t there < <(sed -n 's/^\([a-z0-9._-]*\)==.*/--no-emit-package=\1/p' docker/requirements.lock)
  resolve docker/dagster-plus.lock docker/dagster-plus.in --constraint requirements.lock "${there[@]}"
fi
