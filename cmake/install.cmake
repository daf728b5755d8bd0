# `cmake --install`: the headers, and a package that finds the dependencies where it is used (components.cmake).
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_DATADIR}/cmake/firecaffe)
configure_package_config_file(cmake/firecaffe-config.cmake.in ${PROJECT_BINARY_DIR}/package/firecaffe-config.cmake
  INSTALL_DESTINATION ${package_dir} PATH_VARS CMAKE_INSTALL_INCLUDEDIR)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/package/firecaffe-config-version.cmake
  COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(DIRECTORY include/firecaffe DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES
  ${PROJECT_BINARY_DIR}/package/firecaffe-config.cmake
  ${PROJECT_BINARY_DIR}/package/firecaffe-config-version.cmake
  cmake/components.cmake cmake/FindPFR.cmake cmake/FindDNNL.cmake cmake/FindCBLAS.cmake cmake/FindCUDNN.cmake cmake/FindNCCL.cmake
  cmake/FindPROTOZERO.cmake cmake/FindLMDB.cmake cmake/FindSerialHDF5.cmake
  DESTINATION ${package_dir})
