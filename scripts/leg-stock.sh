#!/usr/bin/env bash
# Databases with a past, on a stock PostgreSQL: its own settings, JIT where it has it, and its pg_dump.
set -euo pipefail
cd "$(dirname "$0")/.."

bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -t/ -k5 -n | tail -n 1)
if [[ -z $bin || ! -x $bin/initdb ]]; then
  echo "NOT RUN: there is no stock PostgreSQL (/usr/lib/postgresql/*/bin/initdb)"
  exit 0
fi
folder=$(mktemp -d)
chmod 755 "$folder"
# PostgreSQL refuses root.
as=()
if [[ $(id -u) == 0 ]]; then
  as=(runuser -u "$(id -un postgres 2>/dev/null || echo nobody)" --)
  chown "$("${as[@]}" id -u)" "$folder"
fi
cleanup() {
  "${as[@]}" "$bin/pg_ctl" -D "$folder/data" -m immediate -w stop >/dev/null 2>&1 || true
  rm -rf "$folder"
}
trap cleanup EXIT
port=$(node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })')
(cd "$folder" && "${as[@]}" "$bin/initdb" -D "$folder/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 >/dev/null)
(cd "$folder" && "${as[@]}" "$bin/pg_ctl" -D "$folder/data" -o "-p $port -k $folder -c listen_addresses=127.0.0.1" \
  -l "$folder/log" -w start >/dev/null)
export TEST_DATABASE_URL="postgres://postgres@127.0.0.1:$port/postgres"
export PG_DUMP="$bin/pg_dump"
"$bin/psql" -XAt "$TEST_DATABASE_URL" -c "select version(), 'jit ' || current_setting('jit'), 'fsync ' || current_setting('fsync')"
npx vitest run --config vitest.legs.config.ts --project long odd-histories
npx vitest run --project integration test/adopt/take-over test/adopt/mirror test/adopt/back-and-forth test/drizzle/migrate test/execute/before
