#include "analysis/query/grid_results.hpp"

#include <SQLiteCpp/SQLiteCpp.h>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "analysis/results/results_reader.hpp"
#include "analysis/results/results_schema.hpp"
#include "sweeps/errors.hpp"
#include "sweeps/nearest_name.hpp"

namespace calsweep::analysis {
namespace {

std::string meta(SQLite::Database& db, const char* key) {
  SQLite::Statement row(db, "SELECT value FROM meta WHERE key = ?");
  row.bind(1, key);
  return row.executeStep() ? row.getColumn(0).getString() : "";
}

[[noreturn]] void unknown_metric(SQLite::Database& db, const std::string& metric) {
  std::vector<std::string> valid;
  SQLite::Statement rows(db, "SELECT key FROM metric_definition ORDER BY key");
  while (rows.executeStep()) valid.push_back(rows.getColumn(0).getString());
  const auto nearest = nearest_name(metric, valid);
  throw UsageError(fmt::format("no metric is called \"{}\"{}; there are: {}", metric,
                               nearest.empty() ? "" : "; did you mean \"" + nearest + "\"?",
                               fmt::join(valid, ", ")));
}

std::string title_of(SQLite::Database& db, const std::string& metric, const std::string& convention,
                     const std::string& set_name) {
  std::string title = metric;
  if (metric != "accuracy" && metric != "confidence" && metric != "brier") {
    for (char& c : title) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  if (metric == "brier") title = "Brier score";
  if (metric == "saturated_fraction") title = "saturated fraction";
  if (!convention.empty()) {
    SQLite::Statement row(db, "SELECT default_bins FROM convention WHERE name = ?");
    row.bind(1, convention);
    if (row.executeStep()) {
      title += fmt::format(" ({}, {} bins)", convention, row.getColumn(0).getInt64());
    }
  }
  if (set_name != "test") {
    title += (metric == "auroc" ? " against " : " on ") + set_name.substr(set_name.find('/') + 1);
  }
  return title;
}

void read_definition(SQLite::Database& db, const std::string& metric, GridResults& grid) {
  SQLite::Statement row(
      db,
      "SELECT metric, convention, set_name, better, compared FROM metric_definition WHERE key = ?");
  row.bind(1, metric);
  if (!row.executeStep()) unknown_metric(db, metric);
  grid.metric = metric;
  grid.title = title_of(db, row.getColumn(0).getString(), row.getColumn(1).getString(),
                        row.getColumn(2).getString());
  grid.better = row.getColumn(3).getString();
  grid.compared = row.getColumn(4).getInt() != 0;
}

std::string displayed(const SQLite::Column& column) {
  return column.isFloat() ? fmt::format("{:.6g}", column.getDouble()) : column.getString();
}

void read_cells(SQLite::Database& db, GridResults& grid) {
  std::string columns;
  for (const auto& name : stored_axis_columns(db)) {
    grid.axes.push_back({name, {}});
    columns += ", " + sql_name(name);
  }
  SQLite::Statement rows(db, "SELECT cell_id" + columns + " FROM cell ORDER BY cell_id");
  while (rows.executeStep()) {
    auto& cell = grid.cells.emplace_back();
    for (std::size_t a = 0; a < grid.axes.size(); ++a) {
      const auto value = displayed(rows.getColumn(static_cast<int>(a) + 1));
      auto& values = grid.axes[a].values;
      const auto at = std::find(values.begin(), values.end(), value);
      cell.push_back(static_cast<std::size_t>(at - values.begin()));
      if (at == values.end()) values.push_back(value);
    }
  }
}

std::optional<double> optional_real(const SQLite::Column& column) {
  if (column.isNull()) return std::nullopt;
  return column.getDouble();
}

void read_entries(SQLite::Database& db, std::int64_t method_id, GridMethod& method,
                  const GridResults& grid) {
  method.entries.resize(grid.cells.size());
  SQLite::Statement rows(
      db,
      "SELECT s.cell_id, s.n, s.mean, s.sd, t.verdict, t.null_reason, t.n_pairs, t.family_size "
      "FROM summary s LEFT JOIN comparison_test t ON t.cell_id = s.cell_id AND t.method_id = "
      "s.method_id AND t.metric = s.metric AND t.calibrator = 'none' AND t.reference_calibrator = "
      "'none' WHERE s.method_id = ? AND s.metric = ? AND s.calibrator = 'none'");
  rows.bind(1, method_id);
  rows.bind(2, grid.metric);
  while (rows.executeStep()) {
    GridEntry entry;
    entry.n = rows.getColumn(1).getInt64();
    entry.mean = optional_real(rows.getColumn(2));
    entry.sd = optional_real(rows.getColumn(3));
    entry.verdict = rows.getColumn(4).getString();
    entry.null_reason = rows.getColumn(5).getString();
    entry.n_pairs = rows.getColumn(6).getInt64();
    entry.family_size = rows.getColumn(7).getInt64();
    method.entries[static_cast<std::size_t>(rows.getColumn(0).getInt64())] = entry;
  }
}

}  // namespace

VerdictTally tally(const GridMethod& method, double alpha) {
  VerdictTally made;
  for (const auto& entry : method.entries) {
    if (!entry) continue;
    if (entry->verdict == "better") ++made.better;
    if (entry->verdict == "worse") ++made.worse;
    if (entry->verdict == "not significant") ++made.not_significant;
    if (entry->verdict.empty()) {
      ++made.untested;
      made.null_reason = entry->null_reason;
    }
    made.n_pairs = std::max(made.n_pairs, entry->n_pairs);
    made.family_size = std::max(made.family_size, entry->family_size);
  }
  double smallest = static_cast<double>(made.family_size);
  for (made.pairs_needed = 1; smallest > alpha && smallest > 0.0; ++made.pairs_needed) {
    smallest /= 2.0;
  }
  return made;
}

std::string sentence(const VerdictTally& t) {
  const int tested = t.better + t.worse + t.not_significant;
  if (tested == 0) return "not tested" + (t.null_reason.empty() ? "" : ": " + t.null_reason);
  const auto cells = fmt::format("{} cell{}", t.family_size, t.family_size == 1 ? "" : "s");
  if (t.n_pairs == 1) {
    return fmt::format("one pair cannot be tested; {} pairs can be significant over {}",
                       t.pairs_needed, cells);
  }
  std::string text = fmt::format("better in {}, worse in {} of {} cell{}", t.better, t.worse,
                                 tested, tested == 1 ? "" : "s");
  if (t.untested > 0) text += fmt::format(", {} untested", t.untested);
  if (t.n_pairs < t.pairs_needed) {
    text += fmt::format("; {} pairs cannot be significant over {}, {} can", t.n_pairs, cells,
                        t.pairs_needed);
  }
  return text;
}

std::int64_t largest_n(const GridMethod& method) {
  std::int64_t n = 0;
  for (const auto& entry : method.entries) {
    if (entry) n = std::max(n, entry->n);
  }
  return n;
}

GridResults read_grid(const std::filesystem::path& results_db, const std::string& metric) {
  auto db = open_results(results_db);
  try {
    GridResults grid;
    read_definition(db, metric, grid);
    grid.sweep = meta(db, "sweep");
    grid.reference = meta(db, "reference");
    grid.alpha = std::stod(meta(db, "alpha"));
    grid.n_seeds = std::stoll(meta(db, "n_seeds"));
    grid.n_missing = db.execAndGet("SELECT count(*) FROM missing").getInt64();
    read_cells(db, grid);
    SQLite::Statement rows(db,
                           "SELECT method_id, name, is_reference, ensemble_of IS NOT NULL FROM "
                           "method ORDER BY is_reference DESC, method_id");
    while (rows.executeStep()) {
      auto& method = grid.methods.emplace_back();
      method.name = rows.getColumn(1).getString();
      method.is_reference = rows.getColumn(2).getInt() != 0;
      method.is_ensemble = rows.getColumn(3).getInt() != 0;
      read_entries(db, rows.getColumn(0).getInt64(), method, grid);
    }
    return grid;
  } catch (const SQLite::Exception& error) {
    throw IoError(fmt::format("cannot read {}: {}; run `calsweep analyze` again",
                              results_db.string(), error.what()));
  }
}

}  // namespace calsweep::analysis
