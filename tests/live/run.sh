#!/usr/bin/env bash
# tests/live/run.sh BUILD_DIR [GROUP...] - the live tests: the Linux kernel, nc and curl as the other
# end of a TUN device. Each group (a file t_*.sh beside this one) runs in a network namespace of its
# own, two groups at a time. Speaks TAP.
set -u
here=$(cd "$(dirname "$0")" && pwd) || exit 1
build=$(cd "${1:?usage: tests/live/run.sh BUILD_DIR [GROUP...]}" && pwd) || exit 1
shift
groups=("$@")
if [ ${#groups[@]} = 0 ]; then
    for file in "$here"/t_*.sh; do
        file=${file##*/t_}
        groups+=("${file%.sh}")
    done
fi

# As root a network namespace will do (tcpdump, for one, changes its user); else a user namespace too.
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
enter=
for way in "unshare -n --kill-child" "unshare -rn --kill-child"; do
    if $way ip tuntap add dev probe0 mode tun 2>>"$work/why"; then
        enter=$way
        break
    fi
done
if [ -z "$enter" ]; then
    n=0
    for group in "${groups[@]}"; do
        n=$((n + 1))
        echo "ok $n - live group $group # SKIP no TUN device in a namespace: $(tail -n 1 "$work/why")"
    done
    echo "1..$n"
    exit 0
fi

export here build
printf '%s\n' "${groups[@]}" | xargs -P 2 -I{} sh -c \
    "timeout -k 5 150 $enter bash '$here/lib.sh' '{}' >'$work/{}.out' 2>&1; echo \$? >'$work/{}.rc'"

# Number the groups' lines as one TAP stream; a group that broke off is one failure.
n=0 bad=0
for group in "${groups[@]}"; do
    while IFS= read -r line; do
        case $line in
        "ok - "*) n=$((n + 1)) line="ok $n ${line#ok }" ;;
        "not ok - "*) n=$((n + 1)) bad=1 line="not ok $n ${line#not ok }" ;;
        esac
        printf '%s\n' "$line"
    done <"$work/$group.out"
    rc=$(cat "$work/$group.rc")
    if ! grep -q '^# end of group' "$work/$group.out"; then
        n=$((n + 1)) bad=1
        echo "not ok $n - live group $group runs to its end (exit status $rc)"
    fi
done
echo "1..$n"
exit "$bad"
