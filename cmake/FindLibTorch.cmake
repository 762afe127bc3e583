# Finds LibTorch >= 2.1 and defines the imported target LibTorch::LibTorch.
#
# 1. Whatever find_package(Torch) finds, if new enough.
# 2. The torch wheel in CALSWEEP_VENV. Its libraries are linked directly: the wheel's own CMake package
#    asks for a CUDA toolkit, which nobody needs who only runs the wheel's CUDA kernels.
set(LibTorch_MINIMUM 2.1)

if(NOT TARGET LibTorch::LibTorch)
  set(_from_package FALSE)
  find_package(Torch ${LibTorch_MINIMUM} QUIET)
  if(Torch_FOUND AND TARGET torch AND NOT Torch_VERSION VERSION_LESS LibTorch_MINIMUM)
    set(_from_package TRUE)
    add_library(LibTorch::LibTorch INTERFACE IMPORTED)
    target_link_libraries(LibTorch::LibTorch INTERFACE torch)
    set(LibTorch_VERSION "${Torch_VERSION}")
    set(LibTorch_LOCATION "${Torch_DIR}")
  else()
    file(GLOB _wheels "${CALSWEEP_VENV}/lib/python3*/site-packages/torch")
    foreach(_wheel IN LISTS _wheels)
      if(EXISTS "${_wheel}/lib/libtorch_cpu.so" AND EXISTS "${_wheel}/include/torch/csrc/api/include/torch/torch.h")
        file(STRINGS "${_wheel}/version.py" _line REGEX "^__version__")
        string(REGEX REPLACE ".*['\"]([0-9.]+).*" "\\1" LibTorch_VERSION "${_line}")
        set(LibTorch_LOCATION "${_wheel}")
        add_library(LibTorch::LibTorch INTERFACE IMPORTED)
        target_include_directories(LibTorch::LibTorch SYSTEM INTERFACE
          "${_wheel}/include" "${_wheel}/include/torch/csrc/api/include")
        # libtorch.so is a shell that loads the CUDA library too where the wheel has one.
        target_link_options(LibTorch::LibTorch INTERFACE
          "LINKER:--no-as-needed" "LINKER:-rpath,${_wheel}/lib" "LINKER:--allow-shlib-undefined")
        target_link_libraries(LibTorch::LibTorch INTERFACE
          "${_wheel}/lib/libtorch.so" "${_wheel}/lib/libtorch_cpu.so" "${_wheel}/lib/libc10.so")
        if(EXISTS "${_wheel}/lib/libtorch_cuda.so")
          target_link_libraries(LibTorch::LibTorch INTERFACE
            "${_wheel}/lib/libtorch_cuda.so" "${_wheel}/lib/libc10_cuda.so")
        endif()
        break()
      endif()
    endforeach()
  endif()
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LibTorch
  REQUIRED_VARS LibTorch_LOCATION
  VERSION_VAR LibTorch_VERSION
  REASON_FAILURE_MESSAGE "no LibTorch >= ${LibTorch_MINIMUM}: run ./quickstart or ./run-tests once, which put the torch wheel into ${CALSWEEP_VENV}, or set CMAKE_PREFIX_PATH, or configure with -DCALSWEEP_BUILD_WORKER=OFF")
