#!/usr/bin/env bash
# The engine on another PostgreSQL, 14 to 18, under another Node.js (20.19, 22, 24; without one, the one that is here).
# npm has both. Held against that server: what a statement locks, what drift compares, what roles may, what init and
# doctor say, how code is loaded; on the oldest the event store too: no event is lost there either.
#   scripts/leg-versions.sh <major> [<node>]
set -euo pipefail
cd "$(dirname "$0")/.."

major=$1
server=.tidemark/postgres/$major
if ! why=$(scripts/fetch-postgres.sh "$major" "$server"); then
  echo "NOT RUN: $why"
  exit 0
fi
if [[ -n ${2:-} ]]; then
  if why=$(scripts/fetch-node.sh "$2" ".tidemark/node/$2"); then
    PATH="$PWD/.tidemark/node/$2/bin:$PATH"
  else
    echo "NOT RUN: under Node.js $2, but under this one: $why"
  fi
fi
"$server/bin/postgres" --version
echo "Node.js $(node --version)"
export WITH_SETTINGS="-c fsync=off -c full_page_writes=off -c max_connections=300"
files=(test/sql-tree/locks test/init/init.test.ts test/doctor/doctor.test.ts)
files+=(test/execute/outside.test.ts test/execute/code-forms test/execute/code-steps)
if [[ $major == 14 ]]; then
  files+=(test/eventstore test/projections/loss)
fi
scripts/with-postgres.sh "$server/bin" bash -euo pipefail -c '
  npx vitest run --config vitest.legs.config.ts --project stock drift/versions
  npx vitest run --project integration "$@"' versions "${files[@]}"
