#!/bin/bash
# include_rules.sh INCLUDE/firecaffe: fails for every #include that the table below does not allow, and every header of
# more than 400 lines. Umbrella headers (those directly in firecaffe/) may include all of ours.
# include_rules.sh --self-test: shows on a bad tree that each rule bites.
set -uo pipefail
export LC_ALL=C

check() {
  local root=$1
  [ -d "$root" ] || { echo "no folder $root"; return 1; }
  find "$root" -type f \( -name '*.hpp' -o -name '*.cuh' -o -name '*.h' \) | sort | sed "s|^$root/||" | awk -v root="$root" '
    BEGIN {
      # Which folder may include which, besides itself.
      split("core:, layers:core, network:core layers, cpu:core layers, cuda:core layers, solvers:core, comm:core, data:core, train:core network, observe:core, interop:core network, zoo:core layers network", rows, ", *")
      for (i in rows) { split(rows[i], row, ":"); known[row[1]] = 1; n = split(row[2], names, " "); for (j = 1; j <= n; ++j) allowed[row[1], names[j]] = 1 }
      # Of these, train may include the contract only: <folder>/contract.hpp, and how batches come.
      contract["train", "solvers"] = contract["train", "comm"] = "contract"
      contract["train", "data"] = "(dataset|sampler|prefetch)"
      on_device = "^comm/nccl"  # sums on devices by their streams and events
    }
    function fail(text) { printf "%s:%d: %s\n", file, line, text; bad = 1 }
    # The folder of a path below root, "" for an umbrella, "?" for what is outside.
    function folder_of(path) { return path ~ /^\.\./ ? "?" : path ~ /\// ? substr(path, 1, index(path, "/") - 1) : "" }
    function resolve(from, to,    n, i, parts, depth, out, result) {
      sub(/[^\/]*$/, "", from); n = split(from to, parts, "/"); depth = 0
      for (i = 1; i <= n; ++i) {
        if (parts[i] == "" || parts[i] == ".") continue
        if (parts[i] == ".." && depth > 0 && out[depth] != "..") --depth; else out[++depth] = parts[i]
      }
      result = out[1]; for (i = 2; i <= depth; ++i) result = result "/" out[i]
      return result
    }
    function exists(path,    text, status) { status = (getline text < path); close(path); return status >= 0 }
    # Who may include whose headers outside the library.
    function system_header(name) {
      if (name ~ /^firecaffe\//) fail("write \"../folder/name.hpp\", not <" name ">")
      else if (name ~ /^(regex|filesystem|iostream|ranges|format)$/) fail("<" name "> costs every user compile time")
      else if (name ~ /^(oneapi\/dnnl|dnnl|cblas|mkl|omp\.h|openblas|bl[ia]s)/) { if (folder != "cpu") fail("<" name "> belongs to cpu/") }
      else if (name ~ /^mpi/) { if (file !~ /^comm\/mpi/) fail("<" name "> belongs to comm/mpi*") }
      else if (name ~ /^nccl/) { if (file !~ /^comm\/nccl/) fail("<" name "> belongs to comm/nccl*") }
      else if (name ~ /^(cuda|cudnn|cublas|thrust\/|cub\/|nv)/) { if (folder != "cuda" && file !~ /^comm\/nccl/) fail("<" name "> belongs to cuda/") }
      else if (name ~ /^protozero\//) { if (folder != "data" && folder != "interop") fail("<" name "> belongs to data/ and interop/") }
      else if (name ~ /^(zlib|lmdb|jpeglib|jerror|png|hdf5)\.h$/) { if (folder != "data") fail("<" name "> belongs to data/") }
      else if (name !~ /^boost\/pfr/ && name !~ /^[a-z0-9_]+$/ && name !~ /^(sys\/[a-z]+|unistd|fcntl|dirent|sched|pthread|dlfcn|signal|poll|time|immintrin|arm_neon|x86intrin)\.h$/)
        fail("<" name "> is neither the standard library nor one of our dependencies")
    }
    {
      file = $0; folder = folder_of(file); line = 0; path = root "/" file
      if (folder != "" && !(folder in known)) fail("a folder that the table does not have")
      while ((getline text < path) > 0) {
        ++line
        if (text !~ /^[ \t]*#[ \t]*include[ \t]*[<"]/) continue
        name = text; sub(/^[ \t]*#[ \t]*include[ \t]*[<"]/, "", name); sub(/[>"].*/, "", name)
        if (text ~ /include[ \t]*</) { system_header(name); continue }
        target = resolve(file, name); to = folder_of(target)
        if (to == "?") fail("\"" name "\" is outside the library")
        else if (!exists(root "/" target)) fail("\"" name "\" does not exist (relative quotes name our own headers)")
        else if (folder == "" || folder == to) continue
        else if (to == "") fail(folder "/ may not include the umbrella " target)
        else if (to == "cuda" && file ~ on_device) continue
        else if ((folder, to) in contract && target ~ ("^[a-z]+/" contract[folder, to] "\\.hpp$")) continue
        else if (!((folder, to) in allowed)) fail(folder "/ may not include " target)
      }
      close(path)
      if (line > 400) fail("more than 400 lines: two ideas in one header")
      ++files
    }
    END { if (!files) { print "no headers in " root; bad = 1 } exit bad }'
}

self_test() {
  local dir; dir=$(mktemp -d); trap "rm -rf '$dir'" EXIT
  local folder
  for folder in core layers network cpu cuda comm data train solvers; do mkdir -p "$dir/good/$folder"; done
  cd "$dir/good" || exit 1
  echo '#include <vector>' > core/a.hpp
  echo '#include "a.hpp"' > core/b.hpp
  printf '  #  include "../core/a.hpp"\n#include <dnnl.hpp>\n#include <boost/pfr.hpp>\n' > cpu/a.hpp
  printf '#include "../core/a.hpp"\n' | tee layers/a.hpp network/a.hpp > solvers/contract.hpp
  printf '#include "../network/a.hpp"\n#include "../solvers/contract.hpp"\n' > train/a.hpp
  printf '#include <mpi.h>\n' > comm/mpi.hpp
  echo '#include <cuda_runtime.h>' > cuda/a.hpp
  printf '#include "../cuda/a.hpp"\n#include <nccl.h>\n' > comm/nccl.hpp
  printf '#include "cpu/a.hpp"\n#include "train/a.hpp"\n' > all.hpp
  check "$dir/good" || { echo "the good tree is refused"; exit 1; }
  bites() {  # bites FILE TEXT EXPECTED: one more line in a copy of the good tree
    rm -rf "$dir/bad"; cp -r "$dir/good" "$dir/bad"; mkdir -p "$(dirname "$dir/bad/$1")"; printf '%b' "$2" >> "$dir/bad/$1"
    local said; said=$(check "$dir/bad") && { echo "not noticed: $2 in $1"; exit 1; }
    grep -qF -- "$3" <<<"$said" || { echo "for $2 in $1 it says: $said"; exit 1; }
    [ "$(wc -l <<<"$said")" = 1 ] || { echo "for $2 in $1 it says more than one thing: $said"; exit 1; }
  }
  bites core/a.hpp '#include "../layers/a.hpp"\n' 'core/a.hpp:2: core/ may not include layers/a.hpp'
  bites layers/a.hpp '#include "../network/a.hpp"\n' 'layers/ may not include network/a.hpp'
  bites network/a.hpp '\t# include "../cpu/a.hpp" // comment\n' 'network/ may not include cpu/a.hpp'
  bites cpu/a.hpp '#include "../layers/../network/a.hpp"\n' 'cpu/ may not include network/a.hpp'
  bites train/a.hpp '#include "../cpu/a.hpp"\n' 'train/ may not include cpu/a.hpp'
  bites comm/mpi.hpp '#include "../cuda/a.hpp"\n' 'comm/ may not include cuda/a.hpp'
  bites comm/nccl.hpp '#include "../cpu/a.hpp"\n' 'comm/ may not include cpu/a.hpp'
  bites train/a.hpp '#include "../comm/mpi.hpp"\n' 'train/ may not include comm/mpi.hpp'
  bites core/sub/c.hpp '#include "../../data/x.hpp"\n' 'does not exist'
  bites core/a.hpp '#include "../all.hpp"\n' 'may not include the umbrella'
  bites core/a.hpp '#include "../../x.hpp"\n' 'outside the library'
  bites core/a.hpp '#include <firecaffe/core/b.hpp>\n' 'write "../folder/name.hpp"'
  bites core/a.hpp '#include <iostream>\n' 'compile time'
  bites layers/a.hpp '#include <dnnl.hpp>\n' 'belongs to cpu/'
  bites train/a.hpp '#include <mpi.h>\n' 'belongs to comm/mpi'
  bites core/a.hpp '#include <cuda_runtime.h>\n' 'belongs to cuda/'
  bites core/a.hpp '#include <zlib.h>\n' 'belongs to data/'
  bites comm/mpi.hpp '#include <lmdb.h>\n' 'belongs to data/'
  bites comm/mpi.hpp '#include <protozero/pbf_reader.hpp>\n' 'belongs to data/'
  bites core/a.hpp '#include <Eigen/Dense>\n' 'neither the standard library'
  bites all.hpp '#include <mpi.h>\n' 'belongs to comm/mpi'
  bites misc/a.hpp '\n' 'the table does not have'
  bites core/b.hpp "$(printf '\\n%.0s' {1..400})" 'more than 400 lines'
}

if [ "${1:-}" = --self-test ]; then self_test; else check "${1:?folder include/firecaffe}"; fi
