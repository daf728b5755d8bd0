#!/bin/bash
# run.sh installed|subdirectory SOURCE BUILD WORK "COMPONENTS" CMAKE CXX GENERATOR: builds and runs the outside project.
set -euo pipefail
way=$1 source=$2 build=$3 work=$4 cmake=$6 cxx=$7 generator=$8
read -ra used <<<"$5"
components=$(IFS=';'; echo "${used[*]:1}")  # the first is the library itself
rm -rf "$work"; mkdir -p "$work"; trap 'rm -rf "$work"' EXIT
configure() { "$cmake" -S "$source/tests/consumer" -G "$generator" -DCMAKE_CXX_COMPILER="$cxx" -DCMAKE_BUILD_TYPE=Debug "$@"; }

if [ "$way" = installed ]; then
  "$cmake" --install "$build" --prefix "$work/first" >"$work/install.log"
  mv "$work/first" "$work/moved prefix"  # the package does not know where it was installed
  options=(-DCMAKE_PREFIX_PATH="$work/moved prefix")
  if configure -B "$work/missing" "${options[@]}" -DCOMPONENTS='nosuch' >"$work/missing.log" 2>&1; then
    echo "a component that does not exist is found"; exit 1
  fi
  grep -q 'firecaffe::nosuch: there is no such' "$work/missing.log" || { cat "$work/missing.log"; exit 1; }
  if grep -rq -e "$source" -e "$work/first" "$work/moved prefix"; then echo "the package names the place of its source"; exit 1; fi
else
  options=(-DCONSUMER_SUBDIRECTORY="$source")
fi
configure -B "$work/build" "${options[@]}" -DCOMPONENTS="$components"
"$cmake" --build "$work/build"
for component in "${used[@]}"; do "$work/build/use_$component"; done
