#include "analysis/query/pilot.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "analysis/query/power_tables.hpp"
#include "analysis/query/table_format.hpp"
#include "analysis/results/results_db.hpp"
#include "analysis/statistics/wilcoxon.hpp"
#include "sweeps/errors.hpp"
#include "tests/analysis/synthetic_run.hpp"

namespace calsweep::analysis {
namespace {

/// A sweep of four cells with eight seeds; noise-warmup is calibrated (logits of unit
/// noise and shift 2 are so at sharpness 2), the baseline overconfident.
class PilotTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    run_ = new fixtures::TemporaryRun();
    const auto sweep = fixtures::make_sweep(fixtures::small_spec(8));
    fixtures::SyntheticOptions options;
    options.sharpness = [](const Sweep& s, const Trial& trial) {
      const auto& settings = s.recipes[static_cast<std::size_t>(trial.recipe)].settings;
      return settings.has("noise_warmup") ? 2.0 : 12.0;
    };
    fixtures::write_units(sweep, run_->directory(), options);
    analyze(sweep, run_->directory());
    pilot_ = new Pilot(read_pilot(run_->directory().results(), "ece_guo2017"));
  }
  static void TearDownTestSuite() {
    delete pilot_;
    delete run_;
  }
  static const PilotMethod& method(const std::string& name) {
    for (const auto& m : pilot_->methods) {
      if (m.name == name) return m;
    }
    throw UsageError("no method " + name);
  }
  static PowerQuestion question() {
    PowerQuestion q;
    q.alpha = 0.05;
    return q;
  }
  static fixtures::TemporaryRun* run_;
  static Pilot* pilot_;
};
fixtures::TemporaryRun* PilotTest::run_ = nullptr;
Pilot* PilotTest::pilot_ = nullptr;

TEST_F(PilotTest, effect_is_that_of_the_paired_differences) {
  const auto& cells = method("noise-warmup").cells;
  ASSERT_EQ(cells.size(), 4U);
  EXPECT_EQ(pilot_->reference, "baseline");
  EXPECT_EQ(pilot_->better, "lower");
  // SQL as the independent way: mean and sum of squares of the differences of the first cell.
  const std::string differences =
      "WITH v AS (SELECT r.method_id, r.pairing_seed AS s, m.value AS x FROM replicate r JOIN "
      "metric "
      "m USING (predictor_id) WHERE r.cell_id = 0 AND m.set_name = 'test' AND m.metric = 'ece' AND "
      "m.convention = 'guo2017' AND m.calibrator = 'none'), d AS (SELECT a.x - b.x AS d FROM v a "
      "JOIN v b USING (s) WHERE a.method_id = (SELECT method_id FROM method WHERE name = "
      "'noise-warmup') AND b.method_id = (SELECT method_id FROM method WHERE is_reference = 1)) ";
  const auto ask = [&](const std::string& sql) {
    return std::stod(fixtures::ask(run_->directory().results(), differences + sql));
  };
  const double n = ask("SELECT count(*) FROM d");
  const double mean = ask("SELECT avg(d) FROM d");
  const double squares = ask("SELECT sum(d * d) FROM d");
  EXPECT_EQ(n, 8.0);
  EXPECT_NEAR(cells[0].effect.value, mean / std::sqrt((squares - n * mean * mean) / (n - 1.0)),
              1e-3 * std::abs(cells[0].effect.value));
  EXPECT_LT(cells[0].effect.value, -1.0);
}

TEST_F(PilotTest, p_is_that_of_the_comparison_in_results_db) {
  const auto& cells = method("noise-warmup").cells;
  for (std::size_t c = 0; c < cells.size(); ++c) {
    const auto p = fixtures::ask(
        run_->directory().results(),
        "SELECT p_exact FROM comparison_test WHERE cell_id = " + std::to_string(c) +
            " AND metric = 'ece_guo2017' AND calibrator = 'none' AND reference_calibrator = 'none' "
            "AND method_id = (SELECT method_id FROM method WHERE name = 'noise-warmup')");
    EXPECT_NEAR(cells[c].p.value, std::stod(p), 1e-6);
  }
}

