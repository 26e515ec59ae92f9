#!/usr/bin/env bash
# Runs a command with a new PostgreSQL server of its own, whose URL is TEST_DATABASE_URL:
#   scripts/with-postgres.sh <folder of initdb and pg_ctl> <command> …
# That folder is TEST_PG_BIN: for tests that start a server of their own. WITH_SETTINGS are more settings of the server
# (`-c fsync=off`), WITH_LOCALE is its locale.
set -euo pipefail
bin=$(cd "$1" && pwd -P)
shift
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
# A checkout below a folder of root's own is nothing that another user reads.
if ! "${as[@]}" test -x "$bin/initdb"; then
  cp -R "$(dirname "$bin")" "$folder/postgres"
  bin=$folder/postgres/bin
fi
port=$(node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })')
# It asks for the password, as servers do: what is said to a role without it is tested too.
echo tidemark >"$folder/password"
(cd "$folder" && "${as[@]}" "$bin/initdb" -D "$folder/data" -U postgres -A scram-sha-256 --pwfile="$folder/password" \
  -E UTF8 --locale=${WITH_LOCALE:-C.UTF-8} >/dev/null)
settings="-p $port -k $folder -c listen_addresses=127.0.0.1 ${WITH_SETTINGS:-}"
(cd "$folder" && "${as[@]}" "$bin/pg_ctl" -D "$folder/data" -o "$settings" -l "$folder/log" -w start >/dev/null)
export TEST_PG_BIN=$bin
export TEST_DATABASE_URL="postgres://postgres:tidemark@127.0.0.1:$port/postgres"
"$@"
