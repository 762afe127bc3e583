// Part of sweep_tables.hpp: metric definitions, summaries per cell and method, and the paired tests
// against the reference, raw and after calibration.
#include <fmt/format.h>

#include <optional>
#include <unordered_map>

#include "analysis/results/results_line.hpp"
#include "analysis/results/results_schema.hpp"
#include "analysis/results/results_writer.hpp"
#include "analysis/results/sweep_tables.hpp"
#include "analysis/results/sweep_values.hpp"
#include "analysis/statistics/comparisons.hpp"

namespace calsweep::analysis {
namespace {

void bind_optional(SQLite::Statement& statement, int index, const std::optional<double>& value) {
  if (value) bind_real(statement, index, *value);
}

void write_summaries(SQLite::Database& db, const SweepValues& values,
                     std::span<const MetricColumn> columns) {
  SQLite::Statement insert(db, "INSERT INTO summary VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  const auto write = [&](const ReplicateGroup& group, const std::string& calibrator,
                         std::size_t column) {
    const auto s = summarize_sample(values.sample(group, calibrator, column).values);
    if (s.n == 0 && calibrator != kNoCalibrator) return;
    insert.bind(1, group.cell);
    insert.bind(2, group.method);
    insert.bind(3, calibrator);
    insert.bind(4, columns[column].key);
    insert.bind(5, s.n);
    int at = 6;
    for (const auto* value : {&s.mean, &s.sd, &s.median, &s.minimum, &s.maximum}) {
      bind_optional(insert, at++, *value);
    }
    run(insert);
  };
  for (const auto& group : values.groups()) {
    for (std::size_t c = 0; c < columns.size(); ++c) {
      write(group, std::string(kNoCalibrator), c);
      for (const auto& calibrator : values.calibrators()) write(group, calibrator, c);
    }
  }
}

/// What is compared with what: a method through a calibrator, with the reference through another.
struct Contrast {
  std::int64_t method = 0;
  std::string calibrator, reference_calibrator;

  bool is_raw() const {
    return calibrator == kNoCalibrator && reference_calibrator == kNoCalibrator;
  }
};

/// Every method with the reference as they are; each through the same calibrator; each as it is
/// with the calibrated reference; and the calibrated reference with itself as it is.
std::vector<Contrast> contrasts(const Sweep& sweep, std::int64_t reference,
                                const std::vector<std::string>& calibrators) {
  const std::string none(kNoCalibrator);
  std::vector<Contrast> list;
  const auto n_methods = static_cast<std::int64_t>(sweep.spec.methods.size());
  for (std::int64_t method = 0; method < n_methods; ++method) {
    if (method != reference) list.push_back({method, none, none});
    for (const auto& calibrator : calibrators) {
      if (method == reference) {
        list.push_back({method, calibrator, none});
      } else {
        list.push_back({method, calibrator, calibrator});
        list.push_back({method, none, calibrator});
      }
    }
  }
  return list;
}

class ComparisonWriter {
 public:
  ComparisonWriter(SQLite::Database& db, const Sweep& sweep, const SweepValues& values)
      : sweep_(sweep),
        values_(values),
        reference_(reference_method(sweep)),
        insert_(db,
                "INSERT INTO comparison_test VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
                "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)") {}

  void run_all(std::span<const MetricColumn> columns) {
    if (reference_ < 0) return;
    for (const auto& contrast : contrasts(sweep_, reference_, values_.calibrators())) {
      for (std::size_t c = 0; c < columns.size(); ++c) {
        if (contrast.is_raw() ? columns[c].compared : columns[c].compared_calibrated) {
          run_family(contrast, c, columns[c]);
        }
      }
    }
  }

 private:
  std::string posterior_key(std::int64_t cell, const Contrast& contrast,
                            const MetricColumn& column) const {
    return fmt::format("posterior|{}|{}|{}", cell,
                       sweep_.spec.methods[static_cast<std::size_t>(contrast.method)].name,
                       column.key);
  }

