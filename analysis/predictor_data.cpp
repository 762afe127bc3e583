#include "analysis/predictor_data.hpp"

#include <fmt/format.h>

#include "analysis/metrics/metric_definitions.hpp"
#include "analysis/predictor_outputs.hpp"
#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

SetData read_set(const UnitFileReader& file, const TrialId& id, const std::string& set) {
  SetData data;
  data.set = set;
  data.what = fmt::format("trial {}, \"{}\"", id.hex(), set);
  if (file.outputs() == Outputs::Probabilities) {
    data.probabilities = file.probabilities(id, set);
    data.logits = log_probabilities(data.probabilities);
  } else {
    data.logits = file.logits(id, set);
  }
  if (is_ood(set)) return data;
  data.labels = file.labels(set);
  // An empty set counts as labelled; a set with rows must have its labels.
  if (!data.logits.empty() && data.labels.empty()) {
    throw FormatError(data.what + ": the file holds no labels for this set");
  }
  return data;
}

void check_alike(const NetworkData& first, const NetworkData& other) {
  if (other.n_classes != first.n_classes || other.sets.size() != first.sets.size()) {
    throw FormatError(fmt::format(
        "trial {}: it was evaluated on other sets or classes than the first member of its ensemble",
        other.id));
  }
  for (std::size_t s = 0; s < first.sets.size(); ++s) {
    const auto& a = first.sets[s];
    const auto& b = other.sets[s];
    if (a.set != b.set || a.logits.size() != b.logits.size()) {
      throw FormatError(
          fmt::format("{}: {} values, but the first member of its ensemble has {} of \"{}\": they "
                      "were evaluated on different data",
                      b.what, b.logits.size(), a.logits.size(), a.set));
    }
    if (a.labels != b.labels) {
      throw FormatError(b.what +
                        ": its labels differ from those of the first member of its ensemble");
    }
  }
}

}  // namespace

NetworkData read_network(const UnitFileReader& file, const TrialId& id) {
  const auto& header = file.header();
  NetworkData data{id.str(), header.n_classes, {}, {}};
  data.origin = {file.trial(id), header.unit, file.checksum(), header.attempt, header.provenance};
  if (data.origin.record.outcome == TrialOutcome::Diverged) return data;
  for (const auto& set : file.logit_sets(id)) data.sets.push_back(read_set(file, id, set));
  return data;
}

EnsembleData read_ensemble(const std::string& id, std::span<const EnsembleMember> members) {
  CALSWEEP_CHECK(!members.empty(), "an ensemble has members");
  EnsembleData data{id, members.front().file->header().n_classes, {}};
  for (const auto& member : members) {
    data.members.push_back(read_network(*member.file, member.trial));
    check_alike(data.members.front(), data.members.back());
  }
  return data;
}

std::string ensemble_id(std::span<const TrialId> members) {
  std::string content = "calsweep ensemble";
  for (const auto& member : members) content += "|" + member.str();
  return TrialId::of(content).str();
}

bool is_ood(std::string_view set) { return set.starts_with(kOodPrefix); }

}  // namespace calsweep::analysis
