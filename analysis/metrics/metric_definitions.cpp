#include "analysis/metrics/metric_definitions.hpp"

#include <array>
#include <cctype>

namespace calsweep::analysis {
namespace {

constexpr auto kHigher = Direction::HigherIsBetter;
constexpr auto kLower = Direction::LowerIsBetter;

constexpr std::array kTestMetrics = {
    MetricDefinition{"accuracy", "accuracy", "", kHigher, true, true, "fraction",
                     "share of rows whose first largest output is the label", "-"},
    MetricDefinition{"nll", "nll", "", kLower, true, true, "nats",
                     "mean of -log p(label), by log-sum-exp in double", "-"},
    MetricDefinition{"brier", "brier", "", kLower, true, true, "squared probability, 0 to 2",
                     "mean over rows of the sum over classes of (p - one-hot)^2", "Brier 1950"},
    MetricDefinition{"brier_miscalibration", "brier_miscalibration", "multi-class", kLower, true,
                     false, "squared probability",
                     "CORP: what isotonic recalibration, class against rest, would gain of the "
                     "Brier score; brier = miscalibration - discrimination + uncertainty",
                     "Dimitriadis, Gneiting & Jordan 2021"},
    MetricDefinition{"brier_discrimination", "brier_discrimination", "multi-class", kHigher, false,
                     false, "squared probability",
                     "CORP: what the recalibrated forecast gains over the base rates",
                     "Dimitriadis, Gneiting & Jordan 2021"},
    MetricDefinition{"brier_uncertainty", "brier_uncertainty", "multi-class", Direction::None,
                     false, false, "squared probability", "CORP: Brier score of the base rates",
                     "Dimitriadis, Gneiting & Jordan 2021"},
    MetricDefinition{"ece_guo2017", "ece", "guo2017", kLower, true, true, "fraction",
                     "expected calibration error, 15 bins", "see convention"},
    MetricDefinition{"ece_noise2026", "ece", "noise2026", kLower, true, true, "fraction",
                     "expected calibration error, 10 bins", "see convention"},
    MetricDefinition{"ece_exact", "ece", "exact", kLower, false, false, "fraction",
                     "expected calibration error, 15 bins, no rounding of edges", "see convention"},
    MetricDefinition{"ece_torchmetrics", "ece", "torchmetrics", kLower, false, false, "fraction",
                     "expected calibration error as torchmetrics bins it", "see convention"},
    MetricDefinition{"ece_equal_mass", "ece", "equal-mass", kLower, true, true, "fraction",
                     "expected calibration error, 15 bins of equal mass, ties together",
                     "docs/metrics.md; Nguyen & O'Connor 2015"},
    MetricDefinition{"ece_sweep", "ece", "sweep", kLower, false, false, "fraction",
                     "equal-mass error over the most bins whose accuracies rise",
                     "Roelofs et al. 2022"},
    MetricDefinition{"mce_guo2017", "mce", "guo2017", kLower, true, true, "fraction",
                     "largest gap of a non-empty bin", "see convention"},
    MetricDefinition{"mce_noise2026", "mce", "noise2026", kLower, true, false, "fraction",
                     "largest gap of a bin, empty bins included", "see convention"},
    MetricDefinition{"rmsce_guo2017", "rmsce", "guo2017", kLower, true, false, "fraction",
                     "root of the weighted mean of squared gaps", "Hendrycks et al. 2019"},
    MetricDefinition{"overconfidence_error", "overconfidence_error", "guo2017", kLower, true, true,
                     "fraction",
                     "sum over bins of count / n * confidence * max(confidence - accuracy, 0)",
                     "Thulasidasan et al. 2019"},
    MetricDefinition{"debiased_l2", "debiased_l2", "equal-mass", kLower, true, false, "fraction",
                     "L2 calibration error over 15 equal-mass bins, less its bias",
                     "Kumar, Liang & Ma 2019"},
    MetricDefinition{"classwise_ece", "classwise_ece", "", kLower, true, true, "fraction",
                     "mean over classes of the ECE of the class probability, 15 bins",
                     "Kull et al. 2019; Nixon et al. 2019"},
    MetricDefinition{"ace", "ace", "", kLower, true, false, "fraction",
                     "the same over 15 bins of equal mass in each class, ties together",
                     "Nixon et al. 2019"},
    MetricDefinition{"tace", "tace", "", kLower, true, false, "fraction",
                     "ACE over the probabilities above 0.001 alone", "Nixon et al. 2019"},
    MetricDefinition{"mmce", "mmce", "", kLower, true, true, "fraction",
                     "root of the mean over pairs of rows of gap * gap * exp(-|difference of "
                     "confidences| / 0.4), gap = confidence - correctness",
                     "Kumar, Sarawagi & Jain 2018"},
    MetricDefinition{"mmce_squared", "mmce_squared", "unbiased", kLower, false, false,
                     "squared fraction", "the same over pairs of different rows, without the root",
                     "Widmann, Lindsten & Zachariah 2019"},
    MetricDefinition{"root_brier", "root_brier", "multi-class", kLower, false, false, "fraction",
                     "root of the Brier score: no calibration error of the class probabilities is "
                     "larger",
                     "Gruber & Buettner 2022"},
    MetricDefinition{"root_brier_top", "root_brier", "top-label", kLower, false, false, "fraction",
                     "root of the mean of (confidence - correctness)^2: no calibration error of "
                     "the top label but MCE and its conventions' midpoints is larger",
                     "Gruber & Buettner 2022"},
    MetricDefinition{"smece", "smece", "", kLower, true, true, "fraction",
                     "SmoothECE at its fixed point, by the definition", "Blasiok & Nakkiran 2023"},
    MetricDefinition{"smece_relplot", "smece", "relplot", kLower, false, false, "fraction",
                     "what the package relplot returns: confidences of exactly 1 count half",
                     "Blasiok & Nakkiran 2023, the code"},
    MetricDefinition{"ks", "ks", "", kLower, true, true, "fraction",
                     "Kolmogorov-Smirnov calibration error", "Gupta et al. 2021"},
    MetricDefinition{"aurc", "aurc", "", kLower, true, false, "fraction",
                     "area under the risk-coverage curve, ranked by confidence",
                     "Geifman & El-Yaniv 2017"},
    MetricDefinition{"excess_aurc", "excess_aurc", "", kLower, true, false, "fraction",
                     "AURC less that of the best ranking", "Geifman et al. 2019"},
    MetricDefinition{"augrc", "augrc", "", kLower, true, false, "fraction",
                     "area under wrong answered rows / n against coverage", "Traub et al. 2024"},
    MetricDefinition{"calibration_auroc", "calibration_auroc", "", kHigher, true, false, "fraction",
                     "P(confidence of a correct row > of a wrong one) + P(equal) / 2",
                     "Hendrycks & Gimpel 2017; Kivlichan et al. 2021"},
    MetricDefinition{"accuracy_at_80", "accuracy_at_coverage", "0.8", kHigher, false, false,
                     "fraction", "accuracy of the 80 % most confident rows",
                     "El-Yaniv & Wiener 2010"},
    MetricDefinition{"accuracy_at_90", "accuracy_at_coverage", "0.9", kHigher, false, false,
                     "fraction", "accuracy of the 90 % most confident rows",
                     "El-Yaniv & Wiener 2010"},
    MetricDefinition{"entropy", "entropy", "", Direction::None, false, false, "nats",
                     "mean of -sum p log p", "-"},
    MetricDefinition{"mutual_information", "mutual_information", "", Direction::None, false, false,
                     "nats", "ensembles: entropy of the mean less mean entropy (epistemic)",
                     "Kendall & Gal 2017; Depeweg et al. 2018"},
    MetricDefinition{"variation_ratio", "variation_ratio", "", Direction::None, false, false,
                     "fraction", "ensembles: 1 - share of the members' votes for the most voted",
                     "Freeman 1965; Gal 2016"},
    MetricDefinition{"pairwise_kl", "pairwise_kl", "", Direction::None, false, false, "nats",
                     "ensembles: mean KL divergence over ordered pairs of members", "-"},
    MetricDefinition{"disagreement", "disagreement", "", Direction::None, false, false, "fraction",
                     "ensembles: share of pairs of members that predict different classes", "-"},
    MetricDefinition{"class_bias", "class_bias", "total-variation", Direction::None, false, false,
                     "fraction", "half the sum over classes of |share of predictions - 1/K|",
                     "docs/metrics.md"},
    MetricDefinition{"conformal_coverage", "conformal_coverage", "aps", Direction::None, false,
                     false, "fraction", "share of labels inside their APS prediction set",
                     "Romano, Sesia & Candes 2020"},
    MetricDefinition{"conformal_size", "conformal_size", "aps", kLower, true, false, "classes",
                     "mean size of the APS prediction sets", "Romano, Sesia & Candes 2020"},
    MetricDefinition{"confidence", "confidence", "", Direction::None, false, false, "fraction",
                     "mean of the largest class probability, in double", "-"},
    MetricDefinition{"saturated_fraction", "saturated_fraction", "", Direction::None, false, false,
                     "fraction", "share of rows whose confidence is exactly 1 in float32", "-"},
};

constexpr std::array kOodMetrics = {
    MetricDefinition{"auroc_*", "auroc", "max_softmax", kHigher, true, false, "fraction",
                     "P(confidence of a test row > of an OOD row) + P(equal) / 2; in-distribution "
                     "positive, max-softmax confidence in double",
                     "Hendrycks & Gimpel 2017; Mann-Whitney U / (n1 n2)"},
    MetricDefinition{"auroc_entropy_*", "auroc", "negative_entropy", kHigher, false, false,
                     "fraction", "the same by predictive entropy", "-"},
    MetricDefinition{"auroc_max_logit_*", "auroc", "max_logit", kHigher, false, false, "fraction",
                     "the same by the largest logit; networks only", "Hendrycks et al. 2022"},
    MetricDefinition{"auroc_energy_*", "auroc", "energy", kHigher, false, false, "fraction",
                     "the same by log sum exp of the logits; networks only", "Liu et al. 2020"},
    MetricDefinition{"aupr_in_*", "aupr_in", "max_softmax", kHigher, false, false, "fraction",
                     "average precision, in-distribution positive", "Hendrycks & Gimpel 2017"},
    MetricDefinition{"aupr_out_*", "aupr_out", "max_softmax", kHigher, false, false, "fraction",
                     "average precision, OOD positive", "Hendrycks & Gimpel 2017"},
    MetricDefinition{
        "fpr95_*", "fpr95_in", "max_softmax", kLower, true, false, "fraction",
        "share of OOD rows accepted when 95 % of test rows are; in-distribution positive",
        "Liang et al. 2018"},
    MetricDefinition{"fpr95_out_*", "fpr95_out", "max_softmax", kLower, false, false, "fraction",
                     "share of test rows rejected when 95 % of OOD rows are; OOD positive",
                     "OpenOOD v1.5"},
    MetricDefinition{"detection_error_*", "detection_error", "max_softmax", kLower, false, false,
                     "fraction", "smallest mean of the two error rates over thresholds",
                     "Liang et al. 2018"},
    MetricDefinition{"confidence_*", "confidence", "", Direction::None, false, false, "fraction",
                     "mean of the largest class probability on the OOD set, in double", "-"},
    MetricDefinition{"class_bias_*", "class_bias", "total-variation", Direction::None, false, false,
                     "fraction", "class bias of the predictions on the OOD set", "docs/metrics.md"},
};

}  // namespace

std::string_view to_string(Direction direction) {
  switch (direction) {
    case Direction::HigherIsBetter:
      return "higher";
    case Direction::LowerIsBetter:
      return "lower";
    case Direction::None:
      return "none";
  }
  return "";
}

std::span<const MetricDefinition> test_metric_definitions() { return kTestMetrics; }
std::span<const MetricDefinition> ood_metric_definitions() { return kOodMetrics; }

std::string ood_column_part(std::string_view set_name) {
  if (set_name.starts_with(kOodPrefix)) set_name.remove_prefix(kOodPrefix.size());
  std::string part;
  for (const char c : set_name) {
    const auto byte = static_cast<unsigned char>(c);
    part += std::isalnum(byte) != 0 ? static_cast<char>(std::tolower(byte)) : '_';
  }
  return part;
}

}  // namespace calsweep::analysis
