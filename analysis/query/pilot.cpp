#include "analysis/query/pilot.hpp"

#include <SQLiteCpp/SQLiteCpp.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "analysis/results/results_line.hpp"
#include "analysis/results/results_reader.hpp"
#include "analysis/statistics/wilcoxon.hpp"
#include "sweeps/errors.hpp"
#include "sweeps/nearest_name.hpp"

namespace calsweep::analysis {
namespace {

struct MetricName {
  std::string set_name, metric, convention, better;
};

MetricName find_metric(SQLite::Database& db, const std::string& key) {
  SQLite::Statement row(
      db, "SELECT set_name, metric, convention, better FROM metric_definition WHERE key = ?");
  row.bind(1, key);
  if (row.executeStep()) {
    return {row.getColumn(0).getString(), row.getColumn(1).getString(),
            row.getColumn(2).getString(), row.getColumn(3).getString()};
  }
  std::vector<std::string> valid;
  SQLite::Statement rows(db, "SELECT key FROM metric_definition ORDER BY key");
  while (rows.executeStep()) valid.push_back(rows.getColumn(0).getString());
  const auto nearest = nearest_name(key, valid);
  throw UsageError(fmt::format("no metric is called \"{}\"{}; there are: {}", key,
                               nearest.empty() ? "" : "; did you mean \"" + nearest + "\"?",
                               fmt::join(valid, ", ")));
}

/// values[cell][pairing seed]
using Values = std::map<std::int64_t, std::map<std::int64_t, double>>;

Values read_values(SQLite::Database& db, std::int64_t method_id, const MetricName& metric) {
  SQLite::Statement rows(db,
                         "SELECT r.cell_id, r.pairing_seed, v.value FROM replicate r "
                         "JOIN metric v USING (predictor_id) WHERE r.method_id = ? AND "
                         "v.set_name = ? AND v.metric = ? AND v.convention = ? AND "
                         "v.calibrator = ? AND v.value IS NOT NULL ORDER BY r.cell_id, r.seed");
  rows.bind(1, method_id);
  rows.bind(2, metric.set_name);
  rows.bind(3, metric.metric);
  rows.bind(4, metric.convention);
  rows.bind(5, std::string(kNoCalibrator));
  Values values;
  while (rows.executeStep()) {
    values[rows.getColumn(0).getInt64()].emplace(rows.getColumn(1).getInt64(),
                                                 rows.getColumn(2).getDouble());
  }
  return values;
}

PilotCell compare_cell(std::int64_t cell_id, const std::map<std::int64_t, double>& method,
                       const std::map<std::int64_t, double>& reference) {
  PilotCell cell;
  cell.cell_id = cell_id;
  double largest = 0.0;
  for (const auto& [seed, value] : method) {
    const auto partner = reference.find(seed);
    if (partner == reference.end()) continue;
    cell.differences.seeds.push_back(seed);
    cell.differences.values.push_back(value - partner->second);
    largest = std::max({largest, std::abs(value), std::abs(partner->second)});
  }
  cell.differences.tolerance = kRelativeTieTolerance * largest;
  cell.effect = paired_effect(cell.differences);
  const auto test = signed_rank_test(cell.differences.values, cell.differences.tolerance);
  cell.p = test.p_exact.has_value() ? test.p_exact : test.p_asymptotic;
  return cell;
}

std::string meta(SQLite::Database& db, const char* key) {
  SQLite::Statement row(db, "SELECT value FROM meta WHERE key = ?");
  row.bind(1, key);
  return row.executeStep() ? row.getColumn(0).getString() : "";
}

void read_methods(SQLite::Database& db, const MetricName& metric, Pilot& pilot) {
  Values reference;
  SQLite::Statement rows(db,
                         "SELECT method_id, name, is_reference, "
                         "coalesce(ensemble_members, '') = 'cyclic-seeds' FROM method "
                         "ORDER BY is_reference DESC, method_id");
  while (rows.executeStep()) {
    const auto values = read_values(db, rows.getColumn(0).getInt64(), metric);
    if (rows.getColumn(2).getInt() != 0) {
      pilot.reference = rows.getColumn(1).getString();
      reference = values;
      continue;
    }
    PilotMethod method;
    method.name = rows.getColumn(1).getString();
    method.shares_networks = rows.getColumn(3).getInt() != 0;
    for (const auto& [cell_id, of_cell] : values) {
      auto cell = compare_cell(cell_id, of_cell, reference[cell_id]);
      if (!cell.differences.values.empty()) method.cells.push_back(std::move(cell));
    }
    pilot.methods.push_back(std::move(method));
  }
}

}  // namespace

std::int64_t PilotMethod::largest_n_pairs() const {
  std::size_t n = 0;
  for (const auto& cell : cells) n = std::max(n, cell.differences.values.size());
  return static_cast<std::int64_t>(n);
}

Measured paired_effect(const CellDifferences& differences) {
  const auto& d = differences.values;
  if (d.size() < 2) return Measured::none("fewer than two pairs");
  const auto n = static_cast<double>(d.size());
  double sum = 0.0;
  for (const double x : d) sum += x;
  double squares = 0.0;
  for (const double x : d) squares += (x - sum / n) * (x - sum / n);
  const double sd = std::sqrt(squares / (n - 1.0));
  if (sd <= differences.tolerance) return Measured::none("all differences are equal");
  return Measured::of(sum / n / sd);
}

Pilot read_pilot(const std::filesystem::path& results_db, const std::string& metric) {
  auto db = open_results(results_db);
  try {
    const auto name = find_metric(db, metric);
    Pilot pilot;
    pilot.metric = metric;
    pilot.better = name.better;
    pilot.alpha = std::stod(meta(db, "alpha"));
    read_methods(db, name, pilot);
    return pilot;
  } catch (const SQLite::Exception& error) {
    throw IoError(fmt::format("cannot read {}: {}; run `calsweep analyze` again",
                              results_db.string(), error.what()));
  }
}

}  // namespace calsweep::analysis
