// The version of this build, for `--version` and for the provenance of results.
#pragma once

#include <string_view>

namespace calsweep {
/// e.g. "0.1.0+3f2a1bc"; the part behind "+" is the git commit, absent outside a checkout.
std::string_view version();
}  // namespace calsweep
