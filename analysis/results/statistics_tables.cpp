// Part of sweep_tables.hpp: summaries per cell and method, and the tests against the reference.
#include <optional>
#include <unordered_map>

#include "analysis/analysis_plan.hpp"
#include "analysis/results/results_schema.hpp"
#include "analysis/results/results_writer.hpp"
#include "analysis/results/sweep_tables.hpp"
#include "analysis/statistics/comparisons.hpp"

namespace calsweep::analysis {
namespace {

/// The metrics of the views, by predictor: [column], absent where there is no value.
using Values = std::unordered_map<std::string, std::vector<std::optional<double>>>;

Values load_values(SQLite::Database& db, std::span<const MetricColumn> columns) {
  Values values;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    SQLite::Statement rows(db,
                           "SELECT predictor_id, value FROM metric WHERE set_name = ? AND "
                           "metric = ? AND convention = ? AND value IS NOT NULL");
    rows.bind(1, columns[i].set_name);
    rows.bind(2, columns[i].metric);
    rows.bind(3, columns[i].convention);
    while (rows.executeStep()) {
      auto& row = values[rows.getColumn(0).getString()];
      row.resize(columns.size());
      row[i] = rows.getColumn(1).getDouble();
    }
  }
  return values;
}

/// Replicates of one method in one cell, as indices into Sweep::replicates.
struct Group {
  std::int64_t cell = 0, method = 0;
  std::vector<std::size_t> replicates;
};

std::vector<Group> group_replicates(const Sweep& sweep) {
  std::vector<Group> groups;
  for (std::size_t i = 0; i < sweep.replicates.size(); ++i) {
    const auto& r = sweep.replicates[i];
    if (groups.empty() || groups.back().cell != r.cell || groups.back().method != r.method) {
      groups.push_back({r.cell, r.method, {}});
    }
    groups.back().replicates.push_back(i);
  }
  return groups;
}

MetricSample sample_of(const Group& group, std::size_t column, const Sweep& sweep,
                       const Values& values) {
  MetricSample sample;
  for (const auto index : group.replicates) {
    const auto& replicate = sweep.replicates[index];
    const auto at = values.find(predictor_id(sweep, replicate));
    if (at == values.end() || !at->second[column]) continue;
    const auto first = static_cast<std::size_t>(replicate.trials.front());
    sample.pairing_seeds.push_back(sweep.trials[first].seed);
    sample.values.push_back(*at->second[column]);
  }
  return sample;
}

void bind_optional(SQLite::Statement& statement, int index, const std::optional<double>& value) {
  if (value) bind_real(statement, index, *value);
}

void write_summary(SQLite::Statement& insert, const Group& group, const std::string& key,
                   const SummaryStatistics& s) {
  insert.bind(1, group.cell);
  insert.bind(2, group.method);
  insert.bind(3, key);
  insert.bind(4, s.n);
  bind_optional(insert, 5, s.mean);
  bind_optional(insert, 6, s.sd);
  bind_optional(insert, 7, s.median);
  bind_optional(insert, 8, s.minimum);
  bind_optional(insert, 9, s.maximum);
  insert.exec();
  insert.reset();
  insert.clearBindings();
}

void write_comparison(SQLite::Statement& insert, const Group& group, const std::string& key,
                      const Comparison& c) {
  const auto& t = c.test;
  insert.bind(1, group.cell);
  insert.bind(2, group.method);
  insert.bind(3, key);
  insert.bind(4, t.n_pairs);
  insert.bind(5, t.n_zero);
  int column = 6;
  for (const auto* value :
       {&c.method_median, &c.reference_median, &t.median_difference, &t.hodges_lehmann, &t.w_plus,
        &t.w_minus, &t.w, &t.z, &t.p_exact, &t.p_asymptotic, &t.log10_p_exact,
        &t.log10_p_asymptotic, &t.r, &t.rank_biserial}) {
    bind_measured(insert, column++, *value);
  }
  if (!c.p_used.empty()) insert.bind(column, c.p_used);
  bind_measured(insert, ++column, c.p_holm);
  insert.bind(++column, c.family_size);
  ++column;
  if (c.significant) insert.bind(column, *c.significant ? 1 : 0);
  ++column;
  if (!c.verdict.empty()) insert.bind(column, c.verdict);
  ++column;
  if (!c.null_reason.empty()) insert.bind(column, c.null_reason);
  insert.exec();
  insert.reset();
  insert.clearBindings();
}

bool shares_networks(const Sweep& sweep, std::int64_t method) {
  const auto& ensemble = sweep.spec.methods[static_cast<std::size_t>(method)].ensemble;
  return ensemble && ensemble->members == EnsembleMembers::CyclicSeeds;
}

/// All tests of one metric: one family per method.
class MetricTests {
 public:
  MetricTests(const Sweep& sweep, std::span<const Group> groups, std::int64_t reference)
      : sweep_(sweep), groups_(groups), reference_(reference) {}

