# Every library but LibTorch (worker/ finds that one itself, so that none of its flags leak).
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(nlohmann_json 3.11 REQUIRED)
find_package(tomlplusplus REQUIRED)
find_package(CLI11 REQUIRED)
find_package(SQLiteCpp REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
find_package(Boost 1.74 REQUIRED)
find_package(MPI REQUIRED COMPONENTS C)
set(HDF5_PREFER_PARALLEL FALSE)
find_package(HDF5 REQUIRED COMPONENTS C)

# mpi.h would pull in the removed C++ bindings without this.
add_library(calsweep_mpi INTERFACE)
target_link_libraries(calsweep_mpi INTERFACE MPI::MPI_C)
target_compile_definitions(calsweep_mpi INTERFACE OMPI_SKIP_MPICXX)
