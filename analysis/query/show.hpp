// The grid as a table in the terminal: per method, the two largest axes as rows and columns, with
// the cells marked where the method is significantly better or worse than the reference.
#pragma once

#include <filesystem>
#include <string>

namespace calsweep::analysis {

struct ShowStyle {
  std::string metric = "ece_guo2017";  ///< a key of metric_definition
  std::size_t width = 100;             ///< columns of the terminal
  bool color = false;                  ///< ANSI: green better, red worse
  bool ascii = false;                  ///< no characters beyond ASCII
};

/// Mean +- sd over seeds. Throws UsageError: no results yet (see open_results), or an unknown
/// metric (with the nearest and the list).
std::string show(const std::filesystem::path& results_db, const ShowStyle& style);

}  // namespace calsweep::analysis
