#!/bin/bash
# headers_alone.sh INCLUDE/firecaffe "COMPONENTS" COMPILER FLAG...: every header compiles by itself, without warnings.
# Headers of components that are not in COMPONENTS are left out; those for nvcc and NCCL are compiled by tests/cuda.
set -uo pipefail
root=$1 components=" $2 "; shift 2
headers() {
  find "$root" -name '*.hpp' -not -path "$root/cuda/*" -not -path "$root/cuda.hpp" -not -name 'nccl*' | sort | while read -r header; do
    case "${header#"$root"/}" in
      cpu.hpp | cpu/*) [[ $components == *" cpu "* ]] || continue ;;
      mpi.hpp | comm/mpi*) [[ $components == *" mpi "* ]] || continue ;;
      data/jpeg.hpp | data/png.hpp | data/decode.hpp | data/image_files.hpp | data/folder.hpp | data/list.hpp)
        [[ $components == *" images "* ]] || continue ;;
      data/protobuf.hpp | data/datum.hpp | data/mean_file.hpp) [[ $components == *" protozero "* ]] || continue ;;
      data/lmdb.hpp) [[ $components == *" lmdb "* ]] || continue ;;
      data/hdf5*) [[ $components == *" hdf5 "* ]] || continue ;;
    esac
    echo "$header"
  done
}
count=$(headers | wc -l)
[ "$count" -gt 0 ] || { echo "no headers in $root"; exit 1; }
command=("$@" -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror -fsyntax-only -x c++)
one='header=$1; shift; printf "#include \"%s\"\n#include \"%s\"\n" "$header" "$header" | "$@" - || { echo "does not compile alone: $header"; exit 1; }'
jobs=$(nproc 2>/dev/null || echo 1); [ "$jobs" -gt 4 ] && jobs=4
headers | tr '\n' '\0' | xargs -0 -P "$jobs" -I{} bash -c "$one" - {} "${command[@]}" || exit 1
echo "$count headers"
