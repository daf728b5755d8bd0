# HDF5's C library, the serial one where there are several, by header and library: CMake's own FindHDF5 runs compiler
# wrappers and needs the language C. Target SerialHDF5::SerialHDF5; SerialHDF5_ROOT or HDF5_ROOT names its folder.
find_path(SerialHDF5_INCLUDE_DIR hdf5.h
  HINTS ${HDF5_ROOT} ENV HDF5_ROOT PATHS ENV CPATH PATH_SUFFIXES include/hdf5/serial hdf5/serial include)
find_library(SerialHDF5_LIBRARY NAMES hdf5_serial hdf5
  HINTS ${HDF5_ROOT} ENV HDF5_ROOT PATHS ENV LIBRARY_PATH ENV LD_LIBRARY_PATH PATH_SUFFIXES lib lib/hdf5/serial hdf5/serial)
set(SerialHDF5_VERSION "")
if(EXISTS "${SerialHDF5_INCLUDE_DIR}/H5public.h")
  file(STRINGS "${SerialHDF5_INCLUDE_DIR}/H5public.h" line REGEX "define H5_VERS_INFO ")
  string(REGEX REPLACE ".*version: ([0-9.]+).*" "\\1" SerialHDF5_VERSION "${line}")
endif()
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(SerialHDF5
  REQUIRED_VARS SerialHDF5_LIBRARY SerialHDF5_INCLUDE_DIR VERSION_VAR SerialHDF5_VERSION)
if(SerialHDF5_FOUND AND NOT TARGET SerialHDF5::SerialHDF5)
  add_library(SerialHDF5::SerialHDF5 UNKNOWN IMPORTED)
  set_target_properties(SerialHDF5::SerialHDF5 PROPERTIES
    IMPORTED_LOCATION ${SerialHDF5_LIBRARY} INTERFACE_INCLUDE_DIRECTORIES ${SerialHDF5_INCLUDE_DIR})
endif()
mark_as_advanced(SerialHDF5_INCLUDE_DIR SerialHDF5_LIBRARY)
