#!/usr/bin/env bash
# Bring .venv up to date: the locked packages, this project, and for Spark a Java, if there is one,
# with its class archive.
# Prints what it does, and nothing if everything is up to date. Settings: PYTHON, JAVA_HOME.
set -euo pipefail
shopt -s nullglob
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }
die() {
  printf 'error: %s\n' "$1" >&2
  shift
  [ $# = 0 ] || printf '       %s\n' "$@" >&2
  exit 1
}

digest() {
  if command -v sha256sum >/dev/null; then sha256sum "$@"; else shasum -a 256 "$@"; fi |
    cut -d' ' -f1
}

# A stamp is written when its step is complete, so that an interrupted one is repeated.
done_with() { [ -f ".venv/$1" ] && [ "$(cat ".venv/$1")" = "$2" ]; }

# --- Python -------------------------------------------------------------------------------

suits_python() {
  "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null
}

find_python() {
  local candidate
  if [ -n "${PYTHON:-}" ]; then
    suits_python "$PYTHON" || die "PYTHON is $PYTHON, which is not Python 3.11, 3.12 or 3.13."
    echo "$PYTHON"
    return
  fi
  for candidate in python3 python3.13 python3.12 python3.11; do
    if command -v "$candidate" >/dev/null && suits_python "$candidate"; then
      echo "$candidate"
      return
    fi
  done
  die "no Python 3.11, 3.12 or 3.13 found ($(python3 --version 2>&1 || true))." \
    "Debian, Ubuntu: apt-get install python3 python3-venv     macOS: brew install python@3.13" \
    "Or set its path: make PYTHON=/path/to/python3.13 ..."
}

install_packages() {
  local python
  python=$(find_python)
  "$python" -c 'import ensurepip, venv' 2>/dev/null ||
    die "$("$python" --version) has no venv module." \
      "Debian, Ubuntu: apt-get install python3-venv" "Or use another: make PYTHON=... "
  say "Creating .venv with $("$python" --version) and the locked packages (a few minutes)"
  # An environment works only at its own path, so the previous one is moved aside, and restored if
  # the new one is not completed.
  if [ -f .venv/packages.stamp ]; then mv .venv .venv.before; else rm -rf .venv; fi
  trap settle_packages EXIT
  "$python" -m venv .venv
  # --no-deps: the lock is complete, and every file in it has its hash.
  .venv/bin/python -m pip install --disable-pip-version-check --progress-bar off \
    --no-deps --require-hashes -r requirements.lock |
    progress "$(grep -c '^[a-z].*==' requirements.lock)" ||
    die "the packages of requirements.lock could not be installed; see pip's errors above." \
      "No network? Behind a proxy: export HTTPS_PROXY=http://host:port" \
      "Your own index: export PIP_INDEX_URL=https://host/simple"
  echo "$packages" >.venv/packages.stamp
  settle_packages
}

settle_packages() { # after an installation, even one that was killed
  [ -d .venv.before ] || return 0
  if [ -f .venv/packages.stamp ]; then
    rm -rf .venv.before
  else
    say "Restoring the previous environment"
    rm -rf .venv
    mv .venv.before .venv
  fi
}

other_python() { # whether PYTHON is another one than the environment's
  local base='import sys; print(sys.base_prefix, sys.version)'
  [ -n "${PYTHON:-}" ] && [ "$("$PYTHON" -c "$base")" != "$(.venv/bin/python -c "$base")" ]
}

progress() { # pip's output for $1 packages, in a few lines
  awk -v total="$1" '
    /^Collecting/ && ++n % 25 == 0 { print "    " n " of " total " packages" }
    /^Building wheels/ { print "    building source packages" }
    /^Installing/ { print "    installing" }
    { fflush() }' >&2
}

# The project runs from the checkout: it only needs a path file and a command.
install_project() {
  local root packages
  root=$(pwd)
  packages=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  echo "$root" >"$packages/data_platform.pth"
  cat >.venv/bin/data-platform <<EOF
#!/bin/sh
'''exec' "$root/.venv/bin/python" "\$0" "\$@"
' '''
import sys

from data_platform.cli.main import main

sys.exit(main())
EOF
  chmod +x .venv/bin/data-platform
}

# --- Java ---------------------------------------------------------------------------------

# The parent of bin/java may not be a Java home: Homebrew's links, the stub in macOS's /usr.
java_home() {
  local home=$1
  if [ ! -r "$1/release" ]; then
    home=$("$1/bin/java" -XshowSettings:properties -version 2>&1 |
      sed -n 's/^ *java\.home = //p')
  fi
  real_path "${home:-$1}"
}

java_version() { # the major version of a Java home; empty if it is not one
  [ -n "$1" ] && [ -x "$1/bin/java" ] || return 0
  if [ -r "$1/release" ]; then
    sed -n 's/^JAVA_VERSION="\([0-9]*\).*/\1/p' "$1/release"
  else
    "$1/bin/java" -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p' | head -n 1
  fi
}

real_path() { "$venv_python" -c 'import os, sys; print(os.path.realpath(sys.argv[1]))' "$1"; }

java_on_path() { # the home that the PATH's java seems to be in; empty if there is none
  local found
  found=$(command -v java || true)
  [ -z "$found" ] || dirname "$(dirname "$(real_path "$found")")"
}

find_java() { # the first suitable Java; nothing if there is none: the default engine needs none
  local before candidate on_path
  on_path=$(java_on_path)
  # The one chosen before: a shell without its JAVA_HOME keeps it.
  before=$(cut -d' ' -f1 .venv/java.stamp 2>/dev/null || true)
  for candidate in "${JAVA_HOME:-}" "$on_path" /usr/lib/jvm/* \
    /Library/Java/JavaVirtualMachines/*/Contents/Home \
    {/opt/homebrew,/usr/local}/opt/openjdk@{17,21}/libexec/openjdk.jdk/Contents/Home \
    "$before"; do
    case "$(java_version "$candidate")" in
      17 | 21)
        java_home "$candidate"
        return
        ;;
    esac
  done
}

