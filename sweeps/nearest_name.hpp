// The "did you mean" of error messages.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace calsweep {

/// The valid name nearest to `name` (edit distance at most 3 and less than half its length), or "".
std::string nearest_name(std::string_view name, const std::vector<std::string>& valid);

/// "did you mean 'x'? " for what nearest_name found; "" for "".
std::string did_you_mean(const std::string& nearest, char quote = '\'');

}  // namespace calsweep
