# What the scripts of the machine say of their statements.
wrong=0 number=0

# check WHAT COMMAND...: the command succeeds.
check() {
    local what=$1
    shift
    number=$((number + 1))
    if "$@"; then
        echo "PASS $what"
    else
        echo "FAIL $what"
        wrong=$((wrong + 1))
    fi
}
# soon WHAT SECONDS COMMAND...: it succeeds within this time.
soon() {
    local what=$1 end=$((SECONDS + $2))
    shift 2
    until "$@" >/dev/null 2>&1 || [ $SECONDS -ge $end ]; do sleep 0.2; done
    check "$what" "$@"
}
# equal WHAT FOUND WANTED
equal() {
    check "$1 ($2)" [ "$2" = "$3" ]
    [ "$2" = "$3" ] || echo "     wanted: $3"
}
