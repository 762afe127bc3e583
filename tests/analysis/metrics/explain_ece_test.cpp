#include "analysis/query/explain_ece.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

/// The edge-12 vector of CALIBRATION.md 3.3 as top labels.
Predictions edge_12() {
  const std::vector<double> confidence = {1, 1, 1, .95, .9, .8, .7, .6, .5, .3, .2, .1};
  const std::vector<std::int32_t> predicted(12, 0);
  const std::vector<std::int32_t> labels = {0, 0, 1, 0, 1, 0, 1, 0, 0, 1, 0, 1};
  return predict_from_top_label(confidence, predicted, 2, labels, "edge-12");
}

const QueryValue& at(const QueryTable& table, std::string_view convention,
                     std::string_view column) {
  const auto c =
      std::find(table.columns.begin(), table.columns.end(), column) - table.columns.begin();
  for (const auto& row : table.rows) {
    if (std::get<std::string>(row[0]) == convention) return row[static_cast<std::size_t>(c)];
  }
  throw std::out_of_range(std::string(convention));
}

TEST(ExplainEceTest, tells_why_edge_12_differs) {
  const auto table = explain_ece(edge_12(), 10);
  EXPECT_EQ(table.rows.size(), conventions().size());
  EXPECT_NEAR(std::get<double>(at(table, "guo2017", "ece")), .404167, 5e-7);
  EXPECT_NEAR(std::get<double>(at(table, "noise2026", "minus_guo2017")), .427778 - .404167, 1e-6);
  EXPECT_EQ(std::get<std::int64_t>(at(table, "noise2026", "n_unbinned")), 3);
  const auto why = [&](const char* name) { return std::get<std::string>(at(table, name, "why")); };
  EXPECT_NE(why("noise2026").find("3 rows of confidence exactly 1 dropped"), std::string::npos);
  EXPECT_NE(why("noise2026").find("midpoints"), std::string::npos);
  EXPECT_NE(why("nixon2019").find("3 rows of confidence exactly 1 in a bin of their own"),
            std::string::npos);
  // .3, .6 (just above the double edge) move up: guo2017 has them at its float32 edge, below.
  EXPECT_NE(why("kumar2019-ew").find("on a bin edge in another bin"), std::string::npos);
  EXPECT_NE(why("fortuna").find("count times a gap"), std::string::npos);
}

TEST(ExplainEceTest, says_when_nothing_differs) {
  const std::vector<double> confidence = {.95, .85};
  const std::vector<std::int32_t> classes = {0, 0};
  const auto table =
      explain_ece(predict_from_top_label(confidence, classes, 2, classes, "two rows"), 15);
  EXPECT_EQ(std::get<std::string>(at(table, "kumar2019-ew", "why")), "the same bins on these rows");
  EXPECT_EQ(std::get<double>(at(table, "kumar2019-ew", "minus_guo2017")), 0.0);
}

TEST(ExplainEceTest, agrees_between_rows_and_tally) {
  const auto predictions = edge_12();
  const auto rows = explain_ece(predictions);
  const auto sums = explain_ece(predictions.tally);
  for (std::size_t i = 0; i < rows.rows.size(); ++i) {
    const auto name = std::get<std::string>(rows.rows[i][0]);
    EXPECT_EQ(rows.rows[i][1], sums.rows[i][1]) << name;
    if (name == "fortuna") {
      EXPECT_TRUE(std::holds_alternative<std::monostate>(sums.rows[i][2]));
    } else {
      EXPECT_EQ(rows.rows[i][2], sums.rows[i][2]) << name;
    }
  }
}

TEST(ExplainEceTest, serves_any_number_of_bins_from_rows_only) {
  EXPECT_TRUE(std::holds_alternative<double>(at(explain_ece(edge_12(), 12), "exact", "ece")));
  EXPECT_THROW(explain_ece(edge_12().tally, 12), UsageError);
  EXPECT_THROW(explain_ece(edge_12(), -1), UsageError);
}

TEST(ExplainEceTest, of_saturated_rows_gives_reasons_for_missing_values) {
  const std::vector<double> confidence = {1, 1};
  const std::vector<std::int32_t> predicted = {0, 0}, labels = {0, 1};
  const auto table =
      explain_ece(predict_from_top_label(confidence, predicted, 2, labels, "saturated"));
  EXPECT_TRUE(std::holds_alternative<std::monostate>(at(table, "openood", "ece")));
  EXPECT_NE(std::get<std::string>(at(table, "openood", "why"))
                .find("every confidence is exactly 1, which this convention drops"),
            std::string::npos);
  EXPECT_NEAR(std::get<double>(at(table, "guo2017", "ece")), .5, 1e-15);
}

}  // namespace
}  // namespace calsweep::analysis
