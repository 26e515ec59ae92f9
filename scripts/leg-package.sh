#!/usr/bin/env bash
# The package as npm, pnpm, yarn and bun install it from its archive, and as npx runs it.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! why=$(npm ping --fetch-retries 0 --fetch-timeout 20000 2>&1); then
  echo "NOT RUN: npm's registry does not answer: $(grep -m 1 'error' <<<"$why")"
  exit 0
fi
# What the tests install with; those that are not here are not tested.
PACKAGE_TOOLS=$(mktemp -d)
export PACKAGE_TOOLS
trap 'rm -rf "$PACKAGE_TOOLS"' EXIT
for tool in pnpm@12.21.0 yarn@1.22.22 bun@1.4.5 typescript@5.9.3; do
  if ! npm install --prefix "$PACKAGE_TOOLS" --no-audit --no-fund --silent "$tool"; then
    echo "NOT RUN: with $tool, which cannot be installed"
  fi
done
npm run test:package
