# What every folder's CMakeLists says: p2plab_add_library, p2plab_builtins; and the installation.

# p2plab_add_library(simulator DEPENDS framework)
# A static library p2plab_simulator, alias p2plab::simulator, with the headers of include/ and whatever sources are added to it later.
# A folder sees another folder's headers only by naming it in DEPENDS, so an include in the wrong direction does not compile.
function(p2plab_add_library name)
  cmake_parse_arguments(ARG "" "" "DEPENDS" ${ARGN})
  set(target p2plab_${name})
  add_library(${target} STATIC)
  add_library(p2plab::${name} ALIAS ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name} POSITION_INDEPENDENT_CODE ON)
  target_compile_features(${target} PUBLIC cxx_std_20)
  list(TRANSFORM ARG_DEPENDS PREPEND p2plab:: OUTPUT_VARIABLE libraries)
  target_link_libraries(${target} PUBLIC ${libraries})
  file(GLOB_RECURSE headers CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/include/*.h)
  target_sources(${target} PUBLIC FILE_SET HEADERS BASE_DIRS include FILES ${headers})
  target_include_directories(${target} PRIVATE src)
  set_property(GLOBAL APPEND PROPERTY P2PLAB_LIBRARIES ${target})
endfunction()

# p2plab_builtins(algorithms Planner planner FOLDER src ENTRIES ring tree)
# Adds FOLDER/ring.cpp, FOLDER/tree.cpp to the library and generates builtin_planners(), which registers planners::ring(), planners::tree() in
# that order. So the word that CMake needs anyway is the registration; the order is that of `p2plab list`.
function(p2plab_builtins library interface word)
  cmake_parse_arguments(ARG "" "FOLDER" "ENTRIES" ${ARGN})
  set(declarations "")
  set(calls "")
  foreach(entry IN LISTS ARG_ENTRIES)
    target_sources(p2plab_${library} PRIVATE ${ARG_FOLDER}/${entry}.cpp)
    string(APPEND declarations "Entry<${interface}> ${entry}();\n")
    string(APPEND calls "  registry.add(${word}s::${entry}());\n")
  endforeach()
  set(file ${CMAKE_CURRENT_BINARY_DIR}/builtin_${word}s_${library}.cpp)
  file(CONFIGURE OUTPUT ${file} @ONLY CONTENT [[
// Generated from the list in CMakeLists.txt: one word there is one entry here.
#include "p2plab/builtin_@word@s.h"

namespace p2plab {

namespace @word@s {
@declarations@}  // namespace @word@s

Registry<@interface@> builtin_@word@s() {
  Registry<@interface@> registry;
@calls@  return registry;
}

}  // namespace p2plab
]])
  target_sources(p2plab_${library} PRIVATE ${file})
endfunction()

# p2plab_presets(framework FOLDER src/presets FAMILIES dgx1 nvswitch)
# The same for machines: adds FOLDER/dgx1.cpp and generates builtin_presets(), which lists what presets::dgx1() returns, then the next family's.
function(p2plab_presets library)
  cmake_parse_arguments(ARG "" "FOLDER" "FAMILIES" ${ARGN})
  set(declarations "")
  set(calls "")
  foreach(family IN LISTS ARG_FAMILIES)
    target_sources(p2plab_${library} PRIVATE ${ARG_FOLDER}/${family}.cpp)
    string(APPEND declarations "std::vector<Preset> ${family}();\n")
    string(APPEND calls "  for (auto& preset : presets::${family}()) all.push_back(std::move(preset));\n")
  endforeach()
  set(file ${CMAKE_CURRENT_BINARY_DIR}/builtin_presets.cpp)
  file(CONFIGURE OUTPUT ${file} @ONLY CONTENT [[
// Generated from the list in CMakeLists.txt: one word there is one family of machines here.
#include "p2plab/presets.h"

namespace p2plab {

namespace presets {
@declarations@}  // namespace presets

std::vector<Preset> builtin_presets() {
  std::vector<Preset> all;
@calls@  return all;
}

}  // namespace p2plab
]])
  target_sources(p2plab_${library} PRIVATE ${file})
endfunction()

# Installs the libraries, their headers, the program, and what find_package(p2plab) needs.
function(p2plab_install)
  include(CMakePackageConfigHelpers)
  get_property(libraries GLOBAL PROPERTY P2PLAB_LIBRARIES)
  install(TARGETS ${libraries} EXPORT p2plabTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
  if(TARGET p2plab_cli)
    install(TARGETS p2plab_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  endif()
  set(destination ${CMAKE_INSTALL_LIBDIR}/cmake/p2plab)
  install(EXPORT p2plabTargets NAMESPACE p2plab:: DESTINATION ${destination})
  configure_package_config_file(${PROJECT_SOURCE_DIR}/framework/cmake/p2plabConfig.cmake.in ${PROJECT_BINARY_DIR}/p2plabConfig.cmake
                                INSTALL_DESTINATION ${destination})
  write_basic_package_version_file(${PROJECT_BINARY_DIR}/p2plabConfigVersion.cmake COMPATIBILITY SameMinorVersion)
  install(FILES ${PROJECT_BINARY_DIR}/p2plabConfig.cmake ${PROJECT_BINARY_DIR}/p2plabConfigVersion.cmake DESTINATION ${destination})
endfunction()
