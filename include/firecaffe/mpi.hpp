#pragma once

// Training over MPI: include beside firecaffe.hpp, link an MPI library.
#include "comm/alone.hpp"
#include "comm/communicator.hpp"
#include "comm/contract.hpp"
#include "comm/mpi.hpp"
#include "comm/mpi_session.hpp"
#include "comm/tree.hpp"
#include "core/error.hpp"
