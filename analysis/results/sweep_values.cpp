#include "analysis/results/sweep_values.hpp"

#include <set>

#include "analysis/analysis_plan.hpp"
#include "analysis/results/results_line.hpp"

namespace calsweep::analysis {
namespace {

std::vector<ReplicateGroup> group_replicates(const Sweep& sweep) {
  std::vector<ReplicateGroup> groups;
  for (std::size_t i = 0; i < sweep.replicates.size(); ++i) {
    const auto& r = sweep.replicates[i];
    if (groups.empty() || groups.back().cell != r.cell || groups.back().method != r.method) {
      groups.push_back({r.cell, r.method, {}});
    }
    groups.back().replicates.push_back(i);
  }
  return groups;
}

std::string column_key(const std::string& set, const std::string& metric,
                       const std::string& convention) {
  return set + "|" + metric + "|" + convention;
}

}  // namespace

SweepValues::SweepValues(SQLite::Database& db, const Sweep& sweep,
                         std::span<const MetricColumn> columns)
    : sweep_(sweep), n_columns_(columns.size()), groups_(group_replicates(sweep)) {
  for (const auto& replicate : sweep.replicates) {
    predictor_.push_back(predictor_id(sweep, replicate));
  }
  std::unordered_map<std::string, std::size_t> index;
  for (std::size_t c = 0; c < columns.size(); ++c) {
    index.emplace(column_key(columns[c].set_name, columns[c].metric, columns[c].convention), c);
  }
  std::set<std::string> calibrators;
  SQLite::Statement rows(db,
                         "SELECT predictor_id, calibrator, set_name, metric, convention, value "
                         "FROM metric WHERE value IS NOT NULL");
  while (rows.executeStep()) {
    const auto column =
        index.find(column_key(rows.getColumn(2).getString(), rows.getColumn(3).getString(),
                              rows.getColumn(4).getString()));
    if (column == index.end()) continue;
    const auto calibrator = rows.getColumn(1).getString();
    if (calibrator != kNoCalibrator) calibrators.insert(calibrator);
    auto& row = rows_[calibrator][rows.getColumn(0).getString()];
    row.resize(n_columns_);
    row[column->second] = rows.getColumn(5).getDouble();
  }
  calibrators_.assign(calibrators.begin(), calibrators.end());
}

MetricSample SweepValues::sample(const ReplicateGroup& group, const std::string& calibrator,
                                 std::size_t column) const {
  MetricSample sample;
  const auto by_predictor = rows_.find(calibrator);
  if (by_predictor == rows_.end()) return sample;
  for (const auto index : group.replicates) {
    const auto at = by_predictor->second.find(predictor_[index]);
    if (at == by_predictor->second.end() || !at->second[column]) continue;
    const auto first = static_cast<std::size_t>(sweep_.replicates[index].trials.front());
    sample.pairing_seeds.push_back(sweep_.trials[first].seed);
    sample.values.push_back(*at->second[column]);
  }
  return sample;
}

const ReplicateGroup* SweepValues::find(std::int64_t cell, std::int64_t method) const {
  for (const auto& group : groups_) {
    if (group.cell == cell && group.method == method) return &group;
  }
  return nullptr;
}

std::int64_t reference_method(const Sweep& sweep) {
  for (std::size_t m = 0; m < sweep.spec.methods.size(); ++m) {
    if (sweep.spec.methods[m].name == sweep.spec.analysis.reference) {
      return static_cast<std::int64_t>(m);
    }
  }
  return -1;
}

bool shares_networks(const Sweep& sweep, std::int64_t method) {
  const auto& ensemble = sweep.spec.methods[static_cast<std::size_t>(method)].ensemble;
  return ensemble && ensemble->members == EnsembleMembers::CyclicSeeds;
}

}  // namespace calsweep::analysis
