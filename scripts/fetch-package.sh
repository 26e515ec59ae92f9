#!/usr/bin/env bash
# Puts an exact version of a package with programs of a platform into a folder, and links those from bin there. If that
# version is there already, nothing is fetched.
#   scripts/fetch-package.sh <package> <version> <folder of programs in the package> <folder>
set -euo pipefail
package=$1
version=$2
programs=node_modules/$1/$3
folder=$4

[[ -d $folder/bin && $(cat "$folder/version" 2>/dev/null) == "$version" ]] && exit 0
mkdir -p "$(dirname "$folder")"
# Beside it, and moved when it is whole: two may want it at once.
new=$(mktemp -d "$folder.XXXXXX")
trap 'rm -rf "$new"' EXIT
chmod 755 "$new"
npm install --prefix "$new" --no-audit --no-fund --silent --ignore-scripts "$package@$version" >/dev/null
# PostgreSQL's: it makes the links to its libraries.
hydrate=$new/node_modules/$package/scripts/hydrate-symlinks.js
[[ ! -f $hydrate ]] || (cd "$new/node_modules/$package" && node scripts/hydrate-symlinks.js >/dev/null)
ln -s "$programs" "$new/bin"
echo "$version" >"$new/version"
rm -rf "$folder"
mv "$new" "$folder"
