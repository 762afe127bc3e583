#include "analysis/uncertainty/residual_intervals.hpp"

#include <gtest/gtest.h>

#include <boost/math/distributions/normal.hpp>
#include <cmath>
#include <map>
#include <string>

#include "analysis/metrics/sorted_calibration_error.hpp"
#include "analysis/uncertainty/bootstrap.hpp"
#include "sweeps/errors.hpp"
#include "sweeps/random.hpp"
#include "tests/analysis/fixtures.hpp"

namespace calsweep::analysis {
namespace {

using Values = std::span<const double>;

std::vector<BinnedFunctional> errors_of(const ConfidenceProfile& profile) {
  auto errors = binned_functionals("ew", equal_width_bins(profile, 15));
  const auto mass = binned_functionals("em", equal_mass_bins(profile, 15));
  errors.insert(errors.end(), mass.begin(), mass.end());
  return errors;
}

// One sum with normal noise of width 1: the error |x| of an observed 5 has the ends 5 -+ 1.96; of
// an observed 1 (below 2.24, the 97.5 % quantile of |noise|) the lower end 0. The ends do not
// become coarser as the sum outgrows its noise.
TEST(InvertedIntervalTest, of_one_normal_sum_by_hand) {
  std::vector<double> noise;
  for (int i = 0; i < 4000; ++i) {
    noise.push_back(boost::math::quantile(boost::math::normal(), (i + .5) / 4000));
  }
  const std::function<double(Values)> size = [](Values x) { return std::abs(x[0]); };
  const std::vector<double> far = {5.0}, near = {1.0}, edge = {2.3};
  auto found = inverted_interval(far, noise, 4000, size, size);
  EXPECT_NEAR(found.lower.value, 5 - 1.96, .005);
  EXPECT_NEAR(found.upper.value, 5 + 1.96, .005);
  const std::vector<double> very_far = {1000.0};
  found = inverted_interval(very_far, noise, 4000, size, size);
  EXPECT_NEAR(found.lower.value, 1000 - 1.96, .005);
  EXPECT_NEAR(found.upper.value, 1000 + 1.96, .005);
  found = inverted_interval(near, noise, 4000, size, size);
  EXPECT_EQ(found.lower.value, 0.0);
  EXPECT_NEAR(found.upper.value, 2.96, .01);
  EXPECT_GT(inverted_interval(edge, noise, 4000, size, size).lower.value, 0.0);
  EXPECT_FALSE(inverted_interval(far, {}, 0, size, size).lower.has_value());
  EXPECT_THROW(inverted_interval(far, noise, 4000, size, size, 1.0), UsageError);
}

struct Model {
  const char* name;
  double (*accuracy)(double confidence);
};
double well(double c) { return c; }
double slightly_off(double c) { return c - .03; }
double off(double c) { return c - .1; }
double waves(double c) { return c - .16 * std::sin(12.0 * c) * (1.0 - c); }
constexpr Model kModels[] = {
    {"calibrated", well}, {"slightly off", slightly_off}, {"off", off}, {"waves", waves}};

ConfidenceProfile made(const Model& model, std::int64_t n, Random& random,
                       std::vector<float>& confidence, std::vector<std::uint8_t>& correct) {
  confidence.clear();
  correct.clear();
  for (std::int64_t i = 0; i < n; ++i) {
    const double c = .5 + random.uniform() / 2.0;
    confidence.push_back(static_cast<float>(c));
    correct.push_back(random.uniform() < model.accuracy(c) ? 1 : 0);
  }
  return ConfidenceProfile::from_rows(std::span<const float>(confidence), correct);
}

/// Expected bin means instead of rows: the error of infinitely many.
std::map<std::string, double> truth_of(const Model& model) {
  std::vector<ConfidenceGroup> groups;
  for (int i = 0; i < 60000; ++i) {
    const double c = .5 + (i + .5) / 120000.0;
    groups.push_back({c, 1'000'000, std::llround(1e6 * model.accuracy(c))});
  }
  const auto profile = ConfidenceProfile::from_groups(std::move(groups));
  std::map<std::string, double> truth;
  for (const auto& error : errors_of(profile)) {
    truth[error.name] = error.value(bin_tallies(profile, error.bins), profile.n_rows());
  }
  return truth;
}

// 60 sets of 600 rows, nominal 95 %. With 600 sets instead the errors are covered 511 to 591 times:
// least the L1 error over equal-mass bins of the model that is clearly off. At least 46 of 60. The
// interval of rows and that of cells.
TEST(InvertedIntervalTest, covers_the_true_error_of_calibrated_and_other_models) {
  Random random(16);
  std::vector<float> confidence;
  std::vector<std::uint8_t> correct;
  for (const auto& model : kModels) {
    const auto truth = truth_of(model);
    std::map<std::string, int> by_rows, by_cells;
    for (int set = 0; set < 60; ++set) {
      const auto profile = made(model, 600, random, confidence, correct);
      const auto errors = errors_of(profile);
      ResidualDraws draws{cuts_of(errors), {}, 0};
      BootstrapOptions options;
      options.n_resamples = 80;
      options.key = "set " + std::to_string(set);
      bootstrap(confidence, correct, {}, {}, options, {}, &draws);
      const auto cells = cell_residuals(profile, draws.cuts, 80, options.key);
      for (const auto& error : errors) {
        const double true_value = truth.at(error.name) + 1e-5;  // 1e-5: rounding of the truth
        for (const ResidualDraws* of : {static_cast<const ResidualDraws*>(&draws), &cells}) {
          const auto found = inverted_interval(error, profile, *of);
          auto& covered = of == &draws ? by_rows : by_cells;
          covered[error.name] +=
              found.lower.value <= true_value && true_value <= found.upper.value + 2e-5;
        }
      }
    }
    for (const auto& [name, count] : by_rows) {
      EXPECT_GE(count, 46) << model.name << " " << name;
      EXPECT_GE(by_cells[name], 46) << model.name << " " << name;
    }
  }
}

// By rows and by cells: the same noise, up to what 1000 draws leave open.
TEST(CellResidualsTest, have_the_variance_of_the_bootstrap_of_rows) {
  const auto rows = fixtures::load_confidence_record("wideresnet-16-4-cifar-10");
  const auto profile =
      ConfidenceProfile::from_rows(std::span<const float>(rows.confidence), rows.correct);
  ResidualDraws by_rows{cuts_of(binned_functionals("em", equal_mass_bins(profile, 15))), {}, 0};
  bootstrap(rows.confidence, rows.correct, {}, {}, {}, {}, &by_rows);
  const auto by_cells = cell_residuals(profile, by_rows.cuts, 1000, "k");
  ASSERT_EQ(by_cells.cuts, by_rows.cuts);
  const auto spread = [](const ResidualDraws& draws, std::size_t cut) {
    double sum = 0.0, squares = 0.0;
    for (std::size_t i = cut; i < draws.noise.size(); i += draws.cuts.size()) {
      sum += draws.noise[i] / 1000.0;
      squares += draws.noise[i] * draws.noise[i] / 1000.0;
    }
    return std::sqrt(squares - sum * sum);
  };
  EXPECT_EQ(spread(by_cells, 0), 0.0);
  for (std::size_t cut = 1; cut < by_rows.cuts.size(); ++cut) {
    EXPECT_NEAR(spread(by_cells, cut), spread(by_rows, cut), .12 * spread(by_rows, cut)) << cut;
  }
}

TEST(CellResidualsTest, degenerate_sets) {
  const ConfidenceProfile empty;
  EXPECT_EQ(cell_residuals(empty, {}, 10, "k").n_resamples, 0);
  const auto one = ConfidenceProfile::from_groups({{.75, 1, 1}});
  const auto errors = errors_of(one);
  const auto draws = cell_residuals(one, cuts_of(errors), 10, "k");
  const auto found = inverted_interval(errors[0], one, draws);
  EXPECT_LE(found.lower.value, .25);
  EXPECT_NEAR(found.upper.value, .25, .01);
  EXPECT_THROW(cell_residuals(one, {}, 0, "k"), UsageError);
}

}  // namespace
}  // namespace calsweep::analysis
