# SPDX-License-Identifier: Apache-2.0
# Builds and runs the consumer against an installation of BUILD, or configures it with SOURCE as a subdirectory.
set(work ${BUILD}/package_test/${WAY})
file(REMOVE_RECURSE ${work})
function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE code OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT code EQUAL 0)
    message(FATAL_ERROR "${ARGN}\n${output}")
  endif()
endfunction()

set(arguments -S ${CMAKE_CURRENT_LIST_DIR}/consumer -B ${work}/build -G Ninja -DCMAKE_CXX_COMPILER=${CXX} -DCMAKE_BUILD_TYPE=${CONFIG}
    "-DCMAKE_CXX_FLAGS_DEBUG=${FLAGS}")
if(WAY STREQUAL installed)
  run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${work}/prefix)
  list(APPEND arguments -DCMAKE_PREFIX_PATH=${work}/prefix)
else()
  list(APPEND arguments -DP2PLAB_SUBDIRECTORY=${SOURCE} -DP2PLAB_CUDA=OFF)
endif()
run(${CMAKE_COMMAND} ${arguments})
if(WAY STREQUAL installed)
  run(${CMAKE_COMMAND} --build ${work}/build)
  run(${work}/build/consumer)
  # The program with its data, pages and completion; its profiles are found by name.
  foreach(file IN ITEMS share/p2plab/profiles/h200.yaml share/p2plab/configs/8gpu_nvlink.yaml share/bash-completion/completions/p2plab
          share/zsh/site-functions/_p2plab share/fish/vendor_completions.d/p2plab.fish share/man/man1/p2plab.1.gz share/man/man1/p2plab-topo-show.1.gz)
    if(NOT EXISTS ${work}/prefix/${file})
      message(FATAL_ERROR "not installed: ${file}")
    endif()
  endforeach()
  run(${work}/prefix/bin/p2plab plan --topology hgx-h200:gpus=2 --size "4 KiB" --algorithm one_shot --profile h200)
else()
  # Building everything a second time would prove nothing more; the consumer's own sources and targets are checked by configuring.
  run(${CMAKE_COMMAND} --build ${work}/build --target consumer_objects)
endif()
