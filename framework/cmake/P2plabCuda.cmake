# SPDX-License-Identifier: Apache-2.0
# Is there a CUDA compiler, and is it wanted? Sets P2PLAB_HAS_CUDA. P2PLAB_CUDA: AUTO takes it where it is, ON demands it, OFF leaves it.
include(CheckLanguage)

set(P2PLAB_HAS_CUDA OFF)
if(NOT P2PLAB_CUDA STREQUAL "OFF")
  if(NOT CMAKE_CUDA_COMPILER AND NOT DEFINED ENV{CUDACXX} AND EXISTS /usr/local/cuda/bin/nvcc)
    set(CMAKE_CUDA_COMPILER /usr/local/cuda/bin/nvcc CACHE FILEPATH "The CUDA compiler")
  endif()
  if(NOT CMAKE_CUDA_ARCHITECTURES)
    # Machine code for A100, H100, H200 and B200; from the code for 90 the driver makes what others and later ones need when it first loads it. That
    # code must know bulk copies, as these GPUs have them.
    set(CMAKE_CUDA_ARCHITECTURES 80-real 90 100-real CACHE STRING "GPU generations to build for")
  endif()
  if(NOT CMAKE_CUDA_COMPILER_LAUNCHER)
    set(CMAKE_CUDA_COMPILER_LAUNCHER ${CMAKE_CXX_COMPILER_LAUNCHER})
  endif()
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    enable_language(CUDA)
    find_package(CUDAToolkit REQUIRED)
    set(P2PLAB_HAS_CUDA ON)
  elseif(P2PLAB_CUDA STREQUAL "ON")
    message(FATAL_ERROR "P2PLAB_CUDA=ON, but there is no CUDA compiler. Install the CUDA toolkit and set CUDACXX=/usr/local/cuda/bin/nvcc, "
                        "or configure with -DP2PLAB_CUDA=AUTO to build without it.")
  endif()
endif()

# p2plab_use_cuda(target): compiles the .cu files of a target and links the runtime statically, so that it starts on machines without a driver.
function(p2plab_use_cuda target)
  set_target_properties(${target} PROPERTIES CUDA_RUNTIME_LIBRARY Static)
  # CMake 3.25 does not know how to ask nvcc 13 for C++20.
  target_compile_options(${target} PRIVATE "$<$<COMPILE_LANGUAGE:CUDA>:--std=c++20;--expt-relaxed-constexpr>")
  target_link_libraries(${target} PRIVATE CUDA::cudart_static ${CMAKE_DL_LIBS})
endfunction()
