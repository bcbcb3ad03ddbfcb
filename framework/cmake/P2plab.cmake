# SPDX-License-Identifier: Apache-2.0
# What every folder's CMakeLists says: p2plab_add_library, p2plab_rooms, p2plab_builtins. The installation is in P2plabInstall.cmake.

# Code that reads, checks, writes and prints takes half the time to compile without the optimiser's later passes, and runs too briefly to miss them.
set(P2PLAB_QUICK_BUILD "$<$<CONFIG:Release>:-Og>")
# Code that plans and proves takes two thirds of the time with the first passes and inlining, and runs as fast (framework/decisions/006).
set(P2PLAB_LEAN_BUILD "$<$<AND:$<CONFIG:Release>,$<COMPILE_LANG_AND_ID:CXX,GNU>>:-O1;-finline-small-functions;-findirect-inlining>")

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
  set_target_properties(${target} PROPERTIES UNITY_BUILD_MODE GROUP)
  set_property(GLOBAL APPEND PROPERTY P2PLAB_LIBRARIES ${target})
endfunction()

# p2plab_rooms(framework PART core ROOMS base machine / check folded [QUICK_BUILD | LEAN_BUILD] [APART])
# The folders src/base and so on, whose CMakeLists name their sources. A part is objects of the library that a program can also have without its other
# parts (p2plab_use_parts). Rooms up to a `/` are one unit where units are large (P2plabUnits.cmake): headers are read and templates made once for all of
# them, so that a whole build takes two thirds of the time. QUICK_BUILD, LEAN_BUILD: rooms that need no optimiser, or
# its first passes only (P2PLAB_QUICK_BUILD and P2PLAB_LEAN_BUILD say why). APART: only programs that ask for it have it.
function(p2plab_rooms library)
  cmake_parse_arguments(ARG "QUICK_BUILD;LEAN_BUILD;APART" "PART" "ROOMS" ${ARGN})
  set(target p2plab_${library})
  set(P2PLAB_ROOM_TARGET ${target}_${ARG_PART})
  add_library(${P2PLAB_ROOM_TARGET} OBJECT)
  set_target_properties(${P2PLAB_ROOM_TARGET} PROPERTIES POSITION_INDEPENDENT_CODE ON UNITY_BUILD_MODE GROUP)
  target_compile_features(${P2PLAB_ROOM_TARGET} PRIVATE cxx_std_20)
  p2plab_large_units(${P2PLAB_ROOM_TARGET})
  if(ARG_QUICK_BUILD)
    target_compile_options(${P2PLAB_ROOM_TARGET} PRIVATE ${P2PLAB_QUICK_BUILD})
  elseif(ARG_LEAN_BUILD)
    target_compile_options(${P2PLAB_ROOM_TARGET} PRIVATE ${P2PLAB_LEAN_BUILD})
  endif()
  target_include_directories(${P2PLAB_ROOM_TARGET} PRIVATE include src)
  target_link_libraries(${P2PLAB_ROOM_TARGET} PRIVATE $<GENEX_EVAL:$<TARGET_PROPERTY:${target},LINK_LIBRARIES>>)
  if(NOT ARG_APART)
    target_sources(${target} PRIVATE $<TARGET_OBJECTS:${P2PLAB_ROOM_TARGET}>)
  endif()
  set(unit 1)
  foreach(room IN LISTS ARG_ROOMS)
    set(P2PLAB_ROOM_UNIT ${ARG_PART}_${unit})
    if(room STREQUAL "/")
      math(EXPR unit "${unit} + 1")
    else()
      add_subdirectory(src/${room})
    endif()
  endforeach()
endfunction()

# p2plab_use_parts(p2plab_run framework core texts)
# The objects of these parts in a program, which then does not wait for the library's other parts.
function(p2plab_use_parts program library)
  foreach(part IN LISTS ARGN)
    target_sources(${program} PRIVATE $<TARGET_OBJECTS:p2plab_${library}_${part}>)
  endforeach()
endfunction()

