#include "tests/analysis/calibrators/reference_cases.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

namespace calsweep::analysis {

Rows drawn_rows(std::int64_t n, std::int64_t k, double scale, double sharpness,
                std::string_view purpose) {
  Random random(random_key(4, 0, purpose));
  Rows rows{k, {}, {}};
  std::vector<double> weight(static_cast<std::size_t>(k));
  for (std::int64_t i = 0; i < n; ++i) {
    double sum = 0.0;
    for (auto& w : weight) {
      rows.logits.push_back(static_cast<float>(scale * random.normal()));
      w = std::exp(sharpness * static_cast<double>(rows.logits.back()));
      sum += w;
    }
    double left = random.uniform() * sum;
    std::int32_t label = 0;
    while (label + 1 < k && left >= weight[static_cast<std::size_t>(label)]) {
      left -= weight[static_cast<std::size_t>(label++)];
    }
    rows.labels.push_back(label);
  }
  return rows;
}

double parameter(const FittedCalibrator& calibrator, std::string_view name) {
  for (const auto* list : {&calibrator.parameters, &calibrator.weights}) {
    for (const auto& p : *list) {
      if (p.name != name) continue;
      EXPECT_TRUE(p.value.has_value()) << name << ": " << p.value.null_reason;
      return p.value.value;
    }
  }
  ADD_FAILURE() << "no parameter " << name;
  return NAN;
}

double nll_of(const CalibratedOutputs& outputs, const std::vector<std::int32_t>& labels) {
  const auto k = static_cast<std::size_t>(outputs.n_classes);
  double sum = 0.0;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    sum -= std::log(outputs.probabilities[i * k + static_cast<std::size_t>(labels[i])]);
  }
  return sum / static_cast<double>(labels.size());
}

namespace {

TEST(ReferenceCasesTest, every_comparison_has_at_least_200_cases_and_names_its_libraries) {
  EXPECT_EQ(reference()["versions"].size(), 3U);
  for (const char* of : {"temperature", "platt", "beta", "isotonic"}) {
    EXPECT_GE(reference()[of].size(), 200U) << of;
  }
  EXPECT_EQ(affine_reference()["versions"].size(), 2U);
  std::map<std::string, int> of_kind;
  for (const auto& item : affine_reference()["affine"]) ++of_kind[item["kind"]];
  for (const char* kind : {"vector", "matrix", "matrix-odir", "dirichlet"}) {
    EXPECT_GE(of_kind[kind], 200) << kind;
  }
  EXPECT_EQ(score_map_reference()["versions"].size(), 2U);
  EXPECT_GE(score_map_reference()["bayesian_binning"].size(), 200U);
  EXPECT_GE(score_map_reference()["near_isotonic"].size(), 200U);
}

}  // namespace
}  // namespace calsweep::analysis
