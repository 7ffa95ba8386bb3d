#!/bin/sh
# Installs the foreign programs of `make interop` from Debian's packages. Safe to repeat.
# What is there already needs no root.
set -eu

missing=''
for pair in /usr/bin/storescu:dcmtk /usr/sbin/Orthanc:orthanc /usr/bin/chromium:chromium; do
    [ -x "${pair%%:*}" ] || missing="$missing ${pair##*:}"
done
command -v npm >/dev/null || missing="$missing npm"
if [ -z "$missing" ]; then
    echo 'The foreign programs are installed.'
    exit 0
fi
if [ "$(id -u)" != 0 ]; then
    echo "Not installed:$missing. Ask root for: apt-get install$missing" >&2
    exit 1
fi

# Debian starts what it installs unless this file says no. One that is there already stays.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi

export DEBIAN_FRONTEND=noninteractive
apt-get update -q
# shellcheck disable=SC2086  # a list of words
apt-get install -q -y --no-install-recommends $missing
