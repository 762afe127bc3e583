// How much the members of an ensemble (or Monte-Carlo samples of one network) disagree, and the
// split of predictive uncertainty into aleatoric and epistemic parts. Nats throughout.
#pragma once

#include <vector>

#include "analysis/ensembles/members.hpp"
#include "analysis/measured.hpp"

namespace calsweep::analysis {

/// One value per row. p_m: member m's probabilities, p: their mean, M: number of members.
struct RowDisagreement {
  std::vector<double> total;      ///< H(p): total predictive uncertainty
  std::vector<double> aleatoric;  ///< mean_m H(p_m)
  /// Mutual information = mean_m KL(p_m || p), computed so and not as a difference: never negative.
  std::vector<double> epistemic;
  std::vector<double> variation_ratio;  ///< 1 - share of the most voted class, in [0, 1 - 1/M]
  /// sum_k of the members' variance of p_k, divisor M: sum p(1-p) = mean sum p_m(1-p_m) + this.
  std::vector<double> probability_variance;
  // Over pairs of different members; empty if M = 1.
  std::vector<double> disagreement;  ///< share of pairs with different argmax
  std::vector<double> pairwise_kl;   ///< mean over ordered pairs of KL(p_a || p_b); may be infinite
  std::vector<double> pairwise_js;   ///< mean over pairs of Jensen-Shannon, in [0, log 2]
};

/// Means over the rows, added in row order.
struct MeanDisagreement {
  std::int64_t n_members = 0;
  std::int64_t n_distinct_members = 0;  ///< less than n_members: one network under several ids
  Measured total, aleatoric, epistemic, variation_ratio, probability_variance;
  Measured disagreement, pairwise_kl, pairwise_js;
};

struct DisagreementOptions {
  /// The Jensen-Shannon mean costs M (M - 1) / 2 entropies a row; all else costs M.
  bool pairwise_js = true;
};

/// Argmax is the first of the largest. total = aleatoric + epistemic holds to rounding, for
/// probabilities that do not quite sum to one as well.
RowDisagreement row_disagreement(const EnsembleView& ensemble, DisagreementOptions options = {});

/// No value without rows, for pairs of a single member, and for a KL that is infinite (a member
/// gives probability 0 to what another does not), each with its reason.
MeanDisagreement mean_disagreement(const EnsembleView& ensemble, const RowDisagreement& rows);
/// The same of rows that came in several views of one ensemble, added up by append().
MeanDisagreement mean_disagreement(std::size_t n_members, std::size_t n_distinct_members,
                                   const RowDisagreement& rows);
/// Adds the rows of `part` behind those of `all`.
void append(RowDisagreement& all, const RowDisagreement& part);

}  // namespace calsweep::analysis
