#pragma once

// Training over MPI: include beside firecaffe.hpp, link an MPI library.
#include "comm/algorithms.hpp"
#include "comm/alone.hpp"
#include "comm/communicator.hpp"
#include "comm/contract.hpp"
#include "comm/mpi_device_messages.hpp"
#include "comm/mpi_messages.hpp"
#include "comm/mpi_session.hpp"
#include "comm/mpi_transport.hpp"
#include "core/error.hpp"
