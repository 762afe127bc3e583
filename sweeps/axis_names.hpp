// Names that no axis may have as its column in results.db.
#pragma once

#include <set>
#include <string>

namespace calsweep {

/// Column names that views of results.db use beside the axes.
const std::set<std::string>& reserved_axis_names();

}  // namespace calsweep
