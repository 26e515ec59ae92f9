#!/usr/bin/env bash
# The runner through a PgBouncer (PGBOUNCER, default: /usr/sbin/pgbouncer, Debian's) in transaction mode.
set -euo pipefail
cd "$(dirname "$0")/.."

export PGBOUNCER=${PGBOUNCER:-/usr/sbin/pgbouncer}
if [[ ! -x $PGBOUNCER && $PGBOUNCER == /usr/sbin/pgbouncer && $EUID == 0 ]]; then
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq pgbouncer >/dev/null 2>&1 || true
fi
if [[ ! -x $PGBOUNCER ]]; then
  echo "NOT RUN: no PgBouncer at $PGBOUNCER (set PGBOUNCER), and it cannot be installed"
  exit 0
fi
npm run test:pgbouncer -- "$@"
