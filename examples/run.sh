#!/bin/bash
# examples/run.sh [OPTION...]: installs what is missing, builds examples/lenet.cpp and trains LeNet on Fashion-MNIST with
# two MPI ranks. Options go to the program. FIRECAFFE_RANKS: another number of ranks; FIRECAFFE_FASHION_MNIST: the folder
# of the data; FIRECAFFE_BUILD_DIR: where to build; FIRECAFFE_JOBS: how many compilers at a time.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../cmake/packages.sh"
ranks=${FIRECAFFE_RANKS:-2}
[[ $ranks =~ ^[1-9][0-9]*$ ]] || die "FIRECAFFE_RANKS must be a number of ranks, not '$ranks'"

need_for_library
need_for_data
install_missing
data=$(fashion_mnist_dir) || die "Fashion-MNIST is not here: name its folder with FIRECAFFE_FASHION_MNIST"
configure
build lenet

# Not bound: the ranks share whatever cores there are, each with as many threads as is fair.
mpi_environment "$ranks"
cores=$(core_count); threads=$((cores / ranks)); [ "$threads" -ge 1 ] || threads=1
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-$threads}
[ -t 1 ] || export TERM=dumb  # mpirun gives its ranks a terminal even where it has none
launcher=mpirun; have_tool mpirun || launcher=mpiexec
say "$launcher -n $ranks lenet $data $* ($OMP_NUM_THREADS thread(s) a rank, $cores core(s))"
exec "$launcher" -n "$ranks" "$build_dir/examples/lenet" "$data" "$@"
