#!/usr/bin/env bash
# Looks at the application's page in Chromium (CHROMIUM, default: /usr/bin/chromium).
set -euo pipefail
cd "$(dirname "$0")/.."

export CHROMIUM=${CHROMIUM:-/usr/bin/chromium}
if [[ ! -x $CHROMIUM ]]; then
  echo "NOT RUN: no Chromium at $CHROMIUM (set CHROMIUM)"
  exit 0
fi
npm run test:browser