TEST_F(PilotTest, table_has_a_row_per_method_and_correction) {
  const auto effects = pilot_effect_table(*pilot_);
  EXPECT_EQ(effects.rows.size(), pilot_->methods.size());
  const auto power = pilot_power_table(*pilot_, question());
  const auto joined = pilot_joined_table(*pilot_, question());
  EXPECT_EQ(joined.rows.size(), power.rows.size());
  EXPECT_EQ(joined.columns.size(), effects.columns.size() + power.columns.size() - 1);
  for (const auto& row : joined.rows) EXPECT_EQ(row.size(), joined.columns.size());
  ASSERT_GE(power.rows.size(), 5U);
  // Every cell is a clean sweep of eight pairs: 2^-7, four cells: 0.031 after Holm.
  for (std::size_t i = 0; i < 5; ++i) {
    SCOPED_TRACE(std::get<std::string>(power.rows[i][1]));
    EXPECT_EQ(std::get<std::string>(power.rows[i][0]), "noise-warmup");
    EXPECT_EQ(std::get<std::int64_t>(power.rows[i][2]), 4);
  }
}

TEST_F(PilotTest, says_what_it_cannot_show) {
  PowerQuestion strict = question();
  EXPECT_EQ(holm_limit("a", 4, 8, 0.05), "");
  EXPECT_NE(holm_limit("a", 7, 8, 0.05).find("7 cells x 0.00781 = 0.0547 > 0.05): that takes 9"),
            std::string::npos)
      << holm_limit("a", 7, 8, 0.05);
  strict.alpha = 0.01;
  bool found_shared = false;
  bool found_limit = false;
  for (const auto& line : pilot_limits(*pilot_, strict)) {
    found_shared |= line.find("share networks") != std::string::npos;
    found_limit |= line.starts_with("noise-warmup: 8 pairs cannot");
  }
  EXPECT_TRUE(found_shared) << "one method of the fixture has cyclic members";
  EXPECT_TRUE(found_limit);
}

TEST_F(PilotTest, refuses_an_unknown_metric_by_name) {
  EXPECT_THROW(read_pilot(run_->directory().results(), "ece_guo2018"), UsageError);
}

TEST(PairedEffectTest, needs_two_pairs_that_differ) {
  EXPECT_EQ(paired_effect({{1}, {0.5}, 0.0}).null_reason, "fewer than two pairs");
  EXPECT_EQ(paired_effect({{1, 2}, {0.5, 0.5}, 0.0}).null_reason, "all differences are equal");
  EXPECT_DOUBLE_EQ(paired_effect({{1, 2, 3}, {1, 2, 3}, 0.0}).value, 2.0);
}

TEST(PowerTablesTest, grid_table_has_the_published_wall) {
  const auto table = grid_power_table(30, PowerQuestion());
  ASSERT_EQ(table.rows.size(), 5U);
  EXPECT_EQ(format_table(table, TableFormat::Csv),
            "correction,seeds_possible,possible_asymptotic,assumes\r\n"
            "none,6,5,each cell is the only one looked at\r\n"
            "bh,6,5,all cells have the effect; false discovery rate\r\n"
            "maxt,6,,\"all cells have the effect, in one direction; cells share seeds\"\r\n"
            "holm,11,13,nothing\r\n"
            "bonferroni,11,13,nothing\r\n");
}

TEST(PowerTablesTest, sweep_table_says_what_its_seeds_show) {
  const PlannedFamily family{"noise-warmup", 35, 10};
  const auto table = sweep_power_table({&family, 1}, PowerQuestion());
  ASSERT_EQ(table.rows.size(), 5U);
  EXPECT_EQ(std::get<std::string>(table.rows[0][5]), "yes");
  EXPECT_NEAR(std::get<double>(table.rows[0][6]), 1.02, 0.06);  // power .79 at d_z = 1
  EXPECT_EQ(std::get<std::string>(table.rows[3][5]), "no");     // 35 * 2^-9 > 0.05
  EXPECT_TRUE(std::holds_alternative<std::monostate>(table.rows[3][6]));
}

TEST(PowerTablesTest, refuses_numbers_outside_their_range) {
  PowerQuestion q;
  q.power = 1.0;
  EXPECT_THROW(check_question(q), UsageError);
  q = {};
  q.effective_share = 0.0;
  EXPECT_THROW(check_question(q), UsageError);
  q = {};
  q.effect = 0.0;
  EXPECT_THROW(check_question(q), UsageError);
  q = {};
  q.correlation = -0.1;
  EXPECT_THROW(check_question(q), UsageError);
}

}  // namespace
}  // namespace calsweep::analysis
