# SPDX-License-Identifier: Apache-2.0
# Which sources are compiled together (CMAKE_UNITY_BUILD): those of a room, or with P2PLAB_LARGE_UNITS of several rooms.

# p2plab_large_units(p2plab_framework_core)
# A local name may be that of a constant of another room. The optimiser takes a vector's memory for none of the heap's where it has inlined much.
# Most of what the compiler has made it still needs: looking for what it does not takes it a tenth of the time.
function(p2plab_large_units target)
  if(P2PLAB_LARGE_UNITS)
    set(options -Wno-shadow -Wshadow=local -Wno-free-nonheap-object --param=ggc-min-heapsize=524288)
    target_compile_options(${target} PRIVATE "$<$<COMPILE_LANG_AND_ID:CXX,GNU>:${options}>")
  endif()
endfunction()

# p2plab_unit(unit [core])
# The name of what this folder's sources are compiled with, or those of them that belong to another part.
function(p2plab_unit result)
  set(unit ${P2PLAB_ROOM_UNIT})
  if(ARGC GREATER 1)
    set(unit ${ARGV1}_1)
  endif()
  if(NOT P2PLAB_LARGE_UNITS OR NOT unit)
    file(RELATIVE_PATH unit ${PROJECT_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR})
    string(MAKE_C_IDENTIFIER ${unit} unit)
  endif()
  set(${result} ${unit} PARENT_SCOPE)
endfunction()

# A source that CMake has written, beside those of the folder.
function(p2plab_generated file)
  p2plab_unit(unit)
  target_sources(${P2PLAB_ROOM_TARGET} PRIVATE ${file})
  if(P2PLAB_LARGE_UNITS)
    set_source_files_properties(${file} TARGET_DIRECTORY ${P2PLAB_ROOM_TARGET} PROPERTIES UNITY_GROUP ${unit})
  endif()
endfunction()
