# Sourced by examples/run.sh and tests/run.sh: finds what is missing, installs it, configures and builds.
# What is there counts, whoever put it there (modules, Spack, /usr/local): files and tools are looked for, not packages.

source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build_dir=${FIRECAFFE_BUILD_DIR:-$source_dir/build}

say() { printf '%s\n' "firecaffe: $*"; }
die() { printf '%s\n' "firecaffe: $*" >&2; exit 1; }

# The cores this process may use: its affinity, and the quota of its control group.
core_count() {
  local cores quota period
  cores=$(env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc 2>/dev/null || echo 1)
  if read -r quota period 2>/dev/null </sys/fs/cgroup/cpu.max && [ "$quota" != max ]; then
    quota=$(((quota + period - 1) / period)); [ "$quota" -lt "$cores" ] && cores=$quota
  fi
  [ "$cores" -ge 1 ] && echo "$cores" || echo 1
}

# A build's processes: one a core, and 1.5 GiB of memory each.
job_count() {
  local jobs available; jobs=$(core_count)
  available=$(awk '/^MemAvailable:/ { print int($2 / 1572864) }' /proc/meminfo 2>/dev/null || echo 1)
  [ "${available:-1}" -lt "$jobs" ] && jobs=$available
  [ "$jobs" -ge 1 ] || jobs=1
  echo "${FIRECAFFE_JOBS:-$jobs}"
}

have_tool() { command -v "$1" >/dev/null 2>&1; }
compiler() { local c; for c in ${CXX:-} c++ g++ clang++; do have_tool "$c" && { echo "$c"; return; }; done; return 1; }
dependencies() {  # dependencies HEADER: the files behind it, in the compiler's own folders (CPATH too) and CMAKE_PREFIX_PATH
  local cxx prefix flags=(); cxx=$(compiler) || return 1
  IFS=': ;' read -ra prefixes <<<"${CMAKE_PREFIX_PATH:-}:${MKLROOT:-}:${Boost_ROOT:-}:${DNNL_ROOT:-}:${CBLAS_ROOT:-}"
  for prefix in "${prefixes[@]}" /usr /usr/local; do
    [ -n "$prefix" ] && flags+=(-idirafter "$prefix/include" -idirafter "$prefix/include/openblas" -idirafter "$prefix/include/flexiblas" -idirafter "$prefix/include/blis")
  done
  "$cxx" -M -x c++ "${flags[@]}" -include "$1" /dev/null 2>/dev/null
}
have_header() { dependencies "$1" >/dev/null; }

missing=()
need() { local package=$1; shift; "$@" >/dev/null || missing+=("$package"); }  # need PACKAGE CHECK...

fashion_mnist_dir() {  # prints the folder of the data set, if it is here
  local dir
  for dir in "${FIRECAFFE_FASHION_MNIST:-}" /usr/share/datasets/fashion-mnist /usr/local/share/datasets/fashion-mnist; do
    [ -n "$dir" ] && { [ -e "$dir/train-images-idx3-ubyte.gz" ] || [ -e "$dir/train-images-idx3-ubyte" ]; } && { echo "$dir"; return; }
  done
  return 1
}
have_data() { fashion_mnist_dir >/dev/null; }
have_mpi() { { have_tool mpicxx || have_tool mpic++; } && { have_tool mpirun || have_tool mpiexec; }; }
# Debian's netlib works, at a fraction of the speed without AVX-512: it is left where nothing can be installed.
have_netlib_alone() {
  [ -z "${CBLAS_ROOT:-}${CMAKE_PREFIX_PATH:-}" ] &&
    [[ $(readlink -f "$(dependencies cblas.h | grep -o '/[^ ]*/cblas\.h')") == */cblas-netlib.h ]]
}
have_cblas() { have_header mkl_cblas.h || { have_header cblas.h && ! { have_netlib_alone && may_install; }; }; }
have_build_tool() { have_tool make || have_tool ninja; }
have_openmp() { local cxx; cxx=$(compiler) && echo 'int main() {}' | "$cxx" -fopenmp -x c++ - -o /dev/null 2>/dev/null; }

need_for_library() {
  need g++ compiler
  need cmake have_tool cmake
  need make have_build_tool
  need libboost-dev have_header boost/pfr.hpp
  need zlib1g-dev have_header zlib.h
  need libdnnl-dev have_header dnnl.hpp
  need libopenblas-dev have_cblas
  if compiler >/dev/null && ! have_openmp; then missing+=(libomp-dev); fi
  have_mpi || missing+=(openmpi-bin libopenmpi-dev)
}
have_hdf5() { have_header hdf5.h || have_header hdf5/serial/hdf5.h; }
need_for_readers() {  # optional components
  need libjpeg-dev have_header jerror.h
  need libpng-dev have_header png.h
  need libprotozero-dev have_header protozero/pbf_reader.hpp
  need liblmdb-dev have_header lmdb.h
  need libhdf5-dev have_hdf5
}
need_for_tests() { need doctest-dev have_header doctest/doctest.h; need_for_readers; }
need_for_examples() { need libcli11-dev have_header CLI/CLI.hpp; }
need_for_data() { need dataset-fashion-mnist have_data; }

may_install() { have_tool apt-get && { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }; }
as_root() { if [ "$(id -u)" = 0 ]; then env "$@"; else sudo env "$@"; fi; }

