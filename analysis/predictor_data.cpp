#include "analysis/predictor_data.hpp"

#include <fmt/format.h>

#include "analysis/metrics/metric_definitions.hpp"
#include "analysis/ood/odin_sets.hpp"
#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

SetRows::Read reader_of(const UnitFileReader& file, const TrialId& id, const std::string& set) {
  return [&file, id, set](std::int64_t first, std::int64_t n) {
    const std::lock_guard lock(file_library());
    RowValues values;
    if (file.outputs() == Outputs::Probabilities) {
      values.probabilities = file.probabilities(id, set, first, n);
    } else {
      values.logits = file.logits(id, set, first, n);
    }
    return values;
  };
}

SetRows read_set(const UnitFileReader& file, const TrialId& id, const std::string& set,
                 const RowLimits& limits) {
  SetDescription about;
  about.set = set;
  about.what = fmt::format("trial {}, \"{}\"", id.hex(), set);
  about.n_classes = file.header().n_classes;
  about.n_rows = file.n_rows(id, set);
  about.has_logits = file.outputs() == Outputs::Logits;
  if (!is_ood(set) && !set.starts_with(kOdinPrefix)) {
    about.labels = file.labels(set);
    // An empty set counts as labelled; a set with rows must have its labels.
    if (about.n_rows > 0 && about.labels.empty()) {
      throw FormatError(about.what + ": the file holds no labels for this set");
    }
    if (static_cast<std::int64_t>(about.labels.size()) != about.n_rows) {
      throw FormatError(
          fmt::format("{}: {} rows, but {} labels", about.what, about.n_rows, about.labels.size()));
    }
  }
  return {std::move(about), reader_of(file, id, set), limits};
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
    if (a.set() != b.set() || a.n_rows() != b.n_rows()) {
      throw FormatError(
          fmt::format("{}: {} rows, but the first member of its ensemble has {} of \"{}\": they "
                      "were evaluated on different data",
                      b.what(), b.n_rows(), a.n_rows(), a.set()));
    }
    if (a.labels() != b.labels()) {
      throw FormatError(b.what() +
                        ": its labels differ from those of the first member of its ensemble");
    }
  }
}

}  // namespace

std::mutex& file_library() {
  static std::mutex mutex;
  return mutex;
}

NetworkData read_network(const UnitFileReader& file, const TrialId& id, const RowLimits& limits) {
  const auto& header = file.header();
  NetworkData data{id.str(), header.n_classes, {}, {}};
  data.origin = {file.trial(id), header.unit, file.checksum(), header.attempt, header.provenance};
  if (data.origin.record.outcome == TrialOutcome::Diverged) return data;
  for (const auto& set : file.logit_sets(id)) data.sets.push_back(read_set(file, id, set, limits));
  return data;
}

EnsembleData read_ensemble(const std::string& id, std::span<const EnsembleMember> members,
                           const RowLimits& limits) {
  CALSWEEP_CHECK(!members.empty(), "an ensemble has members");
  EnsembleData data{id, members.front().file->header().n_classes, {}};
  for (const auto& member : members) {
    auto& read = data.members.emplace_back(read_network(*member.file, member.trial, limits));
    std::erase_if(read.sets, [](const auto& set) { return set.set().starts_with(kOdinPrefix); });
    check_alike(data.members.front(), read);
    if (data.members.size() == 1) continue;
    for (auto& set : read.sets) set.forget_labels();  // those of the first serve for all
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
