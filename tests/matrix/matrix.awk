# matrix.awk - which test answers which row. Reads requirements.tsv, attacks.tsv and deviations.tsv, then the
# tests; see matrix.sh for what it prints and when it fails.
#
# A row is answered where the test is: its id stands in the comment directly above the test, or in a comment
# within it. A test is
#     tests/unit, tests/wire    a cmocka test that the file's list runs; a helper's ids are those of the tests
#                               that call it
#     tests/lib, sim, fuzz, event, costs
#                               a function of what every wire test, run, input, cell or attack goes through
#     tests/live                a function of a group that an `it` line runs, or a function of the clients
#     tests/check.sh            a function check_*

BEGIN { FS = "\t" }

# ---- the rows

FILENAME ~ /requirements\.tsv$/ || FILENAME ~ /attacks\.tsv$/ {
    if (FNR == 1)
        next
    if ($1 in words)
        error($1 " is there twice")
    ids[++n_ids] = $1
    if (FILENAME ~ /attacks/) {
        level[$1] = "attack"
        rfc[$1] = substr($1, 1, 1)
        words[$1] = $2
        letter[rfc[$1]]
    } else {
        rfc[$1] = $2
        level[$1] = $4
        words[$1] = $5
        is_rfc[$2]
    }
    if (!((rfc[$1], "rows") in total))
        groups[++n_groups] = rfc[$1]
    total[rfc[$1], "rows"]++
    next
}

FILENAME ~ /deviations\.tsv$/ {
    if (FNR == 1)
        next
    if (!($1 in words))
        error("a deviation of " $1 ", which is no row")
    if ($1 in kind)
        error("two deviations of " $1)
    if (NF != 3 || $3 == "" || ($2 != "differs" && $2 != "n/a"))
        error("deviation of " $1 ": id, differs or n/a, reason")
    kind[$1] = $2
    reason[$1] = $3
    next
}

# ---- the tests

FNR == 1 {
    FS = "\n"
    split("", pending)
    n_pending = in_comment = 0
    test = ""
    style = FILENAME ~ /\.sh$/ ? "sh" : "c"
    cmocka = FILENAME ~ /^tests\/(unit|wire)\//
    live = FILENAME ~ /^tests\/live\//
    place = FILENAME
    sub(/^tests\//, "", place)
    sub(/\.(c|sh)$/, "", place)
    sub(/wire\/test_/, "wire/", place)
}

{
    line = $0
    if (cmocka || live)
        note_runs(line)
    if (style == "sh") {
        shell_line(line)
    } else {
        c_line(line)
    }
}

function c_line(line,    name, comment)
{
    comment = comment_of(line) # sets code
    if (comment != "")
        take(comment)
    if (code ~ /^[ \t]*$/) {
        if (comment == "" && !in_comment)
            drop_pending()
        return
    }
    if (test == "" && (name = function_name(code)) != "")
        begin(name)
    else if (test == "" && code ~ /^[A-Za-z]/)
        drop_pending()
    if (cmocka && test != "")
        note_calls(code)
    if (code ~ /^}/ || (code ~ /^[A-Za-z].*[{].*}[ \t]*$/))
        test = ""
}

# What of LINE stands in a C comment; the rest goes to `code`.
function comment_of(line,    text, at)
{
    text = code = ""
    while (line != "") {
        if (in_comment) {
            at = index(line, "*/")
            in_comment = at == 0
            text = text " " (at ? substr(line, 1, at - 1) : line)
            line = at ? substr(line, at + 2) : ""
        } else {
            at = index(line, "/*")
            in_comment = at != 0
            code = code (at ? substr(line, 1, at - 1) : line)
            line = at ? substr(line, at + 2) : ""
        }
    }
    return text
}

