#include "analysis/replicate_outputs.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <sstream>

#include "analysis/analysis_plan.hpp"
#include "analysis/predictor_analysis.hpp"
#include "analysis/results/results_schema.hpp"
#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

const std::string& method_of(const Sweep& sweep, const Replicate& replicate) {
  return sweep.spec.methods[static_cast<std::size_t>(replicate.method)].name;
}

/// The same parts, in any order: "size=500 depth=2".
bool names_cell(const std::string& text, const std::string& label) {
  const auto parts = [](const std::string& of) {
    std::istringstream words(of);
    return std::multiset<std::string>(std::istream_iterator<std::string>(words), {});
  };
  return text == label || parts(text) == parts(label);
}

const Replicate& choose(const Sweep& sweep, const ReplicateChoice& choice) {
  const std::string method =
      choice.method.empty() ? sweep.spec.methods.front().name : choice.method;
  std::set<std::string> methods, cells;
  std::set<std::int64_t> seeds;
  const Replicate* found = nullptr;
  for (const auto& replicate : sweep.replicates) {
    methods.insert(method_of(sweep, replicate));
    const auto label = cell_label(sweep, replicate.cell);
    if (method_of(sweep, replicate) != method) continue;
    if (!choice.cell.empty() && !names_cell(choice.cell, label)) {
      cells.insert(label);
      continue;
    }
    cells.insert(label);
    seeds.insert(replicate.seed);
    if (choice.seed && replicate.seed != *choice.seed) continue;
    if (found == nullptr) found = &replicate;
  }
  if (choice.cell.empty() && cells.size() > 1) {
    throw UsageError(fmt::format("say which cell, as in --cell \"{}\"; there are: {}",
                                 *cells.begin(), fmt::join(cells, "; ")));
  }
  if (found != nullptr) return *found;
  if (!methods.contains(method)) {
    throw UsageError(
        fmt::format("no method is called \"{}\"; there are: {}", method, fmt::join(methods, ", ")));
  }
  if (seeds.empty()) {
    throw UsageError(fmt::format("no cell is called \"{}\"; there are: {}", choice.cell,
                                 fmt::join(cells, "; ")));
  }
  throw UsageError(fmt::format("there is no seed {} of {}; there are: {}", choice.seed.value_or(0),
                               method, fmt::join(seeds, ", ")));
}

/// The open files of the members of a replicate.
class MemberFiles {
 public:
  MemberFiles(const RunDirectory& run, const std::vector<TrialId>& ids) {
    for (const auto& unit : run.sealed_units()) {
      if (place_.size() == ids.size()) break;
      auto file = std::make_unique<UnitFileReader>(run.unit(unit), false);
      bool used = false;
      for (const auto& id : file->trials()) {
        if (std::find(ids.begin(), ids.end(), id) == ids.end()) continue;
        used = place_.emplace(id, file.get()).second || used;
      }
      if (used) files_.push_back(std::move(file));
    }
    for (const auto& id : ids) {
      if (!place_.contains(id)) {
        throw UsageError(fmt::format("trial {} has no sealed result yet", id.hex()));
      }
      members_.push_back({place_.at(id), id});
    }
  }
  const std::vector<EnsembleMember>& members() const { return members_; }

 private:
  std::vector<std::unique_ptr<UnitFileReader>> files_;
  std::map<TrialId, const UnitFileReader*> place_;
  std::vector<EnsembleMember> members_;
};

std::size_t index_of_set(const NetworkData& network, const std::string& set) {
  std::vector<std::string> names;
  for (std::size_t s = 0; s < network.sets.size(); ++s) {
    if (network.sets[s].set() == set) return s;
    names.push_back(network.sets[s].set());
  }
  throw UsageError(
      fmt::format("there is no set \"{}\"; there are: {}", set, fmt::join(names, ", ")));
}

}  // namespace

Predictions read_predictions(const Sweep& sweep, const RunDirectory& run,
                             const ReplicateChoice& choice, const std::string& set) {
  const auto& replicate = choose(sweep, choice);
  const MemberFiles files(run, member_ids(sweep, replicate));
  const auto ensemble = read_ensemble(predictor_id(sweep, replicate), files.members());
  const auto index = index_of_set(ensemble.members.front(), set);
  const auto& first = ensemble.members.front().sets[index];
  if (ensemble.members.size() == 1) return outputs_of(first, RowDetail::Correctness).predictions;
  return outputs_of(PooledSets(ensemble).pooled(index), RowDetail::Correctness).predictions;
}

std::string cell_label(const Sweep& sweep, std::int64_t cell) {
  const auto columns = axis_columns(sweep);
  const auto& coordinates = sweep.cells[static_cast<std::size_t>(cell)].coordinates;
  std::string label;
  for (std::size_t a = 0; a < columns.size(); ++a) {
    label += fmt::format("{}{}={}", a == 0 ? "" : " ", columns[a], display_text(coordinates[a]));
  }
  return label.empty() ? "all" : label;
}

}  // namespace calsweep::analysis
