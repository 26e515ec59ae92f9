#!/usr/bin/env bash
# `npm start`, as the README has it: becomes ready, and ends on SIGTERM. Prints what it logged.
set -euo pipefail
cd "$(dirname "$0")/.."

log=$(mktemp)
trap 'cat "$log"; rm -f "$log"' EXIT
PORT=0 HOST=127.0.0.1 npm start >"$log" 2>&1 &
app=$!
ready='
  const port = /"port":(\d+)/.exec(require("node:fs").readFileSync(process.argv[1], "utf8"))?.[1];
  fetch(`http://127.0.0.1:${port}/readyz`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1));'
for ((i = 0; i < 120; i++)); do
  kill -0 "$app" 2>/dev/null || { echo "npm start ended before it was ready" >&2; exit 1; }
  node -e "$ready" "$log" && break
  ((i < 119)) || { echo "npm start was not ready within a minute" >&2; exit 1; }
  sleep 0.5
done
kill -TERM "$app"
wait "$app" || true
grep -q '"msg":"stopped"' "$log"
