#include "sweeps/errors.hpp"

#include <fmt/core.h>

#include <cstdio>
#include <cstdlib>

namespace calsweep {

void check_failed(const char* condition, const std::string& message, const char* file, int line) {
  fmt::print(stderr, "calsweep: internal error: {} ({} is false at {}:{}); please report it\n",
             message, condition, file, line);
  std::abort();
}

}  // namespace calsweep
