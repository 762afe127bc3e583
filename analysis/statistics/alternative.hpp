// What the tests of this folder share: the alternative hypothesis, and which of two p values
// counts.
#pragma once

#include <cstdint>
#include <string>

#include "analysis/measured.hpp"

namespace calsweep::analysis {

/// Greater: the first arm tends to be larger than the second.
enum class Alternative { TwoSided, Greater, Less };

/// Which of the exact and the asymptotic p a test reports as its p.
enum class PValueRule {
  ExactWherePossible,  ///< exact within its limits, ties and zeros included; else asymptotic
  Asymptotic,          ///< always
  Scipy,               ///< SciPy's method = "auto" (1.15 to 1.18); rules at the tests' presets
  R                    ///< the default of R's wilcox.test (R 3 and 4)
};

/// `p` and `log10_p` of one test, with the name of the method: "exact" or "asymptotic"; empty
/// without a p.
struct ChosenP {
  Measured p, log10_p;
  std::string used;
};

/// The exact p if wanted and there, else the asymptotic one (or its reason).
inline ChosenP choose_p(bool want_exact, const Measured& exact, const Measured& log10_exact,
                        const Measured& asymptotic, const Measured& log10_asymptotic) {
  if (want_exact && exact.has_value()) return {exact, log10_exact, "exact"};
  return {asymptotic, log10_asymptotic, asymptotic.has_value() ? "asymptotic" : ""};
}

}  // namespace calsweep::analysis
