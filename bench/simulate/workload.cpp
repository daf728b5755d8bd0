#include "workload.hpp"

#include "firecaffe/core/error.hpp"
#include "firecaffe/zoo/googlenet.hpp"
#include "firecaffe/zoo/lenet.hpp"
#include "firecaffe/zoo/nin.hpp"

namespace simulate {

workload workload_named(const std::string& name) {
  if (name == "lenet") return workload_of<firecaffe::zoo::lenet>(name);
  if (name == "nin") return workload_of<firecaffe::zoo::nin>(name);
  if (name == "googlenet") return workload_of<firecaffe::zoo::googlenet>(name);
  throw firecaffe::usage_error("there is no network " + name + ": lenet, nin or googlenet");
}

}  // namespace simulate
