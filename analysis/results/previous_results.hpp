// What an existing results.db already knows, so that an analysis reads only what is new; and the
// check that the file is ours to replace.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <string>

#include "sweeps/ids.hpp"
#include "sweeps/sweep.hpp"

namespace calsweep::analysis {

/// Bumped whenever the tables, or the meaning of any number in them, change: an older file is
/// rebuilt from the unit files, a newer one refused.
inline constexpr int kResultsSchema = 3;
/// "CSwp" in the header of the SQLite file.
inline constexpr int kResultsApplicationId = 0x43537770;

struct KnownTrial {
  UnitId unit;
  std::string checksum;
};

struct PreviousResults {
  bool usable = false;  ///< false: absent, empty, of an older schema, or damaged
  std::map<TrialId, KnownTrial> trials;
  std::set<std::string> ensembles;
  std::string predictor_options;  ///< what they were analysed with
  std::string spec, written_by;
  std::int64_t n_damaged = 0;  ///< unit files that could not be read
};

/// The options that the results of single networks and ensembles depend on, as one text.
std::string predictor_options(const AnalysisOptions& options);
/// The writing program, as in `meta`.
std::string written_by();

enum class ResultsFileState { Absent, Current, Older };
/// Looks at the header alone. Throws UsageError for a file that is no results.db of calsweep or
/// comes from a newer version, IoError if it cannot be read.
ResultsFileState results_file_state(const std::filesystem::path& file);

/// Throws as results_file_state. A damaged file of ours is warned about and counts as absent.
PreviousResults read_previous_results(const std::filesystem::path& file);

}  // namespace calsweep::analysis
