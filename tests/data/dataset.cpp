#include "firecaffe/data/dataset.hpp"

#include <doctest/doctest.h>

#include "firecaffe/data/synthetic.hpp"
#include "firecaffe/data/view.hpp"

namespace fc = firecaffe;

struct no_size {
  fc::shape extents() const { return {}; }
  void read(std::size_t, float*, std::int32_t*) const {}
};
struct writes_while_reading {
  std::size_t size() const { return 1; }
  fc::shape extents() const { return {}; }
  void read(std::size_t, float*, std::int32_t*) {}  // not const: not safe to call concurrently
};

static_assert(fc::data::labelled_dataset<fc::data::view> && !fc::data::regression_dataset<fc::data::view>);
static_assert(fc::data::regression_dataset<fc::data::regression_view>);
static_assert(!fc::data::labelled_dataset<fc::data::regression_view>);
static_assert(fc::data::dataset<fc::data::synthetic>);
static_assert(!fc::data::dataset<no_size> && !fc::data::dataset<writes_while_reading> && !fc::data::dataset<int>);
static_assert(std::is_same_v<fc::data::target_type<fc::data::view>, std::int32_t>);
static_assert(std::is_same_v<fc::data::target_type<fc::data::regression_view>, float>);

TEST_CASE("a label is one target, a regression target has its extents") {
  const float values[12] = {};
  const std::int32_t labels[2] = {};
  CHECK(fc::data::target_elements(fc::data::view(values, {.channels = 6}, labels)) == 1);
  CHECK(fc::data::target_elements(
            fc::data::regression_view(values, {.channels = 6}, values, {.channels = 2, .height = 3})) == 6);
}
