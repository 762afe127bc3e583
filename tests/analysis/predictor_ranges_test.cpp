// The same results, to the bit, whatever ranges the rows are read in; what needs whole sets and
// has none; ODIN; ensembles of one network.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "analysis/ood/detection.hpp"
#include "analysis/ood/scores.hpp"
#include "analysis/predictor_analysis.hpp"
#include "sweeps/ids.hpp"
#include "sweeps/odin_set.hpp"
#include "sweeps/random.hpp"
#include "tests/support/temporary_directory.hpp"

namespace calsweep::analysis {
namespace {

constexpr std::int64_t kClasses = 4;
constexpr const char* kOdin = "odin/T=1000,eps=0.0014/";

std::vector<std::int32_t> labels_of(std::size_t n) {
  std::vector<std::int32_t> labels;
  for (std::size_t i = 0; i < n; ++i) labels.push_back(static_cast<std::int32_t>(i * 7 % 4));
  return labels;
}

/// Logits [n, kClasses]; larger at the label where there is one.
std::vector<float> logits_of(const std::string& key, std::size_t n, bool labelled) {
  Random random(random_key(1, 0, key));
  std::vector<float> logits;
  const auto labels = labels_of(n);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::int32_t k = 0; k < kClasses; ++k) {
      const double hit = labelled && labels[i] == k ? 2.0 : 0.0;
      logits.push_back(static_cast<float>(6.0 * random.uniform() - 3.0 + hit));
    }
  }
  return logits;
}

std::vector<double> softmax(const std::vector<float>& logits) {
  return tempered_probabilities(logits, kClasses, 1.0, "made up");
}

struct Content {
  Outputs outputs = Outputs::Logits;
  bool validation = true, odin = true;
};

/// One file with the networks "a", "b" and "copy", whose outputs are those of "a".
class UnitFile {
 public:
  explicit UnitFile(const Content& content) {
    UnitFileHeader header;
    header.unit = UnitId::of("ranges");
    header.dataset = "made-up";
    header.n_classes = kClasses;
    header.outputs = content.outputs;
    UnitFileWriter writer(folder_ / "u.h5", header);
    writer.add_labels("test", labels_of(157));
    if (content.validation) writer.add_labels("validation", labels_of(101));
    for (const std::string name : {"a", "b", "copy"}) {
      TrialRecord trial;
      trial.id = TrialId::of(name);
      writer.add_trial(trial);
      const std::string key = name == "copy" ? "a" : name;
      const auto add = [&](const std::string& set, std::size_t n, bool labelled) {
        const auto logits = logits_of(key + set, n, labelled);
        writer.begin_outputs(trial.id, set, static_cast<std::int64_t>(n),
                             content.outputs == Outputs::Probabilities);
        if (content.outputs == Outputs::Logits) {
          writer.append_outputs(std::span<const float>(logits));
        } else {
          writer.append_outputs(std::span<const double>(softmax(logits)));
        }
      };
      add("test", 157, true);
      if (content.validation) add("validation", 101, true);
      add("ood/noise", 64, false);
      if (!content.odin) continue;
      add(kOdin + std::string("test"), 157, true);
      add(kOdin + std::string("ood/noise"), 64, false);
    }
    writer.seal();
    reader_ = std::make_unique<UnitFileReader>(folder_ / "u.h5");
  }
  const UnitFileReader& reader() const { return *reader_; }

 private:
  calsweep::testing::TemporaryDirectory folder_;
  std::unique_ptr<UnitFileReader> reader_;
};

AnalysisOptions all_options() {
  AnalysisOptions options;
  options.resamples = 20;
  options.calibrators = {"temperature",        "vector", "matrix", "histogram-binning", "isotonic",
                         "isotonic-top-label", "beta"};
  return options;
}

PredictorResult network(const UnitFile& file, const RowLimits& limits,
                        const AnalysisOptions& options = all_options()) {
  return analyze_network(read_network(file.reader(), TrialId::of("a"), limits), options);
}

PredictorResult ensemble(const UnitFile& file, const std::vector<std::string>& names,
                         const RowLimits& limits) {
  std::vector<EnsembleMember> members;
  for (const auto& name : names) members.push_back({&file.reader(), TrialId::of(name)});
  return analyze_ensemble(read_ensemble("ensemble", members, limits), all_options());
}

Measured metric(const PredictorResult& result, std::string_view set, std::string_view name,
                std::string_view convention = "") {
  for (const auto& of : result.sets) {
    if (of.set != set || of.calibrator != kNoCalibrator) continue;
    for (const auto& m : of.metrics) {
      if (m.metric == name && m.convention == convention) return m.value;
    }
  }
  return Measured::none("not there");
}

