#include "firecaffe/network/work.hpp"

#include <doctest/doctest.h>

#include "firecaffe/layers/activations.hpp"
#include "firecaffe/layers/losses.hpp"
#include "firecaffe/layers/pool.hpp"
#include "firecaffe/network/network.hpp"

using namespace firecaffe;

namespace {
struct net : network<input<3, 8, 8>, conv<4, kernel<3>>, relu, max_pool<kernel<2>, stride<2>>, dense<10>, accuracy<1>,
                     softmax_loss> {};
}  // namespace

TEST_CASE("the work of every op, forward and backward") {
  const std::vector<op_work> work = work_of<net>();
  REQUIRE(work.size() == 6);
  double forward = 0;
  for (const op_work& w : work) forward += w.forward;
  CHECK(forward == double(flops<net>));
  CHECK(work[0].forward >= 2.0 * 3 * 9 * 4 * 36);
  CHECK(work[0].backward == work[0].forward);  // nobody wants the gradient of the input
  CHECK(work[1].backward == work[1].forward);
  CHECK(work[2].backward == work[2].forward);
  CHECK(work[3].forward >= 2.0 * 36 * 10);
  CHECK(work[3].backward == 2 * work[3].forward);  // of its input and its parameters
  CHECK(work[4].backward == 0);
  for (const bucket& b : buckets_of<net, no_device>(1)) CHECK((b.ready_op == 0 || b.ready_op == 3));
}
