#!/bin/bash
# stage_offline.sh DIR
# Collects into DIR what a machine that has compilers, CMake and CUDA but no network may lack to build and test firecaffe:
# the headers of Boost.PFR, doctest, CLI11 and zlib, zlib itself, and Open MPI with the libraries it needs, copied from this
# machine (of the same processor and of no newer C library). There:
#   . DIR/env.sh && cmake -S firecaffe -B build -G Ninja -DFIRECAFFE_CUDA=ON
#   cmake --build build --target test_cuda bench_throughput_cuda lenet_cuda    # what runs on a GPU; all without --target
# and bench/gpu_check.sh runs them. Without ninja: no -G, and -j16 for the build. -DCMAKE_CUDA_ARCHITECTURES=90-real compiles
# for one device alone (an H100); -DCUDNN_ROOT=..., -DNCCL_ROOT=... name libraries that lie elsewhere.
# Open MPI's components that need more libraries (fabrics, schedulers) stay behind: it is one to test with, on one node. A
# cluster's own MPI is the better one; with `FIRECAFFE_STAGE_MPI=0` it is left out.
set -euo pipefail
case ${1:-} in
  "" | -h | --help) sed -n '2,12s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; [ $# -gt 0 ]; exit ;;
esac
. "$(dirname "${BASH_SOURCE[0]}")/packages.sh"  # say, die, compiler
mkdir -p "$1" || die "cannot write $1"
stage=$(cd "$1" && pwd)
[ -z "$(ls -A "$stage")" ] || [ -e "$stage/env.sh" ] || die "$stage holds something else"
rm -rf "$stage/usr" "$stage/mpi" "$stage/env.sh"
mkdir -p "$stage/usr/include" "$stage/usr/lib"
cat >"$stage/env.sh" <<'END'
# Sourced by bash or zsh: lets CMake find what stage_offline.sh collected, and Open MPI itself.
stage=$(cd "$(dirname "${BASH_SOURCE[0]:-$0}")" && pwd)
export CMAKE_PREFIX_PATH=$stage/usr${CMAKE_PREFIX_PATH:+:$CMAKE_PREFIX_PATH}
if [ -d "$stage/mpi" ]; then
  export PATH=$stage/mpi/bin:$PATH LD_LIBRARY_PATH=$stage/mpi/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
  export OPAL_PREFIX=$stage/mpi OPAL_BINDIR=$stage/mpi/bin OPAL_LIBDIR=$stage/mpi/lib OPAL_INCLUDEDIR=$stage/mpi/include \
    OPAL_PKGLIBDIR=$stage/mpi/components OPAL_PKGDATADIR=$stage/mpi/share OPAL_SYSCONFDIR=$stage/mpi/etc \
    PMIX_MCA_mca_base_component_path=$stage/mpi/pmix
  export OMPI_MCA_plm=isolated  # this node alone: no ssh is asked for
fi
unset stage
END
{  # so that mpirun starts as root too, and with fewer cores than ranks; what the user has set stays
  echo
  sed -n 's/^\([A-Z][A-Za-z_]*\)=\(.*\)$/export \1=${\1-\2}/p' "$(dirname "${BASH_SOURCE[0]}")/mpi.env"
} >>"$stage/env.sh"
cxx=$(compiler) || die "no C++ compiler here (Debian: g++)"

# The folder in which the compiler finds a header.
folder_of() {
  local found
  found=$("$cxx" -E -x c++ -std=c++20 -include "$1" /dev/null 2>/dev/null | sed -n "s|^# 1 \"\(/.*\)/$1\".*|\1|p" | head -1)
  [ -n "$found" ] || die "$1 is missing here (Debian: $2)"
  printf '%s\n' "$found"
}
header() {  # header FILE PACKAGE PART...: the parts are copied from where FILE is found
  local from part; from=$(folder_of "$1" "$2"); shift 2
  for part in "$@"; do
    mkdir -p "$stage/usr/include/$(dirname "$part")"; cp -rL "$from/$part" "$stage/usr/include/$(dirname "$part")/"
  done
}
header boost/pfr.hpp libboost1.81-dev boost/pfr.hpp boost/pfr
header doctest/doctest.h doctest-dev doctest/doctest.h
header CLI/CLI.hpp libcli11-dev CLI
header zlib.h zlib1g-dev zlib.h
header zconf.h zlib1g-dev zconf.h
cp -L "$("$cxx" -print-file-name=libz.a)" "$stage/usr/lib/" 2>/dev/null || die "libz.a is missing here (Debian: zlib1g-dev)"

# What a program or library loads, without what every system has.
loads() {
  local ldd; ldd=$(ldd "$@" 2>/dev/null) || true
  printf '%s\n' "$ldd" | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | sort -u |
    grep -vE '/(libc|libm|libdl|librt|libpthread|libutil|libresolv|libgcc_s|libstdc\+\+)\.so' || true
}

if [ "${FIRECAFFE_STAGE_MPI:-1}" != 0 ]; then
  command -v ompi_info >/dev/null || die "no Open MPI here (Debian: openmpi-bin libopenmpi-dev)"
  path() { ompi_info --parsable --path "$1" | sed -n "s/^path:$1://p" | head -1; }
  mpi=$stage/mpi
  mkdir -p "$mpi"/{bin,lib,components,include,share,etc,pmix}
  copy_folder() {  # copy_folder KIND TO
    local from; from=$(path "$1")
    [ -n "$from" ] || die "ompi_info does not know its $1"
    cp -rL "$from/." "$mpi/$2/"
  }
  copy_folder incdir include
  copy_folder pkgdatadir share
  copy_folder sysconfdir etc
  for program in mpirun mpiexec orted mpicxx mpicc ompi_info; do
    cp -L "$(command -v $program)" "$mpi/bin/" || die "no $program here (Debian: openmpi-bin libopenmpi-dev)"
  done
  for library in mpi mpi_cxx open-rte open-pal; do
    [ -e "$(path libdir)/lib$library.so" ] || continue
    cp -L "$(path libdir)/lib$library.so" "$mpi/lib/"
    ln -s "lib$library.so" "$mpi/lib/$(objdump -p "$mpi/lib/lib$library.so" | awk '$1 == "SONAME" { print $2 }')"
  done
  base=$(loads "$mpi"/bin/* "$mpi"/lib/*.so; loads "$(path pkglibdir)"/mca_pmix_*.so)
  take() {  # take FOLDER FROM...: the components that load nothing but what is taken anyway
    local to=$1 component; shift
    for component in "$@"; do
      if ldd "$component" | grep -q 'not found'; then continue; fi
      if ! grep -qvxFf <(printf '%s\n' "$base") <(loads "$component"); then cp -L "$component" "$to/"; fi
    done
  }
  take "$mpi/components" "$(path pkglibdir)"/*.so
  pmix=$(printf '%s\n' "$base" | grep -m1 '/libpmix\.so' || true)
  [ -z "$pmix" ] || pmix=$(dirname "$(readlink -f "$pmix")")
  [ -z "$pmix" ] || take "$mpi/pmix" "$pmix"/pmix/*.so
  for library in $base; do
    [ -e "$mpi/lib/$(basename "$library")" ] || cp -L "$library" "$mpi/lib/"
  done
fi

say "$(du -sh "$stage" | cut -f1) in $stage"