# The Boost that this system has, if it is new enough for PFR (1.75). Prints nothing otherwise.
boost_package() {
  local name version
  for name in libboost-dev libboost1.88-dev libboost1.83-dev libboost1.81-dev; do
    version=$(apt-cache policy "$name" 2>/dev/null | awk '/Candidate:/ { print $2 }')
    [ -n "$version" ] && [ "$version" != "(none)" ] && dpkg --compare-versions "$version" ge 1.75 && { echo "$name"; return; }
  done
}

install_missing() {
  if [ ${#missing[@]} = 0 ]; then say "everything that is needed is here"; return; fi
  if ! have_tool apt-get; then
    say "missing, by the names of Debian's packages: ${missing[*]}" >&2
    if have_tool dnf; then
      die "install them and run this again; on Fedora: dnf install gcc-c++ cmake make boost-devel zlib-devel onednn-devel openblas-devel openmpi-devel doctest-devel libjpeg-turbo-devel libpng-devel protozero-devel lmdb-devel hdf5-devel cli11-devel (then: module load mpi)"
    elif have_tool zypper; then
      die "install them and run this again; on openSUSE: zypper install gcc-c++ cmake make boost-devel zlib-devel onednn-devel openblas-devel openmpi4-devel doctest-devel libjpeg8-devel libpng16-devel protozero-devel lmdb-devel hdf5-devel cli11-devel"
    fi
    die "install them by your system's means (modules, Spack) and run this again"
  fi
  if [ "$(id -u)" != 0 ] && ! have_tool sudo; then
    die "missing: ${missing[*]}. Without sudo they cannot be installed from here; as root: apt-get install ${missing[*]}"
  fi
  say "missing, and installed now with apt-get: ${missing[*]}"
  local log; log=$(mktemp)
  as_root DEBIAN_FRONTEND=noninteractive apt-get update -q >"$log" 2>&1 || say "apt-get update failed, going on with the lists that are here: $(tail -1 "$log")"
  local packages=() package
  for package in "${missing[@]}"; do
    if [ "$package" = libboost-dev ]; then
      package=$(boost_package)
      [ -n "$package" ] || die "this system's Boost is older than 1.75 and has no PFR. Its headers are enough:
  git clone --depth 1 https://github.com/boostorg/pfr && export CPATH=\$PWD/pfr/include"
    fi
    packages+=("$package")
  done
  if ! as_root DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 \
      "${packages[@]}" >"$log" 2>&1; then
    tail -20 "$log" >&2; rm -f "$log"; die "apt-get could not install ${packages[*]}"
  fi
  rm -f "$log"; hash -r
  say "installed: ${packages[*]}"
}

configure() {  # configure OPTION...: shows our own status lines
  mkdir -p "$build_dir" || die "cannot write $build_dir (FIRECAFFE_BUILD_DIR names another folder)"
  local home; home=$(sed -n 's/^CMAKE_HOME_DIRECTORY:INTERNAL=//p' "$build_dir/CMakeCache.txt" 2>/dev/null || true)
  if [ -n "$home" ] && [ "$home" != "$source_dir" ]; then rm -rf "$build_dir/CMakeCache.txt" "$build_dir/CMakeFiles"; fi
  say "configuring $build_dir"
  local log=$build_dir/configure.log
  cmake -S "$source_dir" -B "$build_dir" "$@" >"$log" 2>&1 || { cat "$log" >&2; die "cmake failed"; }
  grep -E '^-- firecaffe|^CMake Warning' "$log" || true
}

build() {  # build TARGET...: one line that moves on a terminal, one line every ten per cent elsewhere; all of it in a file
  local log=$build_dir/build.log target jobs line percent shown=-1 failed=lost; jobs=$(job_count)
  local targets=(); for target in "$@"; do targets+=(--target "$target"); done
  say "building $* ($jobs at a time)"
  : >"$log"
  while IFS= read -r line; do
    printf '%s\n' "$line" >>"$log"
    case $line in
      "@status "*) failed=${line#@status } ;;
      "["*"]"*)
        line=${line#[}; percent=${line%%]*}; percent=${percent//[% ]/}
        [[ $percent == */* ]] && percent=$((100 * ${percent%/*} / ${percent#*/}))
        [[ $percent =~ ^[0-9]+$ ]] || continue
        if [ -t 1 ]; then printf '\r\033[K[%3d%%] %.70s' "$percent" "${line#*] }"
        elif [ $((percent / 10)) -gt "$shown" ]; then shown=$((percent / 10)); printf '[%3d%%] %s\n' "$percent" "${line#*] }"; fi ;;
    esac
  done < <(cmake --build "$build_dir" --parallel "$jobs" "${targets[@]}" 2>&1; echo "@status $?")
  [ -t 1 ] && printf '\r\033[K'
  if [ "$failed" != 0 ]; then
    grep -vE '^\[ *[0-9]+[%/]|^@status|^(g?make|ninja)' "$log" | tail -60 >&2; die "the build failed; all of its output is in $log"
  fi
  say "built"
}

# Lets mpirun start on any machine: as root, with fewer cores than ranks, in a container. What the user has set stays.
mpi_environment() {  # mpi_environment RANKS
  local line
  # Yielding costs latency: only where ranks share cores.
  [ "$(core_count)" -lt "$1" ] || export OMPI_MCA_mpi_yield_when_idle=${OMPI_MCA_mpi_yield_when_idle:-0}
  while IFS= read -r line; do printenv "${line%%=*}" >/dev/null || export "${line?}"; done <"$source_dir/cmake/mpi.env"
}
