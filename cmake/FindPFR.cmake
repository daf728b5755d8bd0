# Boost.PFR, headers only: of a Boost >= 1.75, or alone (github.com/boostorg/pfr). Target PFR::PFR.
find_path(PFR_INCLUDE_DIR boost/pfr.hpp
  HINTS ${Boost_ROOT} ${BOOST_ROOT} ENV Boost_ROOT ENV BOOST_ROOT PATHS ENV CPATH PATH_SUFFIXES include)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(PFR REQUIRED_VARS PFR_INCLUDE_DIR)
if(PFR_FOUND AND NOT TARGET PFR::PFR)
  add_library(PFR::PFR INTERFACE IMPORTED)
  target_include_directories(PFR::PFR INTERFACE ${PFR_INCLUDE_DIR})
endif()
mark_as_advanced(PFR_INCLUDE_DIR)
