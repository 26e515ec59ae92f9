#!/usr/bin/env bash
# The hostile suite on the server that SERVER names: `stock` (the newest below /usr/lib/postgresql), `oldest`
# (PostgreSQL 14, which npm has), or `embedded`, which is the default.
set -euo pipefail
cd "$(dirname "$0")/.."

# Databases are made and dropped by the hundred, and no machine is lost here.
export WITH_SETTINGS="-c fsync=off"
case "${SERVER:-embedded}" in
  stock)
    bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -t/ -k5 -n | tail -n 1)
    if [[ -z $bin || ! -x $bin/initdb ]]; then
      echo "NOT RUN: there is no stock PostgreSQL (/usr/lib/postgresql/*/bin/initdb)"
      exit 0
    fi
    export PSQL="$bin/psql" PG_DUMP="$bin/pg_dump"
    scripts/with-postgres.sh "$bin" npm run test:hostile -- "$@"
    ;;
  oldest)
    oldest=.tidemark/postgres/14
    if ! why=$(scripts/fetch-postgres.sh 14 "$oldest"); then
      echo "NOT RUN: $why"
      exit 0
    fi
    scripts/with-postgres.sh "$oldest/bin" npm run test:hostile -- "$@"
    ;;
  embedded)
    npm run test:hostile -- "$@"
    ;;
  *)
    echo "SERVER is $SERVER: it must be stock, oldest or embedded." >&2
    exit 2
    ;;
esac
