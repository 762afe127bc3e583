#include "analysis/ensembles/disagreement.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace calsweep::analysis {
namespace {

/// -p log p, 0 at 0.
double entropy_term(double p) { return p > 0.0 ? -p * std::log(p) : 0.0; }

double entropy(const double* p, std::size_t k) {
  double sum = 0.0;
  for (std::size_t c = 0; c < k; ++c) sum += entropy_term(p[c]);
  return sum;
}

/// p log(p / q) - p + q >= 0: the corrections cancel over members and classes, and each term keeps
/// its sign whatever the rounding of the sums. A mean q of subnormal p can underflow to 0.
double divergence_term(double p, double q) {
  return std::max(0.0, (p > 0.0 && q > 0.0 ? p * std::log(p / q) : 0.0) - p + q);
}

/// The numbers of one row.
class Row {
 public:
  Row(const EnsembleView& ensemble, std::size_t row, std::vector<double>& mean)
      : ensemble_(ensemble),
        row_(row),
        k_(ensemble.n_classes()),
        m_(ensemble.n_members()),
        mean_(mean) {
    std::fill(mean_.begin(), mean_.end(), 0.0);
    for (std::size_t m = 0; m < m_; ++m) {
      for (std::size_t c = 0; c < k_; ++c) mean_[c] += member(m)[c];
    }
    for (auto& p : mean_) p /= static_cast<double>(m_);
  }

  double total() const { return entropy(mean_.data(), k_); }

  double aleatoric() const {
    double sum = 0.0;
    for (std::size_t m = 0; m < m_; ++m) sum += entropy(member(m), k_);
    return sum / static_cast<double>(m_);
  }

  double epistemic() const {
    double sum = 0.0;
    for (std::size_t m = 0; m < m_; ++m) {
      for (std::size_t c = 0; c < k_; ++c) sum += divergence_term(member(m)[c], mean_[c]);
    }
    return sum / static_cast<double>(m_);
  }

  double probability_variance() const {
    double sum = 0.0;
    for (std::size_t m = 0; m < m_; ++m) {
      for (std::size_t c = 0; c < k_; ++c) {
        const double d = member(m)[c] - mean_[c];
        sum += d * d;
      }
    }
    return sum / static_cast<double>(m_);
  }

  /// Votes per class into `votes`.
  void count_votes(std::vector<std::uint64_t>& votes) const {
    std::fill(votes.begin(), votes.end(), 0);
    for (std::size_t m = 0; m < m_; ++m) {
      ++votes[static_cast<std::size_t>(std::max_element(member(m), member(m) + k_) - member(m))];
    }
  }

  /// sum over a, b of KL(p_a || p_b) = sum_k [M sum_a p_ak log p_ak - sum_a p_ak sum_b log p_bk].
  double pairwise_kl() const {
    double sum = 0.0;
    for (std::size_t c = 0; c < k_; ++c) {
      double p_sum = 0.0;
      double log_sum = 0.0;
      double p_log_p = 0.0;
      std::size_t n_zero = 0;
      for (std::size_t m = 0; m < m_; ++m) {
        const double p = member(m)[c];
        p_sum += p;
        p_log_p -= entropy_term(p);
        if (p > 0.0) log_sum += std::log(p);
        if (p == 0.0) ++n_zero;
      }
      if (n_zero == m_) continue;
      if (n_zero > 0) return std::numeric_limits<double>::infinity();
      sum += static_cast<double>(m_) * p_log_p - p_sum * log_sum;
    }
    return std::max(0.0, sum) / (static_cast<double>(m_) * static_cast<double>(m_ - 1));
  }

  double pairwise_js() const {
    double sum = 0.0;
    for (std::size_t a = 0; a < m_; ++a) {
      for (std::size_t b = a + 1; b < m_; ++b) sum += jensen_shannon(member(a), member(b));
    }
    return sum / (static_cast<double>(m_) * static_cast<double>(m_ - 1) / 2.0);
  }

 private:
  const double* member(std::size_t m) const { return ensemble_.row(m, row_); }
  double jensen_shannon(const double* a, const double* b) const {
    double sum = 0.0;
    for (std::size_t c = 0; c < k_; ++c) {
      const double middle = (a[c] + b[c]) / 2.0;
      sum += divergence_term(a[c], middle) + divergence_term(b[c], middle);
    }
    return sum / 2.0;
  }

