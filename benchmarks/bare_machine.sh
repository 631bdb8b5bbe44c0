#!/usr/bin/env bash
# Runs the README's commands on a bare Debian from debootstrap without a compiler, as an unprivileged user.
set -euo pipefail

usage() {
  cat <<'END'
Usage: sudo benchmarks/bare_machine.sh [--demo-only] [--logs FOLDER]

Makes a Debian 12 (bookworm) with python3, python3-venv, git and ca-certificates in a temporary folder, copies a fresh clone
of the committed HEAD into it, and runs the two commands of README.md there as an unprivileged user: the demo (with
--exit, so that it ends), then the tests. Prints the last lines of each. The exit status is 0 if both passed.

  --demo-only    skip the tests, which take some ten minutes
  --logs FOLDER  keep the whole output of each command as demo.log and tests.log in FOLDER
  -h, --help     show this text

Needs root (for chroot and mount), git and debootstrap (apt-get install debootstrap). Debian packages come from the
first bookworm source of this machine's apt, Python packages from the index of this machine's pip: pip's
configuration, PIP_* and proxy variables, certificates, /etc/hosts and /etc/resolv.conf are copied.
END
}

fail() { echo "bare_machine.sh: $*" >&2; exit 1; }

readonly SUITE=bookworm PACKAGES=python3,python3-venv,git,ca-certificates USER_ID=1000 SHOWN_LINES=25
readonly HOME_FOLDER=/home/newcomer  # as the chroot sees it
demo_only=
logs=
while [ $# -gt 0 ]; do
  case $1 in
    --demo-only) demo_only=yes ;;
    --logs) logs=${2:?--logs needs a folder}; shift ;;
    -h | --help) usage; exit ;;
    *) usage >&2; fail "unknown argument: $1" ;;
  esac
  shift
done
[ "$(id -u)" = 0 ] || fail "must run as root: chroot and mount need it"
for program in debootstrap git; do
  command -v "$program" >/dev/null || fail "$program is missing: apt-get install $program"
done

repository=$(cd "$(dirname "$0")/.." && pwd)
readonly repository
command_of_readme() {  # prints the line of README.md's blocks of code that ends with these words
  local found
  # shellcheck disable=SC2016 # the marks of a block of code
  found=$(sed -n '/^```sh$/,/^```$/p' "$repository/README.md" | grep -E "^[^\`].*$1\$") ||
    fail "README.md has no command that ends with: $1"
  [ "$(wc -l <<<"$found")" = 1 ] || fail "README.md has several commands that end with: $1"
  echo "$found"
}
demo_command="$(command_of_readme 'webhook-service demo') --exit"
test_command=$(command_of_readme 'pytest -n auto')

work=$(cd "$(mktemp --directory)" && pwd -P)
root=$work/root  # the root of the bare machine
logs=${logs:-$work}
mkdir -p "$logs" "$root"

clean_up() {
  local process mounted
  for process in /proc/[0-9]*; do  # processes of the commands that still run have this root folder
    [ "$(readlink "$process/root" || true)" != "$root" ] || kill -KILL "${process#/proc/}" || true
  done
  for mounted in dev/shm dev/pts proc; do
    ! mountpoint --quiet "$root/$mounted" || umount "$root/$mounted" || umount --lazy "$root/$mounted"
  done
  rm -rf --one-file-system "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM HUP

# --- The machine ---

use_proxy_of_apt() {  # debootstrap downloads with wget, which does not read apt's configuration
  local proxy=
  eval "$(apt-config shell proxy Acquire::http::Proxy)"
  if [ -n "$proxy" ] && [ "$proxy" != DIRECT ]; then export http_proxy=${http_proxy:-$proxy}; fi
}

mirror_of_apt() {  # prints nothing if apt has no source of the suite, and debootstrap then uses its default
  command -v apt-get >/dev/null || return 0
  # shellcheck disable=SC2016 # apt's own variables
  apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' |
    awk -v suite="$SUITE" '$2 == suite { print $1; exit }'
}

install_debian() {
  local mirror
  mirror=$(mirror_of_apt)
  if command -v apt-config >/dev/null; then use_proxy_of_apt; fi
  debootstrap --variant=minbase --include="$PACKAGES" "$SUITE" "$root" ${mirror:+"$mirror"} >"$work/debootstrap.log" 2>&1 ||
    { tail -n "$SHOWN_LINES" "$work/debootstrap.log" >&2; fail "debootstrap failed"; }
  mount -t proc proc "$root/proc"
  mkdir -p "$root/dev/pts" "$root/dev/shm"
  mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
  mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
  local compiler
  for compiler in cc gcc clang; do
    [ ! -e "$root/usr/bin/$compiler" ] || fail "this machine is not bare: it has $compiler"
  done
}

copy_to_root() {  # copies an absolute path to the same path in the root, and replaces links by their targets
  [ ! -e "$1" ] || cp --recursive --dereference --parents --remove-destination "$1" "$root"
}

environment=()  # the environment of the commands
copy_configuration() {
  local name value path
  for path in /etc/resolv.conf /etc/hosts /etc/ssl/certs /etc/pip.conf; do copy_to_root "$path"; done
  mkdir -p "$root$HOME_FOLDER/.config/pip"
  for path in "${XDG_CONFIG_HOME:-$HOME/.config}/pip/pip.conf" "$HOME/.pip/pip.conf"; do
    [ ! -e "$path" ] || cp "$path" "$root$HOME_FOLDER/.config/pip/pip.conf"
  done
  for name in $(compgen -e | grep -iE '^(PIP_.+|(http|https|all|no)_proxy|SSL_CERT_(FILE|DIR)|(REQUESTS|CURL)_CA_BUNDLE)$'); do
    value=${!name}
    environment+=("$name=$value")
    for path in $value; do
      [[ $path != /* ]] || copy_to_root "$path"
    done
  done
}

clone_head() {
  git clone --quiet --no-hardlinks "$repository" "$root$HOME_FOLDER/webhook-service"
  git -C "$root$HOME_FOLDER/webhook-service" checkout --quiet --detach "$(git -C "$repository" rev-parse HEAD)"
  chroot "$root" useradd --uid "$USER_ID" --user-group --home-dir "$HOME_FOLDER" --shell /bin/bash newcomer
  chown -R "$USER_ID:$USER_ID" "$root$HOME_FOLDER"
}

# --- The commands ---

run() {  # run NAME COMMAND: prints the last lines of the output and returns the exit status
  local status=0 log=$logs/$1.log
  printf '\n$ %s\n' "$2"
  # shellcheck disable=SC2016 # expanded by the shell in the chroot
  chroot --userspec="$USER_ID:$USER_ID" "$root" /usr/bin/env -i HOME="$HOME_FOLDER" USER=newcomer LOGNAME=newcomer SHELL=/bin/bash \
    PATH=/usr/local/bin:/usr/bin:/bin "${environment[@]}" \
    bash -c 'cd ~/webhook-service && eval "$1"' bash "$2" </dev/null >"$log" 2>&1 &
  wait "$!" || status=$?  # the command runs in the background, so that a signal ends the script at once
  tail -n "$SHOWN_LINES" "$log"
  echo "-> exit status $status"
  return "$status"
}

install_debian
copy_configuration
clone_head
echo "Debian $(cat "$root/etc/debian_version"), $(chroot "$root" python3 --version), no compiler; user $USER_ID;" \
  "commit $(git -C "$repository" rev-parse --short HEAD)"
failed=
run demo "$demo_command" || failed=yes
if [ -z "$demo_only" ]; then run tests "$test_command" || failed=yes; fi
[ -z "$failed" ] || fail "not every command passed"
