// What the analysis reads of one network or ensemble: labels and names at once, outputs when they
// are asked for (set_rows.hpp). The unit files must stay open until then.
#pragma once

#include <cstdint>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "analysis/results/results_line.hpp"
#include "analysis/set_rows.hpp"
#include "sweeps/unit_file.hpp"

namespace calsweep::analysis {

/// The HDF5 library as packaged is not thread-safe: whoever opens, reads or closes a unit file
/// holds this. SetRows of unit files lock it themselves.
std::mutex& file_library();

struct NetworkData {
  std::string id;
  std::int64_t n_classes = 0;
  NetworkOrigin origin;
  std::vector<SetRows> sets;  ///< sorted by name; empty for a diverged network
};

/// Everything about one trial of an open unit file, which must outlive it. Throws FormatError (rows
/// without labels, damage), naming trial and set. The caller holds file_library().
NetworkData read_network(const UnitFileReader& file, const TrialId& id,
                         const RowLimits& limits = {});

/// A member of an ensemble and the open file that holds it.
struct EnsembleMember {
  const UnitFileReader* file = nullptr;
  TrialId trial;
};

struct EnsembleData {
  std::string id;
  std::int64_t n_classes = 0;
  std::vector<NetworkData> members;  ///< in the order given; the same sets and labels in each
};

/// Without the sets of ODIN, which are of one network. Throws FormatError, also for members that
/// were not evaluated on the same sets and labels. The caller holds file_library().
EnsembleData read_ensemble(const std::string& id, std::span<const EnsembleMember> members,
                           const RowLimits& limits = {});

/// Identity of an ensemble: a hash of its members' trial ids, in order.
std::string ensemble_id(std::span<const TrialId> members);

/// Whether a set is out of distribution: named "ood/…", without labels.
bool is_ood(std::string_view set);

}  // namespace calsweep::analysis
