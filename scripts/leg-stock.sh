#!/usr/bin/env bash
# Databases with a past on a stock PostgreSQL: its own settings, JIT where it has it, and its pg_dump. With
# EVENTS=only the event store, and whether an event is lost there.
set -euo pipefail
cd "$(dirname "$0")/.."

bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -t/ -k5 -n | tail -n 1)
if [[ -z $bin || ! -x $bin/initdb ]]; then
  echo "NOT RUN: there is no stock PostgreSQL (/usr/lib/postgresql/*/bin/initdb)"
  exit 0
fi
export PG_DUMP="$bin/pg_dump" PSQL="$bin/psql"
scripts/with-postgres.sh "$bin" bash -euo pipefail -c '
  "$PSQL" -XAt "$TEST_DATABASE_URL" -c "select version(), '\''jit '\'' || current_setting('\''jit'\''), '\''fsync '\'' || current_setting('\''fsync'\'')"
  if [[ ${EVENTS:-} == only ]]; then
    npx vitest run --project integration test/eventstore test/projections/loss
    exit 0
  fi
  npx vitest run --config vitest.legs.config.ts --project long --project stock odd-histories script.stock older-grammar drift/versions psql.stock
  npx vitest run --project integration test/doctor test/adopt/take-over test/adopt/mirror test/adopt/back-and-forth \
    test/drizzle/migrate test/execute/before \
    test/init test/app/app-role'