say_no_java() {
  local candidate found='' on_path
  on_path=$(java_on_path)
  for candidate in "$on_path" "${JAVA_HOME:-}"; do
    [ -z "$(java_version "$candidate")" ] || found=" ($candidate is $(java_version "$candidate"))"
  done
  say "No Java 17 or 21$found. The default engine, Sail, needs none."
  say "For Spark (DATA_PLATFORM_SPARK=local[*]): apt-get install openjdk-17-jre-headless, or"
  say "brew install openjdk@17, or export JAVA_HOME=/path/to/java-17"
}

# Spark adds an incubating module to every JVM, which prints a warning on each start.
install_java() {
  rm -rf .venv/java
  mkdir -p .venv/java/bin
  cat >.venv/java/bin/java <<EOF
#!/bin/sh
for arg; do
  shift
  [ "\$arg" = --add-modules=jdk.incubator.vector ] || set -- "\$@" "\$arg"
done
exec "$1/bin/java" "\$@"
EOF
  chmod +x .venv/java/bin/java
}

# ------------------------------------------------------------------------------------------

# Concurrent commands run one after the other (if the system has flock).
exec 9<Makefile
if command -v flock >/dev/null; then flock 9; fi

venv_python=.venv/bin/python
packages="$(digest requirements.lock) $(pwd)"
settle_packages
[ -z "${PYTHON:-}" ] || find_python >/dev/null
if ! done_with packages.stamp "$packages" || ! "$venv_python" -c '' 2>/dev/null || other_python; then
  install_packages
  venv_python=.venv/bin/python
fi

script=$(digest tools/bootstrap.sh)
if ! done_with project.stamp "$script"; then
  install_project
  echo "$script" >.venv/project.stamp
fi

java=$(find_java)
if [ -z "$java" ]; then
  if ! done_with java.stamp none; then
    say_no_java
    rm -rf .venv/java .venv/spark-classes.jsa
    echo none >.venv/java.stamp
  fi
  exit
fi
case "${JAVA_HOME:-}" in
  '' | "$java") ;;
  *) [ "$(java_home "$JAVA_HOME" 2>/dev/null)" = "$java" ] ||
    say "JAVA_HOME is $JAVA_HOME, which is not Java 17 or 21; using $java" ;;
esac
classes="$java $(digest "$java/bin/java" "$java/lib/server/"libjvm.* tools/class_archive.py | tr '\n' ' ')"
if ! done_with java.stamp "$classes"; then
  say "Preparing Spark on $java (a class archive, so that sessions start in half the time)"
  install_java "$java"
  .venv/bin/python tools/class_archive.py
  echo "$classes" >.venv/java.stamp
fi
