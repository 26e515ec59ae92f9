#!/usr/bin/env bash
# The runner on a server whose disk, a small tmpfs, is full.
set -euo pipefail
cd "$(dirname "$0")/.."

if [[ $(uname) != Linux ]]; then
  echo "NOT RUN: a tmpfs takes Linux"
  exit 0
fi
disk=$(mktemp -d)
if ! why=$(mount -t tmpfs -o size=1m tmpfs "$disk" 2>&1); then
  rmdir "$disk"
  echo "NOT RUN: no tmpfs can be mounted: ${why##*$'\n'}"
  exit 0
fi
umount "$disk"
rmdir "$disk"
npm run test:disk-full
