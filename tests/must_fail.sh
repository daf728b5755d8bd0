#!/bin/bash
# must_fail.sh REGEX COMMAND...: passes if the command ends with a status that is not 0 and its output matches (grep -E).
regex=$1; shift
output=$("$@" 2>&1); status=$?
printf '%s\n' "$output"
[ $status != 0 ] || { echo "must_fail.sh: it ended with status 0"; exit 1; }
grep -qE -- "$regex" <<<"$output" || { echo "must_fail.sh: the output does not match '$regex'"; exit 1; }
