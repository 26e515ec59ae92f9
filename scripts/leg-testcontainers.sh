#!/usr/bin/env bash
# A part of the integration tests on a PostgreSQL in a container, of the image TEST_PG_IMAGE.
set -euo pipefail
cd "$(dirname "$0")/.."

image=${TEST_PG_IMAGE:-postgres:18-alpine}
scripts/needs-image.sh "$image" || exit 0
# The tests' own setup stops the container: no second image is needed for that.
export TESTCONTAINERS_RYUK_DISABLED=${TESTCONTAINERS_RYUK_DISABLED:-true}
# A server that the environment names would be used instead.
env -u DATABASE_URL -u TEST_DATABASE_URL TEST_PG_PROVIDER=testcontainers TEST_PG_IMAGE="$image" \
  npm run test:integration -- test/calls/migrate test/adopt/take-over test/schema
