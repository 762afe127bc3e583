// The `[analysis]` table of a spec, and of an import's manifest: what the analysis is asked to do.
//
// Only the parsers include this (see spec_document.hpp).
#pragma once

#include <string>
#include <vector>

#include "sweeps/spec_document.hpp"

namespace calsweep {

/// Reads the table `node`; `methods` are the names that `reference` may take, which stays empty if
/// it is not given. Reports mistakes.
AnalysisOptions read_analysis_options(SpecDocument& document, const toml::node& node,
                                      const std::vector<std::string>& methods);

}  // namespace calsweep
