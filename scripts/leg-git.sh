#!/usr/bin/env bash
# `verify --base`, `rebase` and the pre-push hook, on real repositories.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v "${GIT:=git}" >/dev/null; then
  echo "NOT RUN: no git ($GIT)"
  exit 0
fi
npm run test:git -- "$@"
