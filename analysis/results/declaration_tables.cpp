// Part of sweep_tables.hpp: what the sweep declares.
#include <fmt/format.h>

#include <algorithm>
#include <type_traits>
#include <variant>

#include "analysis/metrics/confidence_cells.hpp"
#include "analysis/metrics/conventions.hpp"
#include "analysis/replicate_outputs.hpp"
#include "analysis/results/previous_results.hpp"
#include "analysis/results/results_schema.hpp"
#include "analysis/results/sweep_tables.hpp"

namespace calsweep::analysis {
namespace {

void bind_setting(SQLite::Statement& statement, int index, const SettingValue& value) {
  std::visit(
      [&](const auto& v) {
        using T = std::decay_t<decltype(v)>;
        if constexpr (std::is_same_v<T, bool>) {
          statement.bind(index, v ? 1 : 0);
        } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
          statement.bind(index, display_text(v));
        } else {
          statement.bind(index, v);
        }
      },
      value);
}

std::string joined(const std::vector<std::string>& parts) {
  return fmt::format("{}", fmt::join(parts, " + "));
}

void write_meta(SQLite::Database& db, const Sweep& sweep) {
  const auto& spec = sweep.spec;
  SQLite::Statement insert(db, "INSERT INTO meta VALUES (?, ?)");
  const auto put = [&](const char* key, const std::string& value) {
    insert.bind(1, key);
    insert.bind(2, value);
    insert.exec();
    insert.reset();
  };
  put("schema", std::to_string(kResultsSchema));
  put("written_by", written_by());
  put("sweep", spec.name);
  put("description", spec.description);
  put("spec", spec.source_text);
  put("seeds", fmt::format("[{}]", fmt::join(spec.seeds, ", ")));
  put("n_seeds", std::to_string(spec.seeds.size()));
  put("reference", spec.analysis.reference);
  put("alpha", fmt::format("{}", spec.analysis.alpha));
  put("equivalence", fmt::format("{}", spec.analysis.equivalence));
  put("predictor_options", predictor_options(spec.analysis));
  put("test",
      "Wilcoxon signed-rank, paired by seed, two-sided, zeros dropped; exact p, else asymptotic");
  put("correction", "Holm over the cells of one method and metric");
}

void write_conventions(SQLite::Database& db) {
  SQLite::Statement insert(db, "INSERT INTO convention VALUES (?, ?, ?, ?)");
  for (const auto& convention : conventions()) {
    insert.bind(1, std::string(convention.name));
    insert.bind(2, convention.default_bins);
    insert.bind(3, std::string(convention.rule));
    insert.bind(4, std::string(convention.source));
    insert.exec();
    insert.reset();
  }
}

void write_confidence_cells(SQLite::Database& db) {
  SQLite::Statement cell(db, "INSERT INTO confidence_cell VALUES (?, ?, ?)");
  const auto cells = confidence_cells();
  for (std::size_t c = 0; c < cells.size(); ++c) {
    cell.bind(1, static_cast<std::int64_t>(c));
    cell.bind(2, static_cast<double>(cells[c].first));
    cell.bind(3, static_cast<double>(cells[c].last));
    cell.exec();
    cell.reset();
  }
  SQLite::Statement bin(db, "INSERT INTO convention_bin VALUES (?, ?, ?, ?)");
  for (const auto& convention : conventions()) {
    for (const auto n_bins : registered_bins(convention)) {
      const auto bins = bins_of_cells(convention, n_bins);
      for (std::size_t c = 0; c < bins.size(); ++c) {
        bin.bind(1, std::string(convention.name));
        bin.bind(2, n_bins);
        bin.bind(3, static_cast<std::int64_t>(c));
        if (bins[c] >= 0) bin.bind(4, static_cast<std::int64_t>(bins[c]));
        bin.exec();
        bin.reset();
        bin.clearBindings();
      }
    }
  }
}

void write_descriptions(SQLite::Database& db) {
  SQLite::Statement insert(db, "INSERT INTO description VALUES (?, ?, ?)");
  for (const auto& object : object_descriptions()) {
    insert.bind(1, std::string(object.name));
    insert.bind(2, std::string(object.kind));
    insert.bind(3, std::string(object.text));
    insert.exec();
    insert.reset();
  }
}

void write_cells(SQLite::Database& db, const Sweep& sweep) {
  const auto columns = axis_columns(sweep);
  SQLite::Statement axis(db, "INSERT INTO axis VALUES (?, ?, ?)");
  std::string places;
  for (std::size_t a = 0; a < columns.size(); ++a) {
    axis.bind(1, static_cast<std::int64_t>(a));
    axis.bind(2, columns[a]);
    axis.bind(3, sweep.axis_paths[a]);
    axis.exec();
    axis.reset();
    places += ", ?";
  }
  SQLite::Statement insert(db, "INSERT INTO cell VALUES (?, ?" + places + ")");
  for (std::size_t c = 0; c < sweep.cells.size(); ++c) {
    const auto& coordinates = sweep.cells[c].coordinates;
    for (std::size_t a = 0; a < columns.size(); ++a) {
      bind_setting(insert, static_cast<int>(a) + 3, coordinates[a]);
    }
    insert.bind(1, static_cast<std::int64_t>(c));
    insert.bind(2, cell_label(sweep, static_cast<std::int64_t>(c)));
    insert.exec();
    insert.reset();
  }
}

void write_methods(SQLite::Database& db, const Sweep& sweep) {
  SQLite::Statement insert(db, "INSERT INTO method VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
  for (std::size_t m = 0; m < sweep.spec.methods.size(); ++m) {
    const auto& method = sweep.spec.methods[m];
    std::vector<std::string> settings;
    for (const auto& [path, value] : method.settings) {
      settings.push_back(path + "=" + display_text(value));
    }
    insert.bind(1, static_cast<std::int64_t>(m));
    insert.bind(2, method.name);
    insert.bind(3, joined(method.ingredients));
    insert.bind(4, fmt::format("{}", fmt::join(settings, ", ")));
    insert.bind(5, method.name == sweep.spec.analysis.reference ? 1 : 0);
    if (method.ensemble) {
      insert.bind(6, method.ensemble->of);
      insert.bind(7, method.ensemble->size);
      insert.bind(8, std::string(to_string(method.ensemble->members)));
    }
    insert.exec();
    insert.reset();
    insert.clearBindings();
  }
}

}  // namespace

void write_declarations(SQLite::Database& db, const Sweep& sweep) {
  write_meta(db, sweep);
  write_conventions(db);
  write_confidence_cells(db);
  write_descriptions(db);
  write_cells(db, sweep);
  write_methods(db, sweep);
}

}  // namespace calsweep::analysis
