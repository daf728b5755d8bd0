#include "firecaffe/network/summary.hpp"

#include <doctest/doctest.h>

#include "firecaffe/cpu/batch_norm.hpp"
#include "firecaffe/cpu/conv.hpp"
#include "firecaffe/cpu/pool.hpp"
#include "firecaffe/cpu/softmax.hpp"
#include "firecaffe/network/model.hpp"
#include "firecaffe/zoo/lenet.hpp"
#include "networks.hpp"
#include "reference_layers.hpp"

namespace fc = firecaffe;
using fc::zoo::lenet;

TEST_CASE("lenet's parameters and work by hand") {
  CHECK(fc::parameter_count<lenet> == (20 * 25 + 20) + (50 * 20 * 25 + 50) + (500 * 800 + 500) + (10 * 500 + 10));
  const std::int64_t conv1 = 20 * 24 * 24 * (2 * 25 + 1), pool1 = 20 * 12 * 12 * 4, conv2 = 50 * 8 * 8 * (2 * 500 + 1),
                     pool2 = 50 * 4 * 4 * 4, dense1 = 500 * (2 * 800 + 1), relu = 500, dense2 = 10 * (2 * 500 + 1),
                     accuracy = 10, loss = 40;
  CHECK(fc::flops<lenet> == conv1 + pool1 + conv2 + pool2 + dense1 + relu + dense2 + accuracy + loss);
  // A sum of three adds twice; a concat moves.
  struct net : fc::network<fc::input<3, 2, 2>, fc::sum<fc::identity, fc::relu, fc::identity>,
                           fc::concat<fc::identity, fc::identity>> {};
  CHECK(fc::flops<net> == 12 + 2 * 12);
}

template <class Net, class Device, fc::plan_options Options>
void check_bytes(Device device) {
  for (int batch : {1, 2, 7}) {
    fc::model<Net, Device, Options> m(device, batch);
    CHECK(m.device().allocated == fc::memory_plan<Net, Device, Options>::bytes(batch));
  }
}

TEST_CASE("a model allocates what the memory plan says") {
  check_bytes<lenet, fc::reference, fc::plan_options{}>(fc::reference{});
  check_bytes<lenet, fc::reference, fc::plan_options{false, false}>(fc::reference{});
  check_bytes<networks::heads, fc::reference, fc::plan_options{true, true}>(fc::reference{});
  check_bytes<networks::pools, fc::reference, fc::plan_options{}>(fc::reference{});
}

TEST_CASE("a summary shows ops, fusion, slices, shapes and totals") {
  const std::string s = fc::summary<networks::inceptions, fc::basic_cpu<8>>(2);
  INFO(s);
  CHECK(s.find("conv+relu") != std::string::npos);
  CHECK(s.find("slice of op 8") != std::string::npos);
  CHECK(s.find("no copy") != std::string::npos);
  CHECK(s.find("copies 4 of 4") != std::string::npos);
  CHECK(s.find("in place") != std::string::npos);
  CHECK(s.find("80 x 6 x 5") != std::string::npos);
  CHECK(s.find(std::to_string(fc::memory_plan<networks::inceptions, fc::basic_cpu<8>>::bytes(2)) + " bytes") !=
        std::string::npos);
  CHECK(fc::summary<networks::heads, fc::reference>(1).find("loss x 0.125") != std::string::npos);
  struct volume : fc::network<fc::input<2, 5, 6, 7>, fc::conv<3, fc::kernel<2>>> {};
  CHECK(fc::summary<volume, fc::reference>(1).find("3 x 4 x 5 x 6 ") != std::string::npos);
}

TEST_CASE("what is learned counts, running statistics are sent too") {
  using row = fc::summary_table<networks::batch_normalisations, fc::no_device>;
  const fc::summary_row first = row::row<0>();  // of 3 channels
  CHECK(first.name == "batch_norm");
  CHECK(first.parameters == 6);
  CHECK(first.sent_bytes == 12 * sizeof(float));
  CHECK(fc::summary<networks::batch_normalisations, fc::basic_cpu<8>>(2).find("batch_norm+relu") != std::string::npos);
  CHECK(fc::summary<networks::channelwise_layers>().find("prelu") != std::string::npos);
}

TEST_CASE("a summary needs no device") {
  const std::string s = fc::summary<lenet>();
  INFO(s);
  CHECK(s.find("431080") != std::string::npos);
  CHECK(s.find(std::to_string(431080 * 4)) != std::string::npos);  // bytes sent, without padding
  CHECK(fc::parameters_of<lenet, fc::no_device>.elements == 431080);
}

template <class Net, class Device>
void check_rows() {
  using table = fc::summary_table<Net, Device>;
  std::int64_t parameters = 0, flops = 0;
  std::size_t sent = 0;
  [&]<int... I>(std::integer_sequence<int, I...>) {
    const fc::summary_row rows[] = {table::template row<I>()...};
    for (const fc::summary_row& r : rows) parameters += r.parameters, flops += r.flops, sent += r.sent_bytes;
  }
  (std::make_integer_sequence<int, table::the_plan.op_count>{});
  CHECK(parameters == fc::parameter_count<Net>);
  CHECK(flops == fc::flops<Net>);
  CHECK(sent == fc::memory_plan<Net, Device>::parameter_elements * sizeof(typename Device::scalar));
}

TEST_CASE("the columns of a summary add up") {
  check_rows<lenet, fc::basic_cpu<8>>();
  check_rows<networks::joins, fc::basic_cpu<16>>();
  check_rows<networks::normalised_sums, fc::basic_cpu<16>>();
  check_rows<networks::joins, fc::reference>();
  const auto first = fc::summary_table<lenet, fc::basic_cpu<8>>::row<0>();
  CHECK(first.output == fc::shape{20, 24, 24});
  CHECK(first.activation_bytes == 24 * 24 * 24 * 4);  // 20 channels in three blocks of 8
}
