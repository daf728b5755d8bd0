// A collective of your own: what one rank does, as data. The compiler proves that it is an allreduce; then it runs on
// any transport, here between threads. Prints what it costs beside what the library has:
//   build/examples/custom_collective [RANKS [ELEMENTS]]
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <firecaffe/comm/algorithms.hpp>
#include <firecaffe/comm/local.hpp>
#include <firecaffe/comm/proof.hpp>
#include <string>
#include <vector>

namespace fc = firecaffe;

// Two rings at once: one half of the buffer goes around upwards, the other half downwards, so that a network whose
// links carry both ways is used both ways. Each half is cut into one slice per rank; a slice gathers addends on its
// first way around and is handed out on its second.
struct two_way_ring {
  static constexpr std::string_view name = "two_way_ring";

  template <class Emit>
  static constexpr void steps(int rank, int ranks, std::size_t elements, std::size_t segment, Emit&& emit) {
    for (const int way : {+1, -1}) {
      const fc::slice half = fc::slice_of(way > 0, 2, elements);
      const auto at = [&](int r) { return (rank + way * r + 2 * ranks) % ranks; };  // the rank r further on
      const auto move = [&](fc::step_kind kind, int peer, int s) {
        fc::slice part = fc::slice_of(s, ranks, half.size());
        part.first += half.first, part.last += half.first;
        fc::emit_segments(kind, peer, part, segment, emit);
      };
      for (int i = 1; i < ranks; ++i) {  // reduce-scatter: rank r ends with the sum of slice r
        move(fc::step_kind::send, at(1), at(-i));
        move(fc::step_kind::receive_add, at(-1), at(-i - 1));
      }
      for (int i = 0; i < ranks - 1; ++i) {  // allgather
        move(fc::step_kind::send, at(1), at(-i));
        move(fc::step_kind::receive, at(-1), at(-i - 1));
      }
    }
  }
};

// Every rank ends with each contribution exactly once, all with the same bits, and nobody waits forever. A slip (say,
// at(i) for at(-i)) does not compile.
static_assert(fc::is_bitwise_equal<two_way_ring>(2, 1000));
static_assert(fc::is_bitwise_equal<two_way_ring>(5, 1000));
static_assert(fc::is_bitwise_equal<two_way_ring>(6, 1000, 50));
static_assert(fc::sent_by<two_way_ring>(0, 8, 1024, 1024).elements == 2 * 1024 * 7 / 8);  // the least that is possible

// Sums 1, 2, ... over the ranks, and tells whether everybody has the sum.
template <class Communicator>
bool works(int ranks, std::size_t elements) {
  std::vector<unsigned char> right(static_cast<std::size_t>(ranks));
  fc::local::run(ranks, [&](fc::local::transport wire) {
    std::vector<float> data(elements, static_cast<float>(wire.rank() + 1));
    Communicator all{wire, {.segment_bytes = 4096}};
    all.start(0, std::span{data});
    all.wait(0);
    const float sum = static_cast<float>(ranks * (ranks + 1) / 2);
    right[static_cast<std::size_t>(wire.rank())] = std::count(data.begin(), data.end(), sum) == std::ssize(data);
  });
  return std::count(right.begin(), right.end(), 1) == ranks;
}

template <class Algorithm>
bool row(int ranks, std::size_t elements) {
  const fc::allreduce_proof proof = fc::prove<Algorithm>(ranks, elements);
  std::size_t most = 0, messages = 0;
  for (const fc::traffic& t : proof.sent) {
    most = std::max(most, t.elements * sizeof(float));
    messages = std::max(messages, t.messages);
  }
  const bool right = proof && works<fc::communicator<Algorithm, fc::local::transport>>(ranks, elements);
  std::printf("%-18s %12zu %8zu %8zu   %-9s %s\n", std::string(Algorithm::name).c_str(), most, messages, proof.rounds,
              proof.same_order ? "yes" : "no", right ? "right" : "WRONG");
  return right;
}

int main(int argc, char** argv) {
  const int ranks = argc > 1 ? std::atoi(argv[1]) : 6;
  const long long elements = argc > 2 ? std::atoll(argv[2]) : 100'000;
  if (ranks < 1 || ranks > 1000 || elements < 0)
    return std::fputs("usage: custom_collective [RANKS [ELEMENTS]]\n", stderr), 2;
  const auto n = static_cast<std::size_t>(elements);
  std::printf("%d ranks, %zu floats (%zu bytes); what the busiest rank sends\n", ranks, n, n * sizeof(float));
  std::printf("%-18s %12s %8s %8s   %-9s %s\n", "", "bytes", "messages", "rounds", "same bits", "the sum is");
  bool right = row<two_way_ring>(ranks, n);
  right &= row<fc::ring_schedule>(ranks, n);
  right &= row<fc::halving_doubling_schedule>(ranks, n);
  right &= row<fc::double_tree_schedule>(ranks, n);
  right &= row<fc::tree_schedule>(ranks, n);
  right &= row<fc::parameter_server_schedule<>>(ranks, n);
  return right ? 0 : 1;
}
