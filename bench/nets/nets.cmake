# bench_nets: every network of the zoo, and some without their normalisation, compiled once for bench/throughput and
# bench/profile.
if(TARGET bench_throughput)
  set(nets ${firecaffe_zoo})
  foreach(net IN ITEMS "googlenet_plain_without_lrn googlenet without<fc::lrn,fc::zoo::googlenet_plain::network_type>"
                       "bvlc_alexnet_without_lrn alexnet without<fc::lrn,fc::zoo::bvlc_alexnet::network_type>")
    string(REGEX REPLACE "_without_lrn .*" "" whole "${net}")
    if(firecaffe_zoo MATCHES "(^|;)${whole} ")
      list(APPEND nets "${net}")
    endif()
  endforeach()
  firecaffe_per_net(sources ${CMAKE_CURRENT_LIST_DIR} measured_net cpp ${nets})
  add_library(bench_nets OBJECT ${sources})
  firecaffe_compile_options(bench_nets)
  target_include_directories(bench_nets PRIVATE ${CMAKE_CURRENT_LIST_DIR})
  target_link_libraries(bench_nets PUBLIC firecaffe::cpu firecaffe::mpi)
  foreach(program IN ITEMS bench_throughput bench_profile)
    target_link_libraries(${program} PRIVATE bench_nets)
  endforeach()
endif()

# build/bench/throughput_cuda: some of the networks on a GPU, as each compiles for a minute. A program of its own, as
# CUDA's libraries take memory that the other one counts.
set(nets ${firecaffe_zoo})
list(FILTER nets INCLUDE REGEX "^(lenet|nin|alexnet|googlenet|vgg19|resnet50) ")
if(FIRECAFFE_HAS_NVCC AND TARGET CUDA::cublas AND TARGET firecaffe::mpi AND nets)
  firecaffe_per_net(sources ${CMAKE_CURRENT_LIST_DIR} measured_net cu ${nets})
  add_executable(bench_throughput_cuda throughput.cpp ${CMAKE_CURRENT_LIST_DIR}/peaks_cuda.cu ${sources})
  firecaffe_compile_options(bench_throughput_cuda)
  target_include_directories(bench_throughput_cuda PRIVATE ${CMAKE_CURRENT_LIST_DIR})
  target_link_libraries(bench_throughput_cuda PRIVATE firecaffe::cuda firecaffe::mpi CUDA::cublas)
  set_target_properties(bench_throughput_cuda PROPERTIES OUTPUT_NAME throughput_cuda)
endif()
