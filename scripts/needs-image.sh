#!/usr/bin/env bash
# scripts/needs-image.sh <image>: succeeds where a Docker engine answers and has the image, or can
# pull it; else prints NOT RUN with the reason, and fails. Starts no engine.
set -euo pipefail

if ! timeout 10 docker version --format '{{.Server.Version}}' >/dev/null 2>&1; then
  echo "NOT RUN: no Docker engine answers"
  exit 1
fi
if ! docker image inspect "$1" >/dev/null 2>&1 && ! why=$(timeout 300 docker pull --quiet "$1" 2>&1); then
  echo "NOT RUN: the image $1 is not here and cannot be pulled: ${why##*$'\n'}"
  exit 1
fi
