#!/bin/sh
# tests/check.sh BUILD_DIR: what the compiler does not prove about the code's shape. A line a check, and at the
# end how many held.
set -u
build=${1:-build}
out=$build/check
passed=0
failed=0
export LC_ALL=C
mkdir -p "$out"

# verdict NAME FILE: the check holds if FILE, a list of what is wrong, is empty.
verdict()
{
    if [ -s "$2" ]; then
        echo "FAIL  $1"
        sed 's/^/          /' "$2"
        failed=$((failed + 1))
    else
        echo "ok    $1"
        passed=$((passed + 1))
    fi
}

sources()
{
    find "$@" -name '*.[ch]' | sort
}

# ---- who includes whom

# may FOLDER PATTERN: the quoted includes of FOLDER's files all match the extended regular expression
may()
{
    for file in $(sources "$1"); do
        sed -n 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*"\([^"]*\)".*/\1/p' "$file" |
            grep -Ev "^($2)\$" | sed "s|^|$file includes |"
    done
}

check_includes()
{
    here='[a-z0-9_]+\.h' # in the same folder
    {
        may src/util "$here|util/$here"
        may src/wire "$here|(util|wire)/$here"
        may src/tcp "$here|(util|wire|tcp)/$here"
        may src/stack "$here|(util|wire|tcp|stack)/$here"
        may src/linux "$here|linux/$here"
        may include 'mytcp\.h'
        may tools "$here|\.\./lib/$here"
        # a plain name must be a file of the same folder, or a public header
        for file in $(sources src tools); do
            room=$(dirname "$file")
            for name in $(sed -n 's/^#include "\([^"\/]*\)".*/\1/p' "$file"); do
                [ -e "$room/$name" ] && continue
                case $room:$name in
                src/stack:mytcp.h | src/linux:mytcp*.h | tools/*:mytcp*.h) [ -e "include/$name" ] && continue ;;
                esac
                echo "$file includes $name"
            done
        done
        # angle brackets do not get around it
        grep -nE '^#include <(util|wire|tcp|stack|mytcp)' $(sources src tools include)
    } >"$out/includes"
    verdict "a folder includes only what stands below it" "$out/includes"
}

# ---- what the objects hold

# D06
check_variables()
{
    for object in $objects; do
        objdump -t "$object" | awk -v file="$object" '
            / O / && ($0 ~ /[ \t]\.(t?data|t?bss|sdata|sbss)/ || $0 ~ /\*COM\*/) && $0 !~ /\.data\.rel\.ro/ {
                print file ": " $NF
            }'
    done >"$out/variables"
    verdict "the library has no mutable variable outside its objects' memory" "$out/variables"
}

check_exports()
{
    nm -D --defined-only "$build/libmytcp.so" | awk '{ print $NF }' | sort >"$out/exported"
    grep -v '^mytcp_' "$out/exported" >"$out/exports"
    verdict "libmytcp.so exports mytcp_* only" "$out/exports"

    grep -hv '^#define' include/*.h | tr '\n' ' ' | grep -oE 'MYTCP_API [^;(]*\(' |
        sed 's/.*[ *]\(mytcp_[a-z0-9_]*\)($/\1/' | sort -u >"$out/declared"
    comm -3 "$out/declared" "$out/exported" >"$out/exports"
    verdict "libmytcp.so exports what the headers declare, all of it and nothing else" "$out/exports"
}

# The functions that the core may call: none of them asks the system, the clock or chance for anything.
pure='mem(cpy|move|set|cmp|chr)|explicit_bzero|str(len|n?cmp|n?casecmp|r?chr|nlen|n?cpy|n?cat|spn|cspn|toull?)'
pure="$pure|v?snprintf|malloc|calloc|realloc|free|inet_(pton|ntop)|__errno_location|abort|__assert_fail"
pure="$pure|__(memcpy|memmove|memset|snprintf|vsnprintf|stack)_chk(_fail)?|_GLOBAL_OFFSET_TABLE_"
pure="$pure|__isoc23_strtoul|__isoc23_strtoull"

check_purity()
{
    core=$(echo "$objects" | grep -v "/src/linux/")
    nm --defined-only $core | awk 'NF == 3 { print $3 }' | sort -u >"$out/core"
    for object in $core; do
        nm -u "$object" | awk -v file="$object" 'NF == 2 { print $2 " " file }'
    done | sort | join -v 1 - "$out/core" | grep -Ev "^($pure) " |
        sed 's/\(.*\) \(.*\)/\2: \1/' >"$out/purity"
    verdict "no system call, clock, chance, I/O or thread outside src/linux" "$out/purity"
}

# ---- warnings

check_warnings()
{
    flags="-std=c11 -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wstrict-prototypes -Werror"
    flags="$flags -D_GNU_SOURCE -Isrc -Iinclude -Itests -isystem /usr/include/lwip"
    find src tools tests -name '*.c' | sort >"$out/all"
    # libFuzzer is clang's
    grep -v '^tests/fuzz/' "$out/all" | xargs -P "$(nproc)" -n 8 gcc $flags -fsyntax-only >"$out/gcc" 2>&1
    verdict "gcc has no warning about any file" "$out/gcc"
    xargs -P "$(nproc)" -n 8 clang $flags -fsyntax-only <"$out/all" >"$out/clang" 2>&1
    verdict "clang has no warning about any file" "$out/clang"
    find include -name '*.h' | xargs -n 1 gcc $flags -fsyntax-only -x c >"$out/headers" 2>&1
    verdict "each public header stands alone" "$out/headers"
}

# ---- sizes

check_sizes()
{
    for file in $(sources src include tools tests); do
        awk -v file="$file" 'END { if (NR > 500) print file ": " NR " lines" }' "$file"
    done >"$out/files"
    verdict "no file has more than 500 lines" "$out/files"

    for file in $(sources src tools tests); do
        awk -v file="$file" '
            /^\{/ { start = NR; name = before }
            /^\}/ { if (start && NR - start - 1 > 70) print file ": " NR - start - 1 " lines: " name; start = 0 }
            { before = $0 }' "$file"
    done >"$out/functions"
    verdict "no function has more than 70 lines" "$out/functions"
}

# ---- the ids of requirements and attacks

check_matrix()
{
    # the totals are the release's business
    tests/matrix/matrix.sh check | grep -v 'other totals' >"$out/matrix"
    verdict "no MUST is without a test, and every id in a comment is a row and stands at a test that is run" \
        "$out/matrix"
}

if ! ${MAKE:-make} -s "B=$build" "$build/libmytcp.so"; then
    echo "FAIL  the library builds"
    echo "0 passed, 1 failed"
    exit 1
fi
objects=$(find src -name '*.c' | sort | sed "s|\(.*\)\.c|$build/rel/\1.o|")
check_includes
check_variables
check_exports
check_purity
check_warnings
check_sizes
check_matrix
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
