#!/bin/sh
# Installs chatd from this folder into a new virtual environment; it needs no network.
#
#     sh install.sh FOLDER         for instance /opt/chatd-0.1.0; PYTHON=python3.11 chooses the Python
set -eu
umask 022  # whoever installs it, the daemon's user reads it
target=${1:?usage: sh install.sh FOLDER}
cd "$(dirname "$0")"
sha256sum --quiet --check SHA256SUMS
case $target in /*) ;; *) target=$OLDPWD/$target ;; esac
[ ! -e "$target" ] || { echo "$target exists: name another folder, or remove it first" >&2; exit 1; }
"${PYTHON:-python3}" -m venv "$target"
pip() { "$target/bin/python" -m pip --disable-pip-version-check --quiet install --no-index --find-links . "$@"; }
pip --require-hashes -r requirements.lock
pip --no-deps chatd-*.whl
# Twisted writes its cache of plugins now, because the daemon's user can't write there.
"$target/bin/twistd" --help > /dev/null
"$target/bin/twistd" chatd --version
