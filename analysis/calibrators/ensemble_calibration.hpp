// Temperature scaling of ensembles, in both orders, which give different numbers:
//
// pool-then-calibrate: one temperature for the mean probability, q = softmax(ln(mean of p_m) / T);
// calibrate-then-pool: each member its own temperature, q = mean of softmax(z_m / T_m).
// All members are used for both fitting and applying; members are added in the order given.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/calibrators/calibrator.hpp"

namespace calsweep::analysis {

enum class EnsembleOrder { PoolThenCalibrate, CalibrateThenPool };

/// One set of logits, float32 [n, K] row-major, per member; the same rows in each.
using MemberLogits = std::span<const std::span<const float>>;

class FittedEnsemble {
 public:
  /// Needs as many members, in the same order, and classes as the fit had. Throws FormatError if
  /// not, on members of different sizes, and on logits that are not finite (member and row named).
  CalibratedOutputs apply(MemberLogits members, std::int64_t n_classes,
                          std::string_view what) const;

  EnsembleOrder order = EnsembleOrder::PoolThenCalibrate;
  std::int64_t n_classes = 0;
  std::int64_t n_members = 0;
  std::vector<double> beta;  ///< 1 / T: one, or one per member
  /// pool-then-calibrate: as of `temperature`; calibrate-then-pool: "member 0: T" and so on; both:
  /// "nll_before", "nll_after" of the ensemble on the validation rows.
  std::vector<CalibratorParameter> parameters;
};

struct EnsembleFit {
  std::unique_ptr<FittedEnsemble> ensemble;  ///< null if there is a reason
  std::string reason;
};

/// Fits on the members' validation logits. Throws FormatError on shapes and labels, UsageError for
/// no member at all; a member without an optimum gives a reason that names it.
EnsembleFit fit_ensemble(EnsembleOrder order, MemberLogits members, std::int64_t n_classes,
                         std::span<const std::int32_t> labels, std::string_view what);

}  // namespace calsweep::analysis
