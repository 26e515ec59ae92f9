#!/usr/bin/env bash
# The event store on PostgreSQL 14, the oldest that is supported: npm has it. No event is lost there either, and
# statements take the locks that are predicted, indexes are built concurrently; roles have the rights that they should.
set -euo pipefail
cd "$(dirname "$0")/.."

server=$(mktemp -d)
trap 'rm -rf "$server"' EXIT
if ! why=$(scripts/fetch-oldest.sh "$server"); then
  echo "NOT RUN: $why"
  exit 0
fi
scripts/with-postgres.sh "$server/bin" \
  npx vitest run --project integration test/eventstore test/projections/loss test/sql-tree/locks test/init/init.test.ts test/doctor/doctor.test.ts \
  test/execute/outside.test.ts