  void run(SQLite::Statement& insert, const MetricColumn& column,
           std::span<const MetricSample> samples) {
    std::unordered_map<std::int64_t, const MetricSample*> references;
    for (std::size_t g = 0; g < groups_.size(); ++g) {
      if (groups_[g].method == reference_) references.emplace(groups_[g].cell, &samples[g]);
    }
    const auto n_methods = static_cast<std::int64_t>(sweep_.spec.methods.size());
    for (std::int64_t method = 0; method < n_methods; ++method) {
      if (method != reference_) run_family(insert, column, samples, method, references);
    }
  }

 private:
  using References = std::unordered_map<std::int64_t, const MetricSample*>;

  void run_family(SQLite::Statement& insert, const MetricColumn& column,
                  std::span<const MetricSample> samples, std::int64_t method,
                  const References& references) {
    const bool shared = shares_networks(sweep_, method) || shares_networks(sweep_, reference_);
    std::vector<const Group*> members;
    std::vector<Comparison> comparisons;
    for (std::size_t g = 0; g < groups_.size(); ++g) {
      if (groups_[g].method != method) continue;
      const auto reference = references.find(groups_[g].cell);
      comparisons.push_back(
          compare(samples[g], reference == references.end() ? MetricSample() : *reference->second,
                  shared ? Pairing::SharedNetworks : Pairing::BySeed));
      members.push_back(&groups_[g]);
    }
    std::vector<Comparison*> family;
    for (auto& comparison : comparisons) family.push_back(&comparison);
    judge_family(family, column.direction, sweep_.spec.analysis.alpha);
    for (std::size_t i = 0; i < family.size(); ++i) {
      write_comparison(insert, *members[i], column.key, comparisons[i]);
    }
  }

  const Sweep& sweep_;
  std::span<const Group> groups_;
  std::int64_t reference_;
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
    insert.exec();
    insert.reset();
  }
}

std::int64_t reference_method(const Sweep& sweep) {
  for (std::size_t m = 0; m < sweep.spec.methods.size(); ++m) {
    if (sweep.spec.methods[m].name == sweep.spec.analysis.reference) {
      return static_cast<std::int64_t>(m);
    }
  }
  return -1;
}

}  // namespace

void write_statistics(SQLite::Database& db, const Sweep& sweep) {
  const auto columns = metric_columns(ood_sets(db));
  write_definitions(db, columns);
  const auto values = load_values(db, columns);
  const auto groups = group_replicates(sweep);
  const auto reference = reference_method(sweep);
  SQLite::Statement summary(db, "INSERT INTO summary VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)");
  SQLite::Statement test(db,
                         "INSERT INTO comparison_test VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
                         "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  MetricTests tests(sweep, groups, reference);
  for (std::size_t c = 0; c < columns.size(); ++c) {
    std::vector<MetricSample> samples;
    for (const auto& group : groups) {
      samples.push_back(sample_of(group, c, sweep, values));
      write_summary(summary, group, columns[c].key, summarize_sample(samples.back().values));
    }
    if (columns[c].compared && reference >= 0) tests.run(test, columns[c], samples);
  }
  db.exec(views_sql(sweep, columns));
}

}  // namespace calsweep::analysis
