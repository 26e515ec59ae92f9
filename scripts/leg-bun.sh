#!/usr/bin/env bash
# Every command under Bun (BUN, default: bun), as `bun --bun tidemark …` runs it.
set -euo pipefail
cd "$(dirname "$0")/.."

export BUN=${BUN:-bun}
if ! command -v "$BUN" >/dev/null; then
  echo "NOT RUN: no Bun ($BUN): npm install --global bun, or set BUN"
  exit 0
fi
npm run test:bun
