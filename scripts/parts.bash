# What scripts/test and scripts/interop share; to be sourced. Says which part runs, how long each took, and where it
# stopped.
# shellcheck shell=bash

summary=""
current="start"

finish() {
    local status=$?
    if [ $status = 0 ]; then
        echo "PASSED:${summary%,}"
    else
        echo "FAILED at: $current (status $status); before it:${summary%,}" >&2
    fi
}
trap finish EXIT

# part NAME COMMAND...: shows the command, runs it, remembers how long it took.
part() {
    current=$1
    shift
    echo "== $current: $*"
    local start=$SECONDS
    "$@"
    summary+=" $current $((SECONDS - start))s,"
}

has() { command -v "$1" >/dev/null 2>&1; }

need_rust() {
    if ! has cargo; then
        echo "Rust is missing; install it as https://rustup.rs says" >&2
        exit 1
    fi
}

# apt_install PACKAGE...: nothing to do without any.
apt_install() {
    if [ $# = 0 ]; then return; fi
    if ! has apt-get; then
        echo "Install what Debian calls: $*" >&2
        return 1
    fi
    echo "Installing: $*"
    local sudo=()
    [ "$(id -u)" = 0 ] || sudo=(sudo)
    "${sudo[@]}" apt-get update -q
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y --no-install-recommends "$@"
}

# npm_packages FOLDER...: by their locks, where they are not there yet.
npm_packages() {
    local folder
    for folder in "$@"; do
        if [ "$folder/node_modules/.package-lock.json" -nt "$folder/package-lock.json" ]; then continue; fi
        npm ci --prefix "$folder"
    done
}

node_is_new_enough() {
    [ "$(node -p 'Number(process.versions.node.split(".")[0]) >= 20' 2>/dev/null)" = true ]
}

# Debian 12 has Node 18, which fetches a newer one out of npm for itself.
newer_node() {
    local folder
    if node_is_new_enough; then return; fi
    npm_packages tests/interop/node
    # One for each architecture, of which npm installs ours.
    for folder in "$PWD"/tests/interop/node/node_modules/node-linux-*/bin; do
        PATH=$folder:$PATH
    done
    hash -r
    if ! node_is_new_enough; then
        echo "Node.js 20 or later is needed: https://nodejs.org" >&2
        return 1
    fi
}
