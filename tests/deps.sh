#!/bin/sh
# tests/deps.sh demo|test|bench|check|fuzz|instruments: is everything there that `make WHAT` needs? What is missing is
# installed if that is possible (root on Debian or Ubuntu), else the line that does it is printed.
set -u
PATH=$PATH:/usr/sbin:/sbin
what=${1:-test}
missing=

# need PACKAGE COMMAND...: the package, unless the command succeeds
need()
{
    package=$1
    shift
    "$@" >/dev/null 2>&1 || missing="$missing $package"
}

has()
{
    command -v "$1"
}

header()
{
    echo "#include <$1>" | cc -E -
}

openbsd_nc()
{
    nc -h 2>&1 | grep -q OpenBSD
}

fuzzer_runtime()
{
    program=$(mktemp)
    echo 'int LLVMFuzzerTestOneInput(const char *d, unsigned long n) { return !d && n; }' |
        clang -fsanitize=fuzzer -x c - -o "$program"
    status=$?
    rm -f "$program"
    return $status
}

clang_runtime_package()
{
    clang --version 2>/dev/null | sed -n 's/.*version \([0-9]*\).*/libclang-rt-\1-dev/p'
}

look()
{
    missing=
    need gcc has gcc
    need gcc has cc
    need make has make
    need libc6-dev header stdio.h
    need linux-libc-dev header linux/if_tun.h
    need util-linux has unshare
    case $what in
    demo | test | bench | instruments)
        need iproute2 has ip
        need iproute2 has ss
        ;;
    esac
    case $what in
    demo | test)
        need netcat-openbsd openbsd_nc
        need curl has curl
        need mawk has awk
        ;;
    esac
    case $what in
    test | check | instruments)
        need libcmocka-dev header cmocka.h
        ;;
    esac
    case $what in
    test | check)
        need liblwip-dev test -e /usr/include/lwip/lwip/sockets.h
        ;;
    esac
    case $what in
    test)
        need nftables has nft
        ;;
    check)
        need clang has clang
        need binutils has objdump
        ;;
    instruments)
        need valgrind has valgrind
        ;;
    esac
    case $what in
    fuzz | instruments)
        need clang has clang
        if has clang >/dev/null; then
            need "$(clang_runtime_package)" fuzzer_runtime
        fi
        ;;
    esac
    missing=$(echo $missing | tr ' ' '\n' | sort -u | tr '\n' ' ')
    missing=${missing% }
    [ -z "$missing" ]
}

install_them()
{
    DEBIAN_FRONTEND=noninteractive
    export DEBIAN_FRONTEND
    # without package lists, or with old ones, the first try fails
    apt-get install -y -qq --no-install-recommends $missing >/dev/null 2>&1 && return
    apt-get update -qq && apt-get install -y -qq --no-install-recommends $missing >/dev/null
}

case $what in
demo | test | bench | check | fuzz | instruments) ;;
*)
    echo "usage: tests/deps.sh demo|test|bench|check|fuzz|instruments" >&2
    exit 2
    ;;
esac

look && exit 0
if [ "$(id -u)" = 0 ] && has apt-get >/dev/null; then
    echo "installing what make $what needs: $missing"
    install_them
    look && exit 0
    # a compiler that has just come may show what else is missing
    install_them
    look && exit 0
    echo "make $what needs these packages, and they could not be installed: $missing" >&2
elif has apt-get >/dev/null; then
    echo "make $what needs more than is installed. This line installs it:" >&2
    echo "    sudo apt-get update && sudo apt-get install -y --no-install-recommends $missing" >&2
else
    echo "make $what needs what these Debian packages hold: $missing" >&2
fi
exit 1
