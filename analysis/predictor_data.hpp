// What the analysis reads of one network or ensemble before it computes: plain vectors, so that
// computing needs no open file and threads need the file library one at a time only.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "analysis/results/results_line.hpp"
#include "sweeps/unit_file.hpp"

namespace calsweep::analysis {

/// One input set seen by one network.
struct SetData {
  std::string set;                    ///< "test", "validation", "ood/mnist"
  std::vector<float> logits;          ///< [n_rows, n_classes] row-major
  std::vector<double> probabilities;  ///< the same shape, if the file holds these; then `logits`
                                      ///< are their log_probabilities()
  std::vector<std::int32_t> labels;   ///< [n_rows]; empty for "ood/…"
  std::string what;                   ///< names trial and set in messages
};

struct NetworkData {
  std::string id;
  std::int64_t n_classes = 0;
  NetworkOrigin origin;
  std::vector<SetData> sets;  ///< sorted by name; empty for a diverged network
};

/// Everything about one trial of an open unit file. Throws FormatError (rows without labels,
/// damage), naming trial and set.
NetworkData read_network(const UnitFileReader& file, const TrialId& id);

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

/// Throws FormatError, also for members that were not evaluated on the same sets and labels.
EnsembleData read_ensemble(const std::string& id, std::span<const EnsembleMember> members);

/// Identity of an ensemble: a hash of its members' trial ids, in order.
std::string ensemble_id(std::span<const TrialId> members);

/// Whether a set is out of distribution: named "ood/…", without labels.
bool is_ood(std::string_view set);

}  // namespace calsweep::analysis
