#pragma once

// The networks that bench/throughput and bench/profile know. Each is compiled once, from net.cpp.in, for both.
#include <cstddef>
#include <firecaffe/comm/mpi_session.hpp>
#include <span>
#include <string>

struct throughput_arguments {
  std::string net = "lenet", device;  // empty: every one
  int batch = 64, threads = 1, rounds = 9;
  double seconds = 5;
  bool graphs = true;
};

struct profile_arguments {
  std::string net = "lenet";
  int batch = 16, threads = 1, steps = 10;
};

// What the machine reached just before: floating-point operations and bytes per second.
struct machine_peaks {
  double flops = 0, bytes = 0;
};

// A network on one device.
struct measured_device {
  const char* name;
  void (*throughput)(const throughput_arguments&, firecaffe::mpi::session&);
  void (*profile)(const profile_arguments&, const machine_peaks&) = nullptr;  // not on this device
};

struct measured_net {
  const char* name;
  std::span<const measured_device> devices;
};

extern const measured_net* const measured_nets[];
extern const std::size_t measured_net_count;

// Throws usage_error with the names there are.
const measured_net& find_net(const std::string& name);