  /// One family: all cells of one contrast and metric.
  void run_family(const Contrast& contrast, std::size_t index, const MetricColumn& column) {
    const bool shared =
        shares_networks(sweep_, contrast.method) || shares_networks(sweep_, reference_);
    std::vector<std::int64_t> cells;
    std::vector<Comparison> comparisons;
    for (const auto& group : values_.groups()) {
      if (group.method != contrast.method) continue;
      const auto* partner = values_.find(group.cell, reference_);
      comparisons.push_back(compare(
          values_.sample(group, contrast.calibrator, index),
          partner == nullptr ? MetricSample()
                             : values_.sample(*partner, contrast.reference_calibrator, index),
          shared ? Pairing::SharedNetworks : Pairing::BySeed, sweep_.spec.analysis.alpha));
      if (contrast.is_raw()) {
        add_posterior(comparisons.back(), column.direction, sweep_.spec.analysis,
                      posterior_key(group.cell, contrast, column));
      }
      cells.push_back(group.cell);
    }
    judge_family(comparisons, column.direction, sweep_.spec.analysis);
    for (std::size_t i = 0; i < cells.size(); ++i) {
      write(cells[i], contrast, column.key, comparisons[i]);
    }
  }

  void write(std::int64_t cell, const Contrast& contrast, const std::string& key,
             const Comparison& c) {
    const auto& t = c.test;
    insert_.bind(1, cell);
    insert_.bind(2, contrast.method);
    insert_.bind(3, contrast.calibrator);
    insert_.bind(4, contrast.reference_calibrator);
    insert_.bind(5, key);
    insert_.bind(6, t.n_pairs);
    insert_.bind(7, t.n_zero);
    int at = 8;
    const auto bind_all = [&](std::initializer_list<const Measured*> list) {
      for (const auto* value : list) bind_measured(insert_, at++, *value);
    };
    bind_all({&c.method_median,
              &c.reference_median,
              &t.median_difference,
              &t.hodges_lehmann,
              &c.hodges_lehmann_low,
              &c.hodges_lehmann_high,
              &c.interval_level,
              &t.w_plus,
              &t.w_minus,
              &t.w,
              &t.z,
              &t.p_exact,
              &t.p_asymptotic,
              &t.log10_p_exact,
              &t.log10_p_asymptotic,
              &t.r,
              &t.rank_biserial,
              &c.common_language,
              &c.cohens_dz,
              &c.p_sign,
              &c.p_t});
    if (!c.p_used.empty()) insert_.bind(at, c.p_used);
    ++at;
    bind_all({&c.p_holm, &c.p_hochberg, &c.p_bh, &c.p_by, &c.p_maxt});
    insert_.bind(at++, c.family_size);
    if (c.significant) insert_.bind(at, *c.significant ? 1 : 0);
    ++at;
    if (!c.verdict.empty()) insert_.bind(at, c.verdict);
    ++at;
    bind_all({&c.probability_better, &c.probability_equal, &c.probability_worse});
    if (!c.null_reason.empty()) insert_.bind(at, c.null_reason);
    run(insert_);
  }

  const Sweep& sweep_;
  const SweepValues& values_;
  std::int64_t reference_;
  SQLite::Statement insert_;
};

std::vector<std::string> ood_sets(SQLite::Database& db) {
  std::vector<std::string> sets;
  SQLite::Statement rows(
      db, "SELECT DISTINCT set_name FROM prediction_set WHERE set_name GLOB 'ood/*' ORDER BY 1");
  while (rows.executeStep()) sets.push_back(rows.getColumn(0).getString());
  return sets;
}

void write_definitions(SQLite::Database& db, std::span<const MetricColumn> columns) {
  SQLite::Statement insert(db, "INSERT INTO metric_definition VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)");
  for (const auto& column : columns) {
    insert.bind(1, column.key);
    insert.bind(2, column.set_name);
    insert.bind(3, column.metric);
    insert.bind(4, column.convention);
    insert.bind(5, std::string(to_string(column.direction)));
    insert.bind(6, column.compared ? 1 : 0);
    insert.bind(7, column.unit);
    insert.bind(8, column.formula);
    insert.bind(9, column.source);
    run(insert);
  }
}

}  // namespace

void write_statistics(SQLite::Database& db, const Sweep& sweep) {
  const auto columns = metric_columns(ood_sets(db));
  write_definitions(db, columns);
  const SweepValues values(db, sweep, columns);
  write_summaries(db, values, columns);
  ComparisonWriter(db, sweep, values).run_all(columns);
  write_grid_tests(db, sweep, values, columns);
  write_matched_tests(db, sweep);
  db.exec(views_sql(sweep, columns));
}

}  // namespace calsweep::analysis
