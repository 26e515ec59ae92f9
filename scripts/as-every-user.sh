#!/usr/bin/env bash
# Runs a command that uses the embedded PostgreSQL as the kinds of user it has to work for:
#
#   scripts/as-every-user.sh <checkout> <command> [argument…]
#
#   user          an ordinary user, through setpriv, with a HOME of its own
#   root          root
#   root-no-pg    root on a machine without an OS user `postgres` (/etc/passwd masked in a mount namespace)
#   root-0700     root, with the checkout below a folder that only root may enter
#
# Each case works in a fresh copy of the checkout (node_modules included, .tidemark not). Prints a
# line per case: ok, FAILED, or NOT RUN with the reason. Fails when a case fails or leaves a
# server behind. ORDINARY_USER names the user of the first case (default: nobody), KINDS the cases
# (default: all of them).
set -euo pipefail

if (($# < 2)); then
  sed -n '2,15s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
checkout=$(realpath "$1")
shift
command=("$@")
user=${ORDINARY_USER:-nobody}
kinds=${KINDS:-user root root-no-pg root-0700}
limit_s=${CASE_TIMEOUT_S:-900}
failures=0
# 0700, as mktemp makes it, is what the last case needs; the others get an open one.
closed=$(mktemp -d "${TMPDIR:-/tmp}/tidemark-as-user.XXXXXX")
open=$(mktemp -d "${TMPDIR:-/tmp}/tidemark-as-user.XXXXXX")
chmod 0755 "$open"
trap 'rm -rf "$closed" "$open"' EXIT

say() { printf 'as-every-user: %-10s %s\n' "$1" "$2"; }

# copy_checkout <target> [owner]: hard links where the owner stays, so that it costs nothing.
copy_checkout() {
  local target=$1 owner=${2:-}
  mkdir -p "$target"
  if [[ -n $owner ]]; then
    (cd "$checkout" && tar -c --exclude=./.tidemark --exclude=./.git .) | tar -x -C "$target"
    chown -R "$owner" "$target"
  else
    (cd "$checkout" && find . -mindepth 1 -maxdepth 1 ! -name .tidemark ! -name .git \
      -exec cp -al -t "$target" {} +)
  fi
}

# servers_in <folder>: the pids of the PostgreSQL servers whose data lies below it.
servers_in() {
  local proc
  for proc in /proc/[0-9]*; do
    # The server's own children have other words in their command line.
    [[ $(readlink "$proc/cwd" 2>/dev/null) == "$1"/* ]] &&
      tr '\0' ' ' 2>/dev/null <"$proc/cmdline" | grep -q '/postgres -D ' &&
      echo "${proc#/proc/}"
  done
  return 0
}

# run_case <name> <folder> <command…>
run_case() {
  local name=$1 folder=$2 started=$SECONDS left
  shift 2
  if (cd "$folder" && timeout "$limit_s" "$@") >"$folder.log" 2>&1; then
    left=$(servers_in "$folder")
    if [[ -z $left ]]; then
      say "$name" "ok ($((SECONDS - started)) s)"
    else
      say "$name" "FAILED: left a server running (process ${left//$'\n'/ })"
      failures=$((failures + 1))
    fi
  else
    say "$name" "FAILED with exit code $?; its output ends with:"
    tail -n 40 "$folder.log" | sed 's/^/  | /'
    left=$(servers_in "$folder")
    failures=$((failures + 1))
  fi
  # shellcheck disable=SC2086 # a list of numbers
  [[ -z $left ]] || kill -QUIT $left 2>/dev/null || true
  rm -rf "$folder"
}

check_user() {
  if ! command -v setpriv >/dev/null; then
    say user "NOT RUN: no setpriv"
    return
  fi
  if ! id "$user" >/dev/null 2>&1; then
    say user "NOT RUN: no user $user"
    return
  fi
  local folder=$open/user home=$open/home
  mkdir -p "$home"
  copy_checkout "$folder" "$user:$(id -g "$user")"
  chown "$user:$(id -g "$user")" "$home"
  run_case user "$folder" setpriv --reuid "$(id -u "$user")" --regid "$(id -g "$user")" \
    --clear-groups env HOME="$home" "${command[@]}"
}

check_root() {
  copy_checkout "$open/root"
  run_case root "$open/root" "${command[@]}"
}

check_root_without_postgres() {
  if ! unshare -m true 2>/dev/null; then
    say root-no-pg "NOT RUN: no mount namespaces (unshare -m fails)"
    return
  fi
  grep -v '^postgres:' /etc/passwd >"$open/passwd"
  copy_checkout "$open/root-no-pg"
  # shellcheck disable=SC2016 # expanded by the inner shell
  run_case root-no-pg "$open/root-no-pg" unshare -m bash -c \
    'mount --bind "$1" /etc/passwd && shift && ! id postgres 2>/dev/null && exec "$@"' \
    masked "$open/passwd" "${command[@]}"
}

check_root_below_0700() {
  copy_checkout "$closed/checkout"
  run_case root-0700 "$closed/checkout" "${command[@]}"
}

if [[ $(uname) != Linux || $(id -u) != 0 ]]; then
  for name in $kinds; do
    say "$name" "NOT RUN: needs root on Linux"
  done
  exit 0
fi
for kind in $kinds; do
  case $kind in
    user) check_user ;;
    root) check_root ;;
    root-no-pg) check_root_without_postgres ;;
    root-0700) check_root_below_0700 ;;
    *)
      say "$kind" "FAILED: there is no such kind of user"
      failures=$((failures + 1))
      ;;
  esac
done
exit $((failures > 0))
