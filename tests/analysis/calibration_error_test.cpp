#include "analysis/metrics/calibration_error.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "analysis/metrics/bin_finder.hpp"
#include "analysis/metrics/predictions.hpp"
#include "sweeps/errors.hpp"
#include "tests/analysis/fixtures.hpp"

namespace calsweep::analysis {
namespace {

using Flags = std::vector<std::uint8_t>;

CalibrationError measure(const char* convention, std::int64_t n_bins,
                         const std::vector<float>& confidence, const Flags& correct) {
  const auto& rule = find_convention(convention);
  const auto bins = reliability_bins(rule, n_bins, confidence, correct);
  return calibration_error(rule, bins, static_cast<std::int64_t>(confidence.size()));
}

// The vector that tells all conventions apart; expected values: CALIBRATION.md 3.3, computed there
// with the libraries and the authors' code.
const std::vector<float> kEdge12 = {1.0F, 1.0F, 1.0F, .95F, .9F, .8F, .7F, .6F, .5F, .3F, .2F, .1F};
const Flags kEdge12Correct = {1, 1, 0, 1, 0, 1, 0, 1, 1, 0, 1, 0};

TEST(CalibrationErrorTest, edge_12_under_guo2017) {
  EXPECT_NEAR(measure("guo2017", 10, kEdge12, kEdge12Correct).ece.value, .404167, 5e-7);
  EXPECT_NEAR(measure("guo2017", 15, kEdge12, kEdge12Correct).ece.value, .404167, 5e-7);
  EXPECT_NEAR(measure("guo2017", 20, kEdge12, kEdge12Correct).ece.value, .412500, 5e-7);
  EXPECT_NEAR(measure("guo2017", 10, kEdge12, kEdge12Correct).mce.value, .9, 5e-7);
}

TEST(CalibrationErrorTest, edge_12_under_noise2026) {
  EXPECT_NEAR(measure("noise2026", 10, kEdge12, kEdge12Correct).ece.value, .427778, 5e-7);
  EXPECT_NEAR(measure("noise2026", 15, kEdge12, kEdge12Correct).ece.value, .425926, 5e-7);
  EXPECT_NEAR(measure("noise2026", 20, kEdge12, kEdge12Correct).ece.value, .436111, 5e-7);
  EXPECT_NEAR(measure("noise2026", 10, kEdge12, kEdge12Correct).mce.value, .75, 5e-7);
}

TEST(CalibrationErrorTest, float32_edges_fall_into_the_bins_of_the_sources) {
  // CALIBRATION.md 3.2: for 10 bins 0.7 and 0.9 land in bins 6/8 (guo) and 7/9 (the authors').
  const auto bin_of = [](const char* name, float c) {
    const auto bins = reliability_bins(find_convention(name), 10, std::vector<float>{c}, Flags{1});
    return std::find_if(bins.begin(), bins.end(), [](auto& b) { return b.count == 1; }) -
           bins.begin();
  };
  EXPECT_EQ(bin_of("guo2017", .7F), 6);
  EXPECT_EQ(bin_of("guo2017", .9F), 8);
  EXPECT_EQ(bin_of("noise2026", .7F), 7);
  EXPECT_EQ(bin_of("noise2026", .9F), 9);
  EXPECT_EQ(bin_of("noise2026", .3F), 3);
}

TEST(CalibrationErrorTest, guo2017_has_the_edges_of_torch_linspace) {
  // Where torch.linspace(0, 1, B + 1) differs from float32(k / B): CALIBRATION.md 3.2 for 10 and
  // 15, the torch 2.13 wheel with ATEN_CPU_CAPABILITY=default for 20 (its AVX2 path rounds
  // otherwise).
  const auto differing = [](std::int64_t n_bins) {
    std::vector<std::int64_t> found;
    const auto edges = BinFinder(find_convention("guo2017"), n_bins).edges();
    for (std::int64_t k = 0; k <= n_bins; ++k) {
      const auto exact = static_cast<float>(static_cast<double>(k) / static_cast<double>(n_bins));
      if (static_cast<float>(edges[static_cast<std::size_t>(k)]) != exact) found.push_back(k);
    }
    return found;
  };
  EXPECT_EQ(differing(10), std::vector<std::int64_t>{});
  EXPECT_EQ(differing(15), (std::vector<std::int64_t>{3, 6, 7, 8, 9, 10, 12}));
  EXPECT_EQ(differing(20), (std::vector<std::int64_t>{9, 11}));
}

struct Golden {
  const char* record;
  double accuracy, confidence;
  std::int64_t n_saturated;
  double nll, brier, ece_guo, mce_guo, ece_noise;
};
// CALIBRATION.md 3.6, to the printed digits.
constexpr Golden kGolden[] = {
    {"lenet-5-cifar-10", .5308, .638688, 0, 1.369868, .614152, .107888, .185821, .106100},
    {"wideresnet-16-4-cifar-10", .9109, .964616, 2469, .378170, .143871, .053716, .262389, .033442},
};

TEST(CalibrationErrorTest, two_real_records_in_both_conventions) {
  for (const auto& golden : kGolden) {
    SCOPED_TRACE(golden.record);
    const auto record = fixtures::load_confidence_record(golden.record);
    const auto guo = measure("guo2017", 15, record.confidence, record.correct);
    EXPECT_NEAR(guo.ece.value, golden.ece_guo, 5e-7);
    EXPECT_NEAR(guo.mce.value, golden.mce_guo, 5e-7);
    const auto noise = measure("noise2026", 10, record.confidence, record.correct);
    EXPECT_NEAR(noise.ece.value, golden.ece_noise, 5e-7);
    EXPECT_EQ(std::count(record.confidence.begin(), record.confidence.end(), 1.0F),
              golden.n_saturated);
  }
}

TEST(CalibrationErrorTest, two_real_records_from_their_probabilities) {
  if (!std::filesystem::exists(fixtures::records_folder())) {
    GTEST_SKIP() << "no ../shared/data/records beside the source tree; the test above checks ECE "
                    "and MCE of the same records from committed fixtures";
  }
  for (const auto& golden : kGolden) {
    SCOPED_TRACE(golden.record);
    const auto record = fixtures::load_softmax_record(golden.record);
    const auto made =
        predict_from_probabilities(record.probabilities, 10, record.labels, golden.record);
    EXPECT_NEAR(made.accuracy().value, golden.accuracy, 5e-5);
    EXPECT_NEAR(made.mean_confidence().value, golden.confidence, 5e-7);
    EXPECT_NEAR(made.nll().value, golden.nll, 5e-7);
    EXPECT_NEAR(made.brier().value, golden.brier, 5e-7);
    EXPECT_NEAR(made.saturated_fraction().value, static_cast<double>(golden.n_saturated) / 1e4,
                1e-12);
    const auto committed = fixtures::load_confidence_record(golden.record);
    EXPECT_EQ(made.confidence_f32, committed.confidence);
    EXPECT_EQ(made.correct, committed.correct);
  }
}

TEST(CalibrationErrorTest, is_zero_when_perfectly_calibrated) {
  // 4 rows at .75 of which 3 are right, 2 at .5 of which 1 is right.
  const std::vector<float> confidence = {.75F, .75F, .75F, .75F, .5F, .5F};
  const Flags correct = {1, 1, 1, 0, 1, 0};
  EXPECT_EQ(measure("guo2017", 15, confidence, correct).ece.value, 0.0);
  EXPECT_EQ(measure("guo2017", 15, confidence, correct).mce.value, 0.0);
  // The authors' midpoints charge |.75 - .75| and |.5 - .55| by hand: 2/6 * .05.
  EXPECT_NEAR(measure("noise2026", 10, confidence, correct).ece.value, .05 / 3.0, 1e-12);
}

TEST(CalibrationErrorTest, of_a_saturated_set_exists_under_guo2017_only) {
  const std::vector<float> confidence(10, 1.0F);
  const Flags correct = {1, 1, 1, 0, 0, 0, 0, 0, 0, 0};
  const auto guo = measure("guo2017", 15, confidence, correct);
  EXPECT_NEAR(guo.ece.value, .7, 1e-12);
  EXPECT_NEAR(guo.mce.value, .7, 1e-12);
  const auto noise = measure("noise2026", 10, confidence, correct);
  EXPECT_TRUE(std::isnan(noise.ece.value));
  EXPECT_EQ(noise.ece.null_reason, "every confidence is exactly 1, which this convention drops");
  EXPECT_EQ(noise.mce.null_reason, noise.ece.null_reason);
}

TEST(CalibrationErrorTest, noise2026_loses_saturated_wrong_answers) {
  // PAPER.md 3.2: half at 1.0 with accuracy .3, half calibrated at .95; the mistakes vanish.
  std::vector<float> confidence(200, 1.0F);
  Flags correct(200, 0);
  for (std::size_t i = 0; i < 30; ++i) correct[i] = 1;
  for (std::size_t i = 100; i < 200; ++i) {
    confidence[i] = .95F;
    correct[i] = i < 195 ? 1 : 0;
  }
  EXPECT_NEAR(measure("noise2026", 10, confidence, correct).ece.value, 0.0, 1e-7);
  EXPECT_GT(measure("guo2017", 15, confidence, correct).ece.value, .3);
}

TEST(CalibrationErrorTest, of_one_sample_is_its_gap) {
  const auto guo = measure("guo2017", 15, {.625F}, {1});
  EXPECT_NEAR(guo.ece.value, .375, 1e-7);
  EXPECT_NEAR(guo.mce.value, .375, 1e-7);
  const auto noise = measure("noise2026", 10, {.625F}, {1});
  EXPECT_NEAR(noise.ece.value, .35, 1e-12);
  EXPECT_NEAR(noise.mce.value, .95, 1e-12);  // the empty top bin: |0 - .95|
}

TEST(CalibrationErrorTest, of_an_empty_set_has_a_reason) {
  for (const char* name : {"guo2017", "noise2026"}) {
    const auto error = measure(name, 10, {}, {});
    EXPECT_TRUE(std::isnan(error.ece.value));
    EXPECT_EQ(error.ece.null_reason, "the set is empty");
    EXPECT_EQ(error.mce.null_reason, "the set is empty");
  }
}

TEST(CalibrationErrorTest, guo2017_keeps_confidence_zero_in_n_only) {
  const auto error = measure("guo2017", 10, {0.0F, .55F}, {0, 1});
  EXPECT_NEAR(error.ece.value, .225, 1e-7);  // .45 of one row, over two rows
}

TEST(CalibrationErrorTest, refuses_nan_and_unequal_lengths) {
  EXPECT_THROW(measure("guo2017", 10, {std::nanf("")}, {1}), FormatError);
  EXPECT_THROW(measure("guo2017", 10, {.5F}, {}), FormatError);
  EXPECT_THROW(find_convention("guo"), UsageError);
}

}  // namespace
}  // namespace calsweep::analysis
