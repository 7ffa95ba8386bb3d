#!/bin/sh
# Installs the peers that `make bench` measures against, from Debian's packages, without starting
# their services. Safe to repeat. Needs root.
set -eu

PACKAGES='curl orthanc orthanc-postgresql orthanc-dicomweb dcmtk'

is_installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

missing=''
for package in $PACKAGES; do
    is_installed "$package" || missing="$missing $package"
done
if [ -z "$missing" ]; then
    echo 'The peers are installed.'
    exit 0
fi

# Debian starts what it installs unless this file says no. One that is there already stays.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod 755 "$policy"
fi

export DEBIAN_FRONTEND=noninteractive
apt-get update -q
# shellcheck disable=SC2086  # a list of words
apt-get install -q -y --no-install-recommends $missing