# p2plab_sources(framework error registry)
# Adds error.cpp and registry.cpp of this folder to the library, so a new file is one word beside it. EXTENSION cu: error.cu. PART: not the part that
# the folder belongs to.
function(p2plab_sources library)
  cmake_parse_arguments(ARG "" "EXTENSION;PART" "" ${ARGN})
  if(NOT ARG_EXTENSION)
    set(ARG_EXTENSION cpp)
  endif()
  set(target p2plab_${library})
  if(ARG_PART)
    set(target p2plab_${library}_${ARG_PART})
  elseif(P2PLAB_ROOM_TARGET)
    set(target ${P2PLAB_ROOM_TARGET})
  endif()
  p2plab_unit(unit ${ARG_PART})
  foreach(name IN LISTS ARG_UNPARSED_ARGUMENTS)
    set(file ${CMAKE_CURRENT_SOURCE_DIR}/${name}.${ARG_EXTENSION})
    target_sources(${target} PRIVATE ${file})
    set_source_files_properties(${file} TARGET_DIRECTORY ${target} PROPERTIES UNITY_GROUP ${unit})
  endforeach()
endfunction()

# p2plab_planners(one_shot two_shot)
# Adds one_shot.cpp and two_shot.cpp of this folder, which define planners::one_shot() and planners::two_shot(), and notes them for p2plab_builtins.
function(p2plab_planners)
  get_property(listed GLOBAL PROPERTY P2PLAB_PLANNERS_LISTED)
  if(listed)
    message(FATAL_ERROR "the planners ${ARGN} come too late: a room of planners stands before `select` in algorithms/CMakeLists.txt")
  endif()
  p2plab_sources(algorithms ${ARGN})
  set_property(GLOBAL APPEND PROPERTY P2PLAB_PLANNERS ${ARGN})
endfunction()

# p2plab_exporters(goal chakra)
# The same for exporters::goal() and exporters::chakra().
function(p2plab_exporters)
  p2plab_sources(framework ${ARGN})
  set_property(GLOBAL APPEND PROPERTY P2PLAB_EXPORTERS ${ARGN})
endfunction()

# p2plab_builtins(framework Exporter exporter HEADER p2plab/program/builtin_exporters.h ENTRIES goal chakra)
# Generates builtin_exporters(), which registers exporters::goal(), exporters::chakra() in that order. So the word that CMake needs anyway is the
# registration; the order is that of `p2plab list`.
function(p2plab_builtins library interface word)
  cmake_parse_arguments(ARG "" "HEADER" "ENTRIES" ${ARGN})
  set(declarations "")
  set(calls "")
  foreach(entry IN LISTS ARG_ENTRIES)
    string(APPEND declarations "Entry<${interface}> ${entry}();\n")
    string(APPEND calls "  registry.add(${word}s::${entry}());\n")
  endforeach()
  set(file ${CMAKE_CURRENT_BINARY_DIR}/builtin_${word}s_${library}.cpp)
  file(CONFIGURE OUTPUT ${file} @ONLY CONTENT [[
// Generated from the lists in CMakeLists.txt: one word there is one entry here.
#include "@ARG_HEADER@"

namespace p2plab {

namespace @word@s {
@declarations@}  // namespace @word@s

Registry<@interface@> builtin_@word@s() {
  Registry<@interface@> registry;
@calls@  return registry;
}

}  // namespace p2plab
]])
  p2plab_generated(${file})
endfunction()

# p2plab_presets(framework FAMILIES dgx1 nvswitch)
# The same for machines: adds dgx1.cpp of this folder and generates builtin_presets(), which lists what presets::dgx1() returns, then the next family's.
function(p2plab_presets library)
  cmake_parse_arguments(ARG "" "" "FAMILIES" ${ARGN})
  p2plab_sources(${library} ${ARG_FAMILIES})
  set(declarations "")
  set(calls "")
  foreach(family IN LISTS ARG_FAMILIES)
    string(APPEND declarations "std::vector<Preset> ${family}();\n")
    string(APPEND calls "  for (auto& preset : presets::${family}()) all.push_back(std::move(preset));\n")
  endforeach()
  set(file ${CMAKE_CURRENT_BINARY_DIR}/builtin_presets.cpp)
  file(CONFIGURE OUTPUT ${file} @ONLY CONTENT [[
// Generated from the list in CMakeLists.txt: one word there is one family of machines here.
#include "p2plab/machine/presets.h"

namespace p2plab {

namespace presets {
@declarations@}  // namespace presets

std::vector<Preset> builtin_presets() {
  std::vector<Preset> all;
@calls@  return all;
}

}  // namespace p2plab
]])
  p2plab_generated(${file})
endfunction()