# The function whose definition CODE begins, or nothing.
function function_name(code,    name)
{
    name = code
    if (code ~ /^SCENARIO\(/) {
        sub(/^SCENARIO\(/, "", name)
        sub(/[,)].*/, "", name)
        is_test[FILENAME, name]
        return name
    }
    if (code !~ /^[A-Za-z].*\(/ || code ~ /^[A-Z_]+\(/ || code ~ /(;|=.*)[ \t]*$/)
        return ""
    sub(/\(.*/, "", name)
    sub(/.*[ *]/, "", name)
    if (code ~ /\(void \*\*/)
        is_test[FILENAME, name]
    functions[FILENAME, name]
    return name
}

# Which helpers the body's line calls.
function note_calls(code,    n, part, i)
{
    n = split(code, part, /[^a-z_0-9]+/)
    for (i = 1; i <= n; i++)
        if (part[i] != test && (FILENAME, part[i]) in functions)
            callers[FILENAME, part[i]] = callers[FILENAME, part[i]] " " test
}

function shell_line(line,    name)
{
    if (test == "" && line ~ /^[a-z_0-9]+\(\)/) {
        name = line
        sub(/\(\).*/, "", name)
        begin(name)
        if (live || name ~ /^check_/)
            is_test[FILENAME, name]
    }
    if (match(line, /(^|[ \t])#.*/))
        take(substr(line, RSTART))
    else if (test == "")
        drop_pending()
    if (line ~ /^}/ || line ~ /^[a-z_0-9]+\(\) *\{.*\}$/)
        test = ""
}

# The names that the file's list runs: a word in parentheses or behind an `it` sentence.
function note_runs(line,    n, part, i)
{
    if (style == "sh") {
        if (line ~ /^it "/) {
            sub(/^it "[^"]*" */, "", line)
            sub(/ .*/, "", line)
            runs[FILENAME, line]
        }
        return
    }
    if (line ~ /^SCENARIO|^static/)
        return
    n = split(line, part, /[^a-zA-Z_0-9]+/)
    for (i = 1; i <= n; i++)
        runs[FILENAME, part[i]]
}

function begin(name,    i)
{
    test = name
    for (i = 1; i <= n_pending; i++)
        claim(pending[i])
    n_pending = 0
}

function claim(id)
{
    n_claims++
    claim_id[n_claims] = id
    claim_test[n_claims] = test
    claim_file[n_claims] = FILENAME
    place_of[FILENAME] = place
}

# The ids in TEXT answer to the test we are in, or to the one that follows.
function take(text,    n, part, i, id)
{
    gsub(/CVE-[0-9]+-[0-9]+/, "", text)
    n = split(text, part, /[^A-Za-z0-9.-]+/)
    for (i = 1; i <= n; i++) {
        id = part[i]
        sub(/[.-]+$/, "", id)
        if (!is_id(id))
            continue
        if (!(id in words))
            error(FILENAME ":" FNR ": " id " is no row")
        else if (test != "")
            claim(id)
        else
            pending[++n_pending] = id
    }
}

function is_id(id,    head)
{
    if (id in words)
        return 1
    if (id ~ /^[0-9]+-/) {
        head = id
        sub(/-.*/, "", head)
        return head in is_rfc
    }
    return id ~ /^[A-Z][0-9][0-9][0-9]?$/ && substr(id, 1, 1) in letter
}

function drop_pending(    i)
{
    for (i = 1; i <= n_pending; i++)
        error(FILENAME ":" FNR - 1 ": " pending[i] " stands at no test")
    n_pending = 0
}

# TEST of FILE, or what calls it, answers ID.
function answer(id, file, test,    key, n, part, i)
{
    if (file ~ /^tests\/(unit|wire)\// && !((file, test) in is_test)) {
        n = split(callers[file, test], part, " ")
        for (i = 1; i <= n; i++)
            answer(id, file, part[i])
        return
    }
    key = place_of[file] ":" test
    if ((id, key) in answered)
        return
    answered[id, key]
    n_answers[id]++
    answers[id, n_answers[id]] = key
    if (file ~ /^tests\/(unit|wire|live\/t_)/ && !((file, test) in runs))
        error(key " is run by no list")
}

function error(text)
{
    errors[++n_errors] = text
}

# ---- the table

END {
    drop_pending()
    for (i = 1; i <= n_claims; i++)
        answer(claim_id[i], claim_file[i], claim_test[i])
    for (i = 1; i <= n_ids; i++)
        judge(ids[i])
    for (i = 1; i <= n_open; i++)
        if (level[open[i]] ~ /^MUST/)
            error(open[i] " is a " level[open[i]] " without a test")
    if (mode == "readme") {
        print_markdown()
        exit 0
    }
    if (mode == "show") {
        print_rows()
        print_totals()
    }
    for (i = 1; i <= n_errors; i++)
        print "error: " errors[i]
    exit n_errors != 0
}

function judge(id,    what)
{
    what = id in kind ? kind[id] : id in n_answers ? "tested" : "open"
    state[id] = what
    total[rfc[id], what]++
    total[level[id], what]++
    total[level[id], "rows"]++
    if (what == "open")
        open[++n_open] = id
}

function print_rows(    i, j, id)
{
    for (i = 1; i <= n_ids; i++) {
        id = ids[i]
        printf "%-16s %-10s %-8s %s\n", id, level[id], state[id], words[id]
        if (id in kind)
            printf "%37s%s\n", "", "= " reason[id]
        for (j = 1; j <= n_answers[id] && j <= 4; j++)
            printf "%37s%s\n", "", "> " answers[id, j]
        if (j <= n_answers[id])
            printf "%37s%s\n", "", "> and " n_answers[id] - j + 1 " more"
    }
    print ""
}

function print_total(name, key)
{
    printf "%-12s %5d %7d %8d %5d %5d\n", name, total[key, "rows"], total[key, "tested"],
        total[key, "differs"], total[key, "n/a"], total[key, "open"]
}

function print_markdown(    i, n, names)
{
    print "| | rows | tested | we differ | not applicable | open |"
    print "|---|--:|--:|--:|--:|--:|"
    n = split("MUST|MUST NOT|SHOULD|SHOULD NOT|MAY|attack", names, "|")
    for (i = 1; i <= n; i++)
        printf "| %s | %d | %d | %d | %d | %d |\n", names[i], total[names[i], "rows"],
            total[names[i], "tested"], total[names[i], "differs"], total[names[i], "n/a"],
            total[names[i], "open"]
}

function print_totals(    i, n, names)
{
    printf "%-12s %5s %7s %8s %5s %5s\n", "", "rows", "tested", "differs", "n/a", "open"
    for (i = 1; i <= n_groups; i++)
        print_total((groups[i] in letter ? "attacks " : "RFC ") groups[i], groups[i])
    print ""
    n = split("MUST|MUST NOT|SHOULD|SHOULD NOT|MAY|attack", names, "|")
    for (i = 1; i <= n; i++)
        print_total(names[i], names[i])
    print ""
    for (i = 1; i <= n_open; i++)
        printf "open: %-16s %-10s %s\n", open[i], level[open[i]], words[open[i]]
}