constexpr RowLimits kRanges[] = {{kClasses, 1 << 20}, {kClasses * 13, 1 << 20}, {3, 1 << 20}};

TEST(PredictorRanges, change_no_bit_of_a_network) {
  for (const auto outputs : {Outputs::Logits, Outputs::Probabilities}) {
    const UnitFile file({outputs, true, outputs == Outputs::Logits});
    const auto whole = encode(network(file, {}));
    for (const auto& limits : kRanges) EXPECT_EQ(encode(network(file, limits)), whole);
  }
}

TEST(PredictorRanges, change_no_bit_of_cross_fitted_results) {
  const UnitFile file({Outputs::Logits, false, false});
  auto options = all_options();
  options.cross_fitting_folds = 3;
  const auto whole = encode(network(file, {}, options));
  for (const auto& limits : kRanges) EXPECT_EQ(encode(network(file, limits, options)), whole);
}

TEST(PredictorRanges, change_no_bit_of_an_ensemble) {
  for (const auto outputs : {Outputs::Logits, Outputs::Probabilities}) {
    const UnitFile file({outputs, true, outputs == Outputs::Logits});
    const auto whole = encode(ensemble(file, {"a", "b", "copy"}, {}));
    for (const auto& limits : kRanges) {
      EXPECT_EQ(encode(ensemble(file, {"a", "b", "copy"}, limits)), whole);
    }
  }
}

TEST(PredictorRanges, what_is_too_large_for_a_fit_has_a_reason) {
  const UnitFile file({});
  const RowLimits limits{kClasses * 10, 101 * kClasses - 1};
  const auto result = network(file, limits);
  ASSERT_EQ(result.calibrations.size(), all_options().calibrators.size());
  for (const auto& calibration : result.calibrations) {
    EXPECT_EQ(calibration.null_reason,
              "404 outputs (rows times classes) are more than the 403 that a fit holds in memory: "
              "give fewer rows");
  }
  const auto fitted = network(file, {kClasses * 10, 101 * kClasses});
  EXPECT_TRUE(fitted.calibrations.front().null_reason.empty());
  EXPECT_EQ(metric(result, "test", "smece").value, metric(fitted, "test", "smece").value);
  const auto pooled = ensemble(file, {"a", "b"}, limits);
  EXPECT_TRUE(pooled.sizes.empty());
  EXPECT_NE(metric(pooled, "test", "ensemble_size").null_reason.find("1256 outputs"),
            std::string::npos);
}

TEST(Odin, scores_are_those_of_the_perturbed_logits_at_their_temperature) {
  const UnitFile file({});
  const auto result = network(file, {});
  const auto in =
      ood_scores(logits_of(std::string("a") + kOdin + "test", 157, true), kClasses, 1000.0, "in");
  const auto out = ood_scores(logits_of(std::string("a") + kOdin + "ood/noise", 64, false),
                              kClasses, 1000.0, "out");
  const auto expected = detection(in.max_softmax, out.max_softmax, "ODIN");
  EXPECT_EQ(metric(result, "ood/noise", "auroc", "odin, T=1000, eps=0.0014").value,
            expected.auroc.value);
  EXPECT_EQ(metric(result, "ood/noise", "fpr95_in", "odin, T=1000, eps=0.0014").value,
            expected.fpr95_in.false_positive_rate.value);
  EXPECT_EQ(metric(result, "ood/noise", "auroc", "odin energy, T=1000, eps=0.0014").value,
            detection(in.energy, out.energy, "ODIN").auroc.value);
  for (const auto& set : result.sets) EXPECT_FALSE(set.set.starts_with(kOdinPrefix)) << set.set;
  const UnitFile without({Outputs::Logits, true, false});
  EXPECT_EQ(metric(network(without, {}), "ood/noise", "auroc", "max_softmax").value,
            metric(result, "ood/noise", "auroc", "max_softmax").value);
}

TEST(DistinctMembers, are_counted_over_ranges) {
  const UnitFile file({});
  for (const auto& limits : {RowLimits{}, RowLimits{kClasses * 10, 1 << 20}}) {
    EXPECT_EQ(metric(ensemble(file, {"a", "b"}, limits), "test", "distinct_members").value, 2.0);
    EXPECT_EQ(metric(ensemble(file, {"a", "copy"}, limits), "test", "distinct_members").value, 1.0);
    EXPECT_EQ(metric(ensemble(file, {"b", "a", "copy"}, limits), "test", "distinct_members").value,
              2.0);
  }
}

}  // namespace
}  // namespace calsweep::analysis
