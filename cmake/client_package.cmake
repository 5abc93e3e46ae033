# What a program outside links: one static library of the client and what it needs of the rooms
# below it, the public header, and a package that find_package(Gyre) finds.
#   cmake --install build/release --component client --prefix WHERE
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

file(GLOB package_sources CONFIGURE_DEPENDS src/base/*.cc src/client/*.cc)
list(FILTER package_sources EXCLUDE REGEX "_(test|fuzz)\\.cc$")
list(APPEND package_sources src/core/ring/partitioner.cc src/core/ring/ring.cc)

# The objects are its own: those of the rooms may hold link-time code, which only this very compiler
# reads.
add_library(gyre_client_package STATIC ${package_sources})
target_compile_options(gyre_client_package PRIVATE -fno-lto)
set_target_properties(gyre_client_package PROPERTIES
  OUTPUT_NAME gyreclient EXPORT_NAME client POSITION_INDEPENDENT_CODE ON)
target_include_directories(gyre_client_package PUBLIC
  $<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_include_directories(gyre_client_package PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/src)
target_compile_features(gyre_client_package PUBLIC cxx_std_20)
target_link_libraries(gyre_client_package
  PUBLIC OpenSSL::Crypto Threads::Threads
  PRIVATE $<BUILD_INTERFACE:nlohmann_json::nlohmann_json>)
add_library(Gyre::client ALIAS gyre_client_package)

set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/Gyre)
install(TARGETS gyre_client_package EXPORT GyreTargets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT client)
install(FILES include/gyre/client.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/gyre COMPONENT client)
install(EXPORT GyreTargets NAMESPACE Gyre:: DESTINATION ${package_folder} COMPONENT client)
configure_package_config_file(cmake/GyreConfig.cmake.in ${CMAKE_BINARY_DIR}/GyreConfig.cmake
  INSTALL_DESTINATION ${package_folder} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/GyreConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/GyreConfig.cmake ${CMAKE_BINARY_DIR}/GyreConfigVersion.cmake
  DESTINATION ${package_folder} COMPONENT client)
