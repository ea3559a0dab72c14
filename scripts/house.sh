# shellcheck shell=bash
# What scripts/synfin and scripts/test share: packages, build folders, one lock. To be sourced.

house_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Debian 12 names. meson brings ninja-build and python3.
# shellcheck disable=SC2034 # read by the scripts that source this file
house_build_packages=(gcc libc6-dev meson pkg-config libpcap-dev libjansson-dev uthash-dev
    libxxhash-dev nettle-dev zlib1g-dev libzstd-dev liblz4-dev libncurses-dev libseccomp-dev)
# shellcheck disable=SC2034
house_test_packages=(libcmocka-dev python3 python3-jsonschema clang libclang-rt-dev clang-format
    universal-ctags python3-pyte valgrind shellcheck tshark tcptrace iproute2 tcpreplay
    tcpdump)

house_say() {
    printf 'synfin: %s\n' "$*" >&2
}

house_die() {
    house_say "$@"
    exit 1
}

# Runs a command silently; shows its output on standard error when it fails.
house_quietly() {
    local log status=0
    log=$(mktemp)
    "$@" >"$log" 2>&1 </dev/null || status=$?
    if [ "$status" -ne 0 ]; then
        house_say "failed ($status): $*"
        cat "$log" >&2
    fi
    rm -f "$log"
    return "$status"
}

# Prints those of the named packages that are not installed.
house_missing() {
    local package
    for package in "$@"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
            echo "$package"
    done
}

house_apt() {
    local as_root=()
    [ "$(id -u)" -eq 0 ] || as_root=(sudo)
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 "$@"
}

# Installs what is missing of the named packages. Other systems than Debian: the build says what
# it lacks.
house_need() {
    local missing=() names
    command -v dpkg-query >/dev/null && command -v apt-get >/dev/null || return 0
    names=$(house_missing "$@")
    [ -n "$names" ] || return 0
    mapfile -t missing <<<"$names"
    names="${missing[*]}"
    [ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null ||
        house_die "packages are missing; as root: apt-get install $names"
    house_say "installing $names ..."
    house_quietly house_apt install -y --no-install-recommends "${missing[@]}" 2>/dev/null &&
        return 0
    # An empty machine has no package lists, an old one stale ones.
    house_quietly house_apt update || house_die "cannot read the package lists"
    house_quietly house_apt install -y --no-install-recommends "${missing[@]}" ||
        house_die "cannot install: $names"
}

# house_build FOLDER TARGET [meson setup options]: configures once, then builds what has changed.
# Runs that start at the same time wait for each other. An empty TARGET is everything.
house_build() {
    local folder=$house_root/$1 target=$2 lock
    shift 2
    mkdir -p "$folder"
    exec {lock}>"$folder/.lock"
    flock "$lock"
    if [ ! -f "$folder/build.ninja" ]; then
        house_quietly meson setup "$folder" "$house_root" "$@" || return 1
    fi
    if [[ $(ninja -C "$folder" -n ${target:+"$target"} 2>&1) != *"no work to do"* ]]; then
        house_say "building ${folder##*/} ..."
        house_quietly ninja -C "$folder" ${target:+"$target"} || return 1
    fi
    exec {lock}>&-
}
