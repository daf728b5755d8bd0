# bench_nets: every network of the zoo, and some without their normalisation, compiled once for bench/throughput and
# bench/profile.
if(NOT TARGET bench_throughput)
  return()
endif()
set(nets ${firecaffe_zoo})
if(NOT FIRECAFFE_NETS)
  list(APPEND nets "googlenet_plain_without_lrn googlenet without<fc::lrn,fc::zoo::googlenet_plain::network_type>"
    "bvlc_alexnet_without_lrn alexnet without<fc::lrn,fc::zoo::bvlc_alexnet::network_type>")
endif()
firecaffe_per_net(sources ${CMAKE_CURRENT_LIST_DIR} measured_net ${nets})
add_library(bench_nets OBJECT ${sources})
firecaffe_compile_options(bench_nets)
target_include_directories(bench_nets PRIVATE ${CMAKE_CURRENT_LIST_DIR})
target_link_libraries(bench_nets PUBLIC firecaffe::cpu firecaffe::mpi)
foreach(program IN ITEMS bench_throughput bench_profile)
  target_link_libraries(${program} PRIVATE bench_nets)
endforeach()
