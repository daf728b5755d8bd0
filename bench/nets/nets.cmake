# bench_nets: every network of the zoo, compiled once for bench/throughput and bench/profile.
#   NAME HEADER TYPE
set(nets
  "lenet lenet fc::zoo::lenet"
  "nin nin fc::zoo::nin"
  "googlenet googlenet fc::zoo::googlenet"
  "googlenet_plain googlenet fc::zoo::googlenet_plain"
  "googlenet_plain_without_lrn googlenet without<fc::lrn,fc::zoo::googlenet_plain::network_type>")
if(NOT TARGET firecaffe::cpu OR NOT TARGET firecaffe::mpi)
  return()
endif()
set(declarations "")
set(entries "")
set(net_sources "")
foreach(net IN LISTS nets)
  string(REPLACE " " ";" net "${net}")
  list(GET net 0 name)
  list(GET net 1 header)
  list(GET net 2 type)
  configure_file(${CMAKE_CURRENT_LIST_DIR}/net.cpp.in nets/${name}.cpp @ONLY)
  list(APPEND net_sources ${CMAKE_CURRENT_BINARY_DIR}/nets/${name}.cpp)
  string(APPEND declarations "extern const measured_net measured_${name};\n")
  list(APPEND entries &measured_${name})
endforeach()
list(LENGTH nets count)
list(JOIN entries ", " entries)
configure_file(${CMAKE_CURRENT_LIST_DIR}/table.cpp.in nets/table.cpp @ONLY)
add_library(bench_nets OBJECT ${net_sources} ${CMAKE_CURRENT_BINARY_DIR}/nets/table.cpp)
firecaffe_compile_options(bench_nets)
target_include_directories(bench_nets PRIVATE ${CMAKE_CURRENT_LIST_DIR})
target_link_libraries(bench_nets PUBLIC firecaffe::cpu firecaffe::mpi)
foreach(program IN ITEMS bench_throughput bench_profile)
  target_link_libraries(${program} PRIVATE bench_nets)
endforeach()
