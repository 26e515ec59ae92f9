#!/usr/bin/env bash
# Builds the image on NODE_IMAGE (default: the Dockerfile's), and runs the command and the application in it.
set -euo pipefail
cd "$(dirname "$0")/.."

NODE_IMAGE=${NODE_IMAGE:-$(sed -n 's/^ARG NODE_IMAGE=//p' Dockerfile)}
scripts/needs-image.sh "$NODE_IMAGE" || exit 0
export NODE_IMAGE
npm run test:image
