#!/bin/bash
# check.sh SOURCE COMPILER FLAG...: judges one compile-fail test. SOURCE says what must happen:
#   // expect: <regex>   it does not compile, and the compiler's message matches (grep -E); every such line must match
#   // accept            it compiles: the twin that shows what was wrong in the other
# check.sh --self-test COMPILER FLAG...: proves that the judge can say no.
set -uo pipefail
export LC_ALL=C

judge() {
  local source=$1 status=0 message expected; shift
  mapfile -t expected < <(sed -n 's|^[[:space:]]*// expect: *||p' "$source")
  message=$("$@" -fsyntax-only "$source" 2>&1) || status=$?
  if grep -q '^[[:space:]]*// accept *$' "$source"; then
    [ "${#expected[@]}" = 0 ] || { echo "$source: says both '// accept' and '// expect:'"; return 1; }
    [ $status = 0 ] || { echo "$source: must compile, but:"; echo "$message"; return 1; }
    return 0
  fi
  [ "${#expected[@]}" -gt 0 ] || { echo "$source: says neither '// accept' nor '// expect: <regex>'"; return 1; }
  [ $status != 0 ] || { echo "$source: must not compile, but does"; return 1; }
  local regex
  for regex in "${expected[@]}"; do
    grep -qE -- "$regex" <<<"$message" || { echo "$source: the message does not match '$regex':"; echo "$message"; return 1; }
  done
}

if [ "${1:-}" = --self-test ]; then
  shift
  dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
  wrong='static_assert(sizeof(char) == 2, "characters are small");'
  try() {  # try yes|no NAME TEXT COMPILER FLAG...
    local want=$1 name=$2; printf '%s\n' "$3" > "$dir/$name.cpp"; shift 3
    local got=no; judge "$dir/$name.cpp" "$@" >/dev/null && got=yes
    [ $got = $want ] || { echo "the judge says '$got' to $name, not '$want'"; exit 1; }
  }
  try yes fails_as_expected "// expect: characters are small"$'\n'"$wrong" "$@"
  try yes two_expectations "// expect: static.assert"$'\n'"// expect: are small"$'\n'"$wrong" "$@"
  try yes compiles_as_expected "// accept"$'\n'"int x;" "$@"
  try no compiles_but_should_not "// expect: characters"$'\n'"int x;" "$@"
  try no another_message "// expect: characters are large"$'\n'"$wrong" "$@"
  try no one_of_two_messages "// expect: are small"$'\n'"// expect: are large"$'\n'"$wrong" "$@"
  try no should_compile "// accept"$'\n'"$wrong" "$@"
  try no says_nothing "$wrong" "$@"
  try no says_both "// accept"$'\n'"// expect: small"$'\n'"int x;" "$@"
  exit 0
fi
judge "$@"
