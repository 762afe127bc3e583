// AUROC and Holm's correction.
#include <gtest/gtest.h>

#include <cmath>

#include "analysis/metrics/auroc.hpp"
#include "analysis/statistics/multiplicity.hpp"
#include "sweeps/errors.hpp"
#include "tests/analysis/fixtures.hpp"

namespace calsweep::analysis {
namespace {

TEST(AurocTest, counts_ties_as_one_half) {
  // By hand: pairs (1,1)=.5 (1,0)=1 (2,1)=1 (2,0)=1 -> 3.5 of 4.
  EXPECT_DOUBLE_EQ(auroc(std::vector<double>{1, 2}, std::vector<double>{1, 0}).value, .875);
}

TEST(AurocTest, agrees_with_scipy) {
  for (const auto& expected : fixtures::reference().at("auroc")) {
    const auto positive = expected.at("positive").get<std::vector<double>>();
    const auto negative = expected.at("negative").get<std::vector<double>>();
    EXPECT_NEAR(auroc(positive, negative).value, expected.at("auroc").get<double>(), 1e-15)
        << expected.at("name");
    EXPECT_NEAR(auroc(negative, positive).value, 1.0 - expected.at("auroc").get<double>(), 1e-15);
  }
}

TEST(AurocTest, of_an_empty_side_has_a_reason) {
  EXPECT_EQ(auroc({}, std::vector<double>{1.0}).null_reason, "one of the two sets is empty");
  EXPECT_THROW(auroc(std::vector<double>{std::nan("")}, std::vector<double>{1.0}), FormatError);
}

TEST(HolmTest, agrees_with_statsmodels) {
  for (const auto& expected : fixtures::reference().at("holm")) {
    std::vector<Measured> p;
    for (const double value : expected.at("p").get<std::vector<double>>()) {
      p.push_back(Measured::of(value));
    }
    const auto adjusted = holm(p);
    const auto wanted = expected.at("adjusted").get<std::vector<double>>();
    for (std::size_t i = 0; i < p.size(); ++i) EXPECT_NEAR(adjusted[i].value, wanted[i], 1e-14);
  }
}

TEST(HolmTest, leaves_missing_p_values_out_of_the_family) {
  const std::vector<Measured> p = {Measured::of(.02), Measured::none("no pairs"),
                                   Measured::of(.01)};
  const auto adjusted = holm(p);
  EXPECT_DOUBLE_EQ(adjusted[0].value, .02);
  EXPECT_DOUBLE_EQ(adjusted[2].value, .02);  // 2 * .01
  EXPECT_EQ(adjusted[1].null_reason, "no pairs");
  EXPECT_TRUE(holm({}).empty());
}

TEST(HolmTest, ten_seeds_survive_25_cells_but_not_26) {
  // CALIBRATION.md fact 6: the smallest exact p of ten pairs is 2/1024.
  const auto all = [](std::size_t m) {
    return holm(std::vector<Measured>(m, Measured::of(2.0 / 1024.0))).front().value;
  };
  EXPECT_LE(all(25), .05);
  EXPECT_GT(all(26), .05);
}

}  // namespace
}  // namespace calsweep::analysis
