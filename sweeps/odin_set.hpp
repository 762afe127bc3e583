// The contract for ODIN (Liang et al. 2018) between who makes logits (trainer, import) and the
// analysis: how the logits of perturbed inputs are named, and what they hold.
//
// Name:   odin/T=<T>,eps=<eps>/<set>      e.g. "odin/T=1000,eps=0.0014/ood/mnist"
// <set> is the name of an unperturbed set of the same trial: "test", "validation" or "ood/<entry>".
// <T> and <eps> are the shortest decimals that read back as the same double ("1000", "0.0014",
// "1e-05"), so one setting has one name. T > 0; eps > 0 (eps = 0 is the unperturbed set itself).
//
// Content: float32 [n, K], the logits z(x~), not divided by T, of the rows of <set> in their order,
//   x~ = x - eps / std_c * sign(grad_x CE(softmax(z(x) / T), yhat)),   yhat = first largest z(x),
// eps in units of pixels in [0, 1]; std_c is the standard deviation that channel c was divided by
// when the input was normalised (1 if it was not); x~ is not clamped. The network is in evaluation
// mode. Labels are those of <set>; they are not stored again.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace calsweep {

inline constexpr std::string_view kOdinPrefix = "odin/";

struct OdinSet {
  double temperature = 1000.0;
  double epsilon = 0.0014;
  std::string of;  ///< the unperturbed set
  bool operator==(const OdinSet&) const = default;
};

/// The name above. Throws UsageError unless parse_odin_set would read it back.
std::string to_string(const OdinSet& set);

/// Nothing if `name` does not start with "odin/". Throws FormatError, saying what is expected, if
/// it does but is not a name of the contract.
std::optional<OdinSet> parse_odin_set(std::string_view name);

}  // namespace calsweep
