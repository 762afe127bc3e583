#include "analysis/results/results_db.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "analysis/analysis_plan.hpp"
#include "analysis/metrics/calibration_error.hpp"
#include "sweeps/errors.hpp"
#include "tests/analysis/synthetic_run.hpp"

namespace calsweep::analysis {
namespace {

using fixtures::ask;
using fixtures::dump_results;
using fixtures::make_sweep;
using fixtures::small_spec;
using fixtures::SyntheticOptions;
using fixtures::TemporaryRun;
using fixtures::write_units;

/// Trial ids of the replicate of (cell, method, seed).
std::vector<std::string> trials_of(const Sweep& sweep, int cell, int method, std::int64_t seed) {
  for (const auto& r : sweep.replicates) {
    if (r.cell != cell || r.method != method || r.seed != seed) continue;
    std::vector<std::string> ids;
    for (const auto& id : member_ids(sweep, r)) ids.push_back(id.str());
    return ids;
  }
  return {};
}

TEST(ResultsDbTest, has_a_row_for_every_replicate_and_metric) {
  const auto sweep = make_sweep(small_spec(6));
  const TemporaryRun run;
  write_units(sweep, run.directory());
  const auto report = analyze(sweep, run.directory());
  EXPECT_EQ(report.n_networks, static_cast<std::int64_t>(sweep.trials.size()));
  EXPECT_EQ(report.n_missing, 0);
  EXPECT_TRUE(report.problems.empty());
  const auto db = run.directory().results();
  // 4 cells x (6 baseline + 6 warm-up + 6 independent + 3 disjoint + 6 cyclic)
  EXPECT_EQ(ask(db, "SELECT count(*) FROM replicate WHERE status = 'analysed'"), "108");
  EXPECT_EQ(
      ask(db,
          "SELECT count(*) FROM replicate_metric WHERE metric = 'auroc' AND "
          "convention = 'max_softmax' AND value BETWEEN 0.5 AND 1 AND set_name = 'ood/kmnist'"),
      "108");
  EXPECT_EQ(ask(db, "SELECT count(*) FROM cell_summary"), "20");
  EXPECT_EQ(ask(db,
                "SELECT n FROM cell_summary WHERE depth = 4 AND size = 500 AND "
                "method = 'pooled'"),
            "3");
  EXPECT_EQ(ask(db,
                "SELECT sum(count) FROM reliability WHERE set_name = 'test' AND "
                "convention = 'guo2017' AND n_bins = 15 AND calibrator = 'none'"),
            "21600");
  EXPECT_EQ(ask(db,
                "SELECT sum(count) FROM reliability WHERE set_name = 'test' AND "
                "convention = 'guo2017' AND method = 'baseline' AND depth = 2 AND size = 500 "
                "AND seed = 3 AND n_bins = 15 AND calibrator = 'none'"),
            "200");
  EXPECT_EQ(ask(db, "SELECT train_loss IS NULL FROM dynamics WHERE epoch = 0"), "1");
}

// 56 predictors x 5 conventions. The promise of the confidence cells: the ECE of any slice, in any convention, is a SUM.
TEST(ResultsDbTest, every_equal_width_ece_is_a_sum_over_confidence_cells) {
  const auto sweep = make_sweep(small_spec(2));
  const TemporaryRun run;
  write_units(sweep, run.directory());
  analyze(sweep, run.directory());
  const auto db = run.directory().results();
  // Conventions whose confidence of a bin is its mean, and whose denominator is all rows.
  EXPECT_EQ(ask(db,
                "WITH b AS (SELECT predictor_id, convention, bin, sum(count) AS n, sum(correct) AS "
                "k, sum(sum_confidence) AS c FROM confidence_count JOIN convention_bin USING "
                "(confidence_cell) JOIN convention d ON d.name = convention AND n_bins = "
                "default_bins WHERE set_name = 'test' AND calibrator = 'none' AND bin IS NOT NULL "
                "GROUP BY 1, 2, 3), e AS (SELECT predictor_id, convention, sum(abs(k - c)) / 200 "
                "AS ece FROM b GROUP BY 1, 2) SELECT count(*) || ' ' || (max(abs(ece - value)) < "
                "1e-12) FROM e JOIN metric m USING (predictor_id, convention) WHERE m.metric = "
                "'ece' AND m.set_name = 'test' AND m.calibrator = 'none' AND convention IN "
                "('guo2017', 'exact', 'torchmetrics', 'netcal', 'kumar2019-ew')"),
            "280 1");
}

TEST(ResultsDbTest, is_equal_whatever_the_packing_order_and_host) {
  const auto sweep = make_sweep(small_spec(6));
  const TemporaryRun one;
  const TemporaryRun other;
  write_units(sweep, one.directory());
  write_units(sweep, other.directory(),
              {.trials_per_unit = 7, .backwards = true, .host = "node-2"});
  analyze(sweep, one.directory());
  const auto plan = plan_analysis(sweep, other.directory());
  {
    ResultsDb db(sweep, other.directory(), plan);
    for (auto job = plan.jobs.rbegin(); job != plan.jobs.rend(); ++job) {
      const auto shipped = AnalysisJob::from_json(job->to_json());
      auto lines = run_job(shipped, other.directory());
      std::reverse(lines.begin(), lines.end());
      db.store(lines);
    }
    db.finish();
  }
  EXPECT_EQ(dump_results(one.directory().results()), dump_results(other.directory().results()));
  EXPECT_NE(ask(one.directory().results(), "SELECT host FROM provenance"),
            ask(other.directory().results(), "SELECT host FROM provenance"));
}

TEST(ResultsDbTest, built_in_steps_equals_built_at_once) {
  const auto small = make_sweep(small_spec(4));
  const auto large = make_sweep(small_spec(7));
  const TemporaryRun steps;
  const TemporaryRun once;
  write_units(small, steps.directory());
  analyze(small, steps.directory());
  SyntheticOptions rest;
  for (const auto& trial : small.trials) rest.leave_out.insert(trial.id.str());
  write_units(large, steps.directory(), rest);
  const auto plan = plan_analysis(large, steps.directory());
  EXPECT_EQ(plan.kept_trials.size(), small.trials.size());
  EXPECT_FALSE(plan.kept_ensembles.empty());
  analyze(large, steps.directory());
  write_units(large, once.directory());
  analyze(large, once.directory());
  EXPECT_EQ(dump_results(steps.directory().results()), dump_results(once.directory().results()));
}

TEST(ResultsDbTest, reads_nothing_again_when_nothing_changed) {
  const auto sweep = make_sweep(small_spec(4));
  const TemporaryRun run;
  const auto units = write_units(sweep, run.directory());
  analyze(sweep, run.directory());
  const auto before = dump_results(run.directory().results());
  const auto plan = plan_analysis(sweep, run.directory());
  EXPECT_TRUE(plan.jobs.empty());
  EXPECT_EQ(plan.n_unit_files_unchanged, static_cast<std::int64_t>(units.size()));
  analyze(sweep, run.directory());
  EXPECT_EQ(dump_results(run.directory().results()), before);
}

TEST(ResultsDbTest, reads_a_unit_file_again_when_it_was_made_again) {
  const auto sweep = make_sweep(small_spec(4));
  const TemporaryRun run;
  write_units(sweep, run.directory());
  analyze(sweep, run.directory());
  write_units(sweep, run.directory(), {.host = "node-9"});
  analyze(sweep, run.directory());
  EXPECT_EQ(ask(run.directory().results(), "SELECT count(*) FROM provenance WHERE host = 'node-9'"),
            std::to_string(sweep.trials.size()));
}

TEST(ResultsDbTest, forgets_what_is_no_longer_there_or_declared) {
  const auto large = make_sweep(small_spec(7));
  const auto small = make_sweep(small_spec(4));
  const TemporaryRun shrunk;
  const TemporaryRun fresh;
  write_units(large, shrunk.directory());
  analyze(large, shrunk.directory());
  analyze(small, shrunk.directory());
  write_units(small, fresh.directory());
  analyze(small, fresh.directory());
  EXPECT_EQ(dump_results(shrunk.directory().results()), dump_results(fresh.directory().results()));
}

TEST(ResultsDbTest, an_interrupted_analysis_leaves_the_old_results) {
  const auto sweep = make_sweep(small_spec(4));
  const TemporaryRun run;
  write_units(sweep, run.directory());
  analyze(sweep, run.directory());
  const auto before = dump_results(run.directory().results());
  const auto larger = make_sweep(small_spec(5));
  {
    const auto plan = plan_analysis(larger, run.directory(), Reuse::Nothing);
    EXPECT_TRUE(plan.kept_trials.empty());
    ResultsDb db(larger, run.directory(), plan);
    EXPECT_THROW(ResultsDb(larger, run.directory(), plan), UsageError);  // one writer
  }
  EXPECT_EQ(dump_results(run.directory().results()), before);
  EXPECT_FALSE(fs::exists(run.directory().results().string() + ".partial"));
}

TEST(ResultsDbTest, lists_what_is_missing_with_the_reason) {
  const auto sweep = make_sweep(small_spec(6));
  const TemporaryRun run;
  SyntheticOptions options;
  options.leave_out.insert(trials_of(sweep, 0, 0, 1).front());
  options.diverged.insert(trials_of(sweep, 0, 1, 2).front());
  options.not_finite.insert(trials_of(sweep, 1, 1, 3).front());
  write_units(sweep, run.directory(), options);
  const auto report = analyze(sweep, run.directory());
  const auto db = run.directory().results();
  const auto reason = [&](const char* where) {
    return ask(
        db, fmt::format("SELECT group_concat(reason, ';') FROM missing_replicate WHERE {}", where));
  };
  EXPECT_EQ(reason("method = 'baseline'"),
            "no sealed result: not trained yet, or set aside (see `calsweep status`)");
  EXPECT_EQ(reason("method = 'noise-warmup' AND seed = 2"), "diverged at step 17");
  EXPECT_NE(reason("method = 'noise-warmup' AND seed = 3").find("row 7 (from 0) has a logit"),
            std::string::npos);
  // Seed 1 of the baseline is the second member of disjoint ensemble 0, and of cyclic 0 and 1.
  EXPECT_EQ(ask(db,
                "SELECT count(*) FROM missing_replicate WHERE method IN ('pooled', 'rolling') "
                "AND reason LIKE 'its network of seed 1, member 0: no sealed result%'"),
            "3");
  EXPECT_EQ(report.n_missing, 6);
  ASSERT_EQ(report.problems.size(), 1U);
  EXPECT_EQ(report.n_diverged, 1);
  EXPECT_EQ(ask(db,
                "SELECT n_pairs FROM comparison WHERE method = 'noise-warmup' AND depth = 2 AND "
                "size = 500 AND metric = 'nll'"),
            "4");
}

TEST(ResultsDbTest, goes_on_without_a_damaged_unit_file) {
  const auto sweep = make_sweep(small_spec(4));
  const TemporaryRun run;
  const auto units = write_units(sweep, run.directory());
  const auto flipped = run.directory().unit(units[0]);
  {
    std::fstream file(flipped, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(fs::file_size(flipped) / 2));
    file.write("damage", 6);
  }
  fs::resize_file(run.directory().unit(units[1]), 1000);
  const auto report = analyze(sweep, run.directory());
  ASSERT_EQ(report.problems.size(), 2U);
  for (const auto& problem : report.problems) {
    EXPECT_NE(problem.message.find("calsweep run"), std::string::npos) << problem.message;
    EXPECT_NE(problem.message.find(problem.file), std::string::npos) << problem.message;
  }
  const auto db = run.directory().results();
  EXPECT_EQ(ask(db, "SELECT count(*) FROM damaged_file"), "2");
  EXPECT_EQ(ask(db, "SELECT count(*) FROM trial"), std::to_string(sweep.trials.size() - 10));
  // Ensembles with a member in a damaged file have no results, though their own job could read it.
  EXPECT_EQ(ask(db,
                "SELECT count(*) FROM predictor p WHERE kind = 'ensemble' AND EXISTS (SELECT 1 "
                "FROM replicate r JOIN replicate_member m USING (cell_id, method_id, seed) "
                "WHERE r.predictor_id = p.predictor_id AND m.trial_id NOT IN "
                "(SELECT trial_id FROM trial))"),
            "0");
  // Repaired, the result is as if nothing had happened.
  const TemporaryRun intact;
  write_units(sweep, intact.directory());
  analyze(sweep, intact.directory());
  write_units(sweep, run.directory());
  analyze(sweep, run.directory());
  EXPECT_EQ(dump_results(db), dump_results(intact.directory().results()));
}

TEST(ResultsDbTest, refuses_foreign_and_newer_files_and_replaces_damaged_ones) {
  const auto sweep = make_sweep(small_spec(2));
  const TemporaryRun run;
  write_units(sweep, run.directory());
  const auto file = run.directory().results();
  std::ofstream(file) << "my shopping list, which is longer than nothing";
  EXPECT_THROW(analyze(sweep, run.directory()), UsageError);
  EXPECT_TRUE(fs::exists(file));
  EXPECT_THROW(plan_analysis(sweep, run.directory(), Reuse::Nothing), UsageError);
  fs::remove(file);
  analyze(sweep, run.directory());
  const auto good = dump_results(file);
  {
    std::fstream bytes(file, std::ios::in | std::ios::out | std::ios::binary);
    bytes.seekp(60);  // user_version, big-endian
    bytes.write("\0\0\0\x63", 4);
  }
  EXPECT_THROW(analyze(sweep, run.directory()), UsageError);
  {
    std::fstream bytes(file, std::ios::in | std::ios::out | std::ios::binary);
    bytes.seekp(60);
    bytes.write("\0\0\0\0", 4);  // older
  }
  analyze(sweep, run.directory());
  EXPECT_EQ(dump_results(file), good);
  fs::resize_file(file, 8192);  // torn
  analyze(sweep, run.directory());
  EXPECT_EQ(dump_results(file), good);
}

TEST(ResultsDbTest, pools_ensembles_over_unit_files) {
  const auto sweep = make_sweep(small_spec(3));
  const TemporaryRun run;
  write_units(sweep, run.directory(), {.trials_per_unit = 1});
  analyze(sweep, run.directory());
  const auto members = trials_of(sweep, 0, 2, 1);
  ASSERT_EQ(members.size(), 3U);
  // Independent of our code: the mean of the members' softmax by hand.
  std::vector<double> mean(800, 0.0);
  std::vector<std::int32_t> labels;
  for (const auto& id : members) {
    const auto trial = TrialId::from_hex(id);
    const UnitFileReader file(run.directory().unit(UnitId::of(id)));
    const auto z = file.logits(trial, "test");
    labels = file.labels("test");
    for (std::size_t i = 0; i < z.size(); ++i) {
      double sum = 0.0;
      for (std::size_t c = 0; c < 4; ++c) sum += std::exp(static_cast<double>(z[i / 4 * 4 + c]));
      mean[i] += std::exp(static_cast<double>(z[i])) / sum / 3.0;
    }
  }
  double nll = 0.0;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    nll -= std::log(mean[i * 4 + static_cast<std::size_t>(labels[i])]) / 200.0;
  }
  const auto stored =
      ask(run.directory().results(),
          "SELECT value FROM replicate_metric WHERE method = 'ensemble' AND depth = 2 "
          "AND size = 500 AND seed = 1 AND set_name = 'test' AND metric = 'nll'");
  EXPECT_NEAR(std::stod(stored), nll, 1e-12);
}

TEST(ResultsDbTest, works_for_a_sweep_without_axes_and_without_units) {
  const auto sweep = make_sweep(
      "name = \"one\"\nseeds = 2\n[data]\ndataset = \"fashion-mnist\"\n"
      "[methods.baseline]\n[analysis]\nreference = \"baseline\"\n");
  const TemporaryRun run;
  const auto report = analyze(sweep, run.directory());
  EXPECT_EQ(report.n_missing, 2);
  EXPECT_EQ(ask(run.directory().results(), "SELECT label FROM cell"), "all");
  EXPECT_EQ(ask(run.directory().results(), "SELECT accuracy_mean FROM cell_summary"), "NULL");
}

}  // namespace
}  // namespace calsweep::analysis
