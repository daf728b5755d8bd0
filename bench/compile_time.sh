#!/bin/bash
# compile_time.sh [--rounds N] [--large]: seconds and peak memory to compile and link examples/lenet.cpp, a flat network of
# 150 layers, bench/flat150.cpp, and dlib's LeNet trainer, bench/peers/dlib_lenet.cpp, where dlib is (Debian: libdlib-dev);
# with --large trainers of GoogLeNet and ResNet-50, ours (bench/trainers) and dlib's (bench/peers), ResNet-50 also with its
# `repeat`. All with the same compiler and flags (CXX; CXXFLAGS, by default -O2 -std=c++20), in turns. Prints one JSON line
# for every run, and one with the medians for each program.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
rounds=3 large=0
while [ $# -gt 0 ]; do
  case $1 in
    --rounds) rounds=$2; shift ;; --large) large=1 ;;
    *) sed -n '2,6s/^# //p' "${BASH_SOURCE[0]}"; exit 2 ;;
  esac
  shift
done
cxx=${CXX:-c++}
read -ra flags <<<"${CXXFLAGS:--O2 -std=c++20}"
export CCACHE_DISABLE=1 OMPI_CXX=$cxx MPICH_CXX=$cxx
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
say() { echo "compile_time: $*" >&2; }
"$cxx" -O1 -std=c++20 "$root/bench/measure.cpp" -o "$work/measure"

# The flags that CMake would give: MPI's from its compiler wrapper, the BLAS that is there.
mpi=(); read -ra mpi <<<"$(mpicxx --showme:compile 2>/dev/null || mpicxx -compile_info 2>/dev/null | cut -d' ' -f2- || true)"
mpi_libraries=(); read -ra mpi_libraries <<<"$(mpicxx --showme:link 2>/dev/null || mpicxx -link_info 2>/dev/null | cut -d' ' -f2- || true)"
blas=()
for library in openblas flexiblas blis mkl_rt cblas; do
  if echo 'extern "C" float cblas_sdot(int, const float*, int, const float*, int); int main() { float x = 1; return cblas_sdot(1, &x, 1, &x, 1) != 1; }' |
     "$cxx" -x c++ - -o "$work/blas" "-l$library" 2>/dev/null; then blas=("-l$library"); break; fi
done
library=(-I"$root/include" "${mpi[@]}" -DOMPI_SKIP_MPICXX -DMPICH_SKIP_MPICXX -fopenmp -pthread)
libraries=("${mpi_libraries[@]}" -ldnnl "${blas[@]}" -lz)

names=(lenet flat150)
[ $large = 1 ] && names=(googlenet resnet50)
dlib_flags=("${flags[@]}")
if echo '#include <dlib/dnn.h>' | "$cxx" -std=c++17 -M -x c++ - >/dev/null 2>&1; then
  if [ $large = 1 ]; then names+=(dlib_googlenet dlib_resnet50 dlib_resnet50_repeat); else names+=(dlib_lenet); fi
  if ! "$cxx" "${flags[@]}" -fsyntax-only "$root/bench/peers/dlib_lenet.cpp" 2>"$work/dlib.log"; then
    dlib_flags=("${flags[@]/-std=c++20/-std=c++17}")
    say "this dlib does not compile with ${flags[*]}; it is measured with ${dlib_flags[*]}"
  fi
else
  say "no dlib to compare with (Debian: libdlib-dev)"
fi

one() {  # one NAME: prints its JSON line
  local command line
  case $1 in
    lenet) command=("$cxx" "${flags[@]}" "${library[@]}" "$root/examples/lenet.cpp" -o "$work/a.out" "${libraries[@]}") ;;
    flat150) command=("$cxx" "${flags[@]}" "${library[@]}" "$root/bench/flat150.cpp" -o "$work/a.out" "${libraries[@]}") ;;
    googlenet | resnet50) command=("$cxx" "${flags[@]}" "${library[@]}" "$root/bench/trainers/$1.cpp" -o "$work/a.out" "${libraries[@]}") ;;
    dlib_*) command=("$cxx" "${dlib_flags[@]}" "$root/bench/peers/$1.cpp" -o "$work/a.out" -ldlib -lblas -llapack -pthread) ;;
  esac
  line=$("$work/measure" "${command[@]}" 2>"$work/log") || { cat "$work/log" >&2; say "does not compile: ${command[*]}"; return 1; }
  echo "$line" | sed "s/^{/{\"program\": \"$1\", /" | tee -a "$work/runs"
}
: >"$work/runs"
for ((round = 1; round <= rounds; ++round)); do
  for name in "${names[@]}"; do one "$name"; done
done
for name in "${names[@]}"; do
  median() { grep "\"$name\"" "$work/runs" | sed "s/.*\"$1\": \([0-9.]*\).*/\1/" | sort -n | awk '{ v[NR] = $1 } END { printf "%.10g", NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }
  printf '{"program": "%s", "rounds": %d, "median_seconds": %s, "median_peak_rss_bytes": %s}\n' "$name" "$rounds" "$(median seconds)" "$(median peak_rss_bytes)"
done
