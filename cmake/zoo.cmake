# The networks of the zoo that programs offer by name: NAME HEADER TYPE.
set(firecaffe_zoo
  "lenet lenet fc::zoo::lenet"
  "nin nin fc::zoo::nin"
  "alexnet alexnet fc::zoo::alexnet"
  "bvlc_alexnet alexnet fc::zoo::bvlc_alexnet"
  "googlenet googlenet fc::zoo::googlenet"
  "googlenet_plain googlenet fc::zoo::googlenet_plain"
  "squeezenet squeezenet fc::zoo::squeezenet"
  "resnet18 resnet fc::zoo::resnet18"
  "resnet50 resnet fc::zoo::resnet50"
  "vgg16 vgg fc::zoo::vgg16"
  "vgg19 vgg fc::zoo::vgg19")
set(FIRECAFFE_NETS "" CACHE STRING "Those that programs are built with, by name, as each takes long to compile; empty: all")
if(FIRECAFFE_NETS)
  list(JOIN FIRECAFFE_NETS "|" wanted)
  list(FILTER firecaffe_zoo INCLUDE REGEX "^(${wanted}) ")
  list(LENGTH FIRECAFFE_NETS asked)
  list(LENGTH firecaffe_zoo found)
  if(NOT asked EQUAL found)
    message(FATAL_ERROR "firecaffe: FIRECAFFE_NETS (${FIRECAFFE_NETS}) names a network that cmake/zoo.cmake lacks")
  endif()
endif()

# firecaffe_per_net(SOURCES FOLDER ENTRY cpp|cu NET...): a source for each network, made from FOLDER/net.cpp.in or net.cu.in
# (@name@, @header@, @type@), and one from FOLDER/table.cpp.in, where @entries@ are the addresses of the constants
# ENTRY_<name>, which @declarations@ declares. Sets SOURCES in the caller.
function(firecaffe_per_net sources folder entry language)
  set(place ${CMAKE_CURRENT_BINARY_DIR}/${entry}_${language})
  set(declarations "")
  set(entries "")
  set(made "")
  foreach(net IN LISTS ARGN)
    string(REPLACE " " ";" net "${net}")
    list(GET net 0 name)
    list(GET net 1 header)
    list(GET net 2 type)
    configure_file(${folder}/net.${language}.in ${place}/${name}.${language} @ONLY)
    list(APPEND made ${place}/${name}.${language})
    string(APPEND declarations "extern const ${entry} ${entry}_${name};\n")
    list(APPEND entries &${entry}_${name})
  endforeach()
  list(LENGTH entries count)
  list(JOIN entries ", " entries)
  configure_file(${folder}/table.cpp.in ${place}/table.cpp @ONLY)
  set(${sources} ${made} ${place}/table.cpp PARENT_SCOPE)
endfunction()