  const EnsembleView& ensemble_;
  std::size_t row_;
  std::size_t k_;
  std::size_t m_;
  std::vector<double>& mean_;
};

/// Pairs of members that voted differently, as a share of all pairs.
double disagreeing_pairs(const std::vector<std::uint64_t>& votes, std::size_t n_members) {
  std::uint64_t agreeing = 0;  // ordered pairs
  for (const auto v : votes) agreeing += v * (v - (v > 0 ? 1 : 0));
  const std::uint64_t pairs = n_members * (n_members - 1);
  return static_cast<double>(pairs - agreeing) / static_cast<double>(pairs);
}

Measured mean_of(const std::vector<double>& values, std::size_t n_rows, const char* why_empty) {
  if (n_rows == 0) return Measured::none("the set is empty");
  if (values.empty()) return Measured::none(why_empty);
  double sum = 0.0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (std::isinf(values[i])) {
      return Measured::none(fmt::format(
          "infinite at row {}: a member gives probability 0 to a class that another does not", i));
    }
    sum += values[i];
  }
  return Measured::of(sum / static_cast<double>(n_rows));
}

}  // namespace

RowDisagreement row_disagreement(const EnsembleView& ensemble, DisagreementOptions options) {
  const std::size_t n_members = ensemble.n_members();
  RowDisagreement made;
  std::vector<double> mean(ensemble.n_classes());
  std::vector<std::uint64_t> votes(ensemble.n_classes());
  for (std::size_t i = 0; i < ensemble.n_rows(); ++i) {
    const Row row(ensemble, i, mean);
    row.count_votes(votes);
    const auto most = *std::max_element(votes.begin(), votes.end());
    made.total.push_back(row.total());
    made.aleatoric.push_back(row.aleatoric());
    made.epistemic.push_back(row.epistemic());
    made.variation_ratio.push_back(static_cast<double>(n_members - most) /
                                   static_cast<double>(n_members));
    made.probability_variance.push_back(row.probability_variance());
    if (n_members == 1) continue;
    made.disagreement.push_back(disagreeing_pairs(votes, n_members));
    made.pairwise_kl.push_back(row.pairwise_kl());
    if (options.pairwise_js) made.pairwise_js.push_back(row.pairwise_js());
  }
  return made;
}

MeanDisagreement mean_disagreement(const EnsembleView& ensemble, const RowDisagreement& rows) {
  return mean_disagreement(ensemble.n_members(), ensemble.n_distinct_members(), rows);
}

void append(RowDisagreement& all, const RowDisagreement& part) {
  using Column = std::vector<double> RowDisagreement::*;
  for (const Column column :
       {&RowDisagreement::total, &RowDisagreement::aleatoric, &RowDisagreement::epistemic,
        &RowDisagreement::variation_ratio, &RowDisagreement::probability_variance,
        &RowDisagreement::disagreement, &RowDisagreement::pairwise_kl,
        &RowDisagreement::pairwise_js}) {
    (all.*column).insert((all.*column).end(), (part.*column).begin(), (part.*column).end());
  }
}

MeanDisagreement mean_disagreement(std::size_t n_members, std::size_t n_distinct_members,
                                   const RowDisagreement& rows) {
  const std::size_t n = rows.total.size();
  const char* single = "one member makes no pair";
  const char* no_js = n_members == 1 ? single : "not asked for";
  MeanDisagreement made;
  made.n_members = static_cast<std::int64_t>(n_members);
  made.n_distinct_members = static_cast<std::int64_t>(n_distinct_members);
  made.total = mean_of(rows.total, n, "");
  made.aleatoric = mean_of(rows.aleatoric, n, "");
  made.epistemic = mean_of(rows.epistemic, n, "");
  made.variation_ratio = mean_of(rows.variation_ratio, n, "");
  made.probability_variance = mean_of(rows.probability_variance, n, "");
  made.disagreement = mean_of(rows.disagreement, n, single);
  made.pairwise_kl = mean_of(rows.pairwise_kl, n, single);
  made.pairwise_js = mean_of(rows.pairwise_js, n, no_js);
  return made;
}

}  // namespace calsweep::analysis
