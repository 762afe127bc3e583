#include "analysis/uncertainty/classwise_resamples.hpp"

#include <Eigen/Core>
#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <utility>

#include "sweeps/errors.hpp"
#include "sweeps/random.hpp"

namespace calsweep::analysis {
namespace {

constexpr std::size_t kLanes = 64;
constexpr int kFewLanes = 8;  // so many are drawn one by one

std::size_t index(std::int64_t i) { return static_cast<std::size_t>(i); }

/// A row's labels in 64 resamples: per class the resamples that drew it.
class LabelDraws {
 public:
  explicit LabelDraws(std::size_t n_classes) : taken_(n_classes), mass_(n_classes) {}

  struct Drawn {
    std::size_t label;
    std::uint64_t lanes;
  };

  /// Draws for p: [n_classes].
  std::span<const Drawn> draw(const double* p, Random& random) {
    drawn_.clear();
    std::fill(taken_.begin(), taken_.end(), std::uint8_t{0});
    double rest = 0.0;
    for (std::size_t k = 0; k < taken_.size(); ++k) rest += p[k];
    std::uint64_t open = ~std::uint64_t{0};
    for (std::size_t left = taken_.size(); std::popcount(open) > kFewLanes; --left) {
      const auto k = largest(p);
      const std::uint64_t mask =
          left == 1 || p[k] >= rest ? open : open & bernoulli_mask(random, p[k] / rest);
      if (mask != 0) drawn_.push_back({k, mask});
      taken_[k] = 1;
      rest -= p[k];
      open &= ~mask;
    }
    if (open != 0) draw_each(p, open, random);
    return drawn_;
  }

 private:
  std::size_t largest(const double* p) const {
    std::size_t best = taken_.size();
    for (std::size_t k = 0; k < taken_.size(); ++k) {
      if (taken_[k] == 0 && (best == taken_.size() || p[k] > p[best])) best = k;
    }
    return best;
  }

  /// By inversion among the classes that are left.
  void draw_each(const double* p, std::uint64_t open, Random& random) {
    double sum = 0.0;
    std::size_t last = 0;
    for (std::size_t k = 0; k < taken_.size(); ++k) {
      if (taken_[k] == 0) {
        sum += p[k];
        last = k;
      }
      mass_[k] = sum;
    }
    for (; open != 0; open &= open - 1) {
      const double u = random.uniform() * sum;
      const auto at =
          static_cast<std::size_t>(std::upper_bound(mass_.begin(), mass_.end(), u) - mass_.begin());
      drawn_.push_back({std::min(at, last), open & (0 - open)});
    }
  }

  std::vector<std::uint8_t> taken_;
  std::vector<double> mass_;
  std::vector<Drawn> drawn_;
};

/// Labels per cell and lane, of one error.
using LaneCounts = std::vector<std::int32_t>;

void count(std::span<const LabelDraws::Drawn> drawn, const std::uint8_t* bin_of,
           std::int64_t n_bins, LaneCounts& counts) {
  for (const auto& [label, lanes] : drawn) {
    const auto bin = bin_of[label];
    if (bin == ClasswiseCells::kNoBin) continue;
    std::int32_t* at = &counts[(label * index(n_bins) + bin) * kLanes];
    for (std::uint64_t left = lanes; left != 0; left &= left - 1) ++at[std::countr_zero(left)];
  }
}

/// The errors of all lanes.
void errors_of(const ClasswiseCells& cells, const LaneCounts& counts, std::size_t n_lanes,
               std::vector<double>& values) {
  Eigen::Array<double, kLanes, 1> sums = Eigen::Array<double, kLanes, 1>::Zero();
  for (std::size_t c = 0; c < cells.cells.size(); ++c) {
    const auto n_kept = cells.n_kept[c / index(cells.n_bins)];
    if (n_kept == 0) continue;
    const Eigen::Map<const Eigen::Array<std::int32_t, kLanes, 1>> labels(&counts[c * kLanes]);
    sums +=
        (labels.cast<double>() - cells.cells[c].sum_confidence).abs() / static_cast<double>(n_kept);
  }
  for (std::size_t lane = 0; lane < n_lanes; ++lane) {
    values.push_back(sums[static_cast<Eigen::Index>(lane)] / static_cast<double>(cells.n_classes));
  }
}

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// Labels - probabilities per block and cell: [blocks, cells], over n_kept of the class.
Matrix block_sums(std::span<const double> probabilities, std::span<const std::int32_t> labels,
                  const ClasswiseCells& cells, std::int64_t n_blocks) {
  Matrix sums = Matrix::Zero(n_blocks, static_cast<Eigen::Index>(cells.cells.size()));
  const auto k = index(cells.n_classes);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    double* block = &sums(static_cast<std::int64_t>(i) % n_blocks, 0);
    for (std::size_t c = 0; c < k; ++c) {
      const auto bin = cells.bin_of[i * k + c];
      if (bin == ClasswiseCells::kNoBin) continue;
      const double hit = labels[i] == static_cast<std::int32_t>(c) ? 1.0 : 0.0;
      block[c * index(cells.n_bins) + bin] +=
          (hit - probabilities[i * k + c]) / static_cast<double>(cells.n_kept[c]);
    }
  }
  return sums;
}

/// How often each block is drawn: [resamples, blocks].
Matrix drawn_blocks(std::int64_t n_resamples, std::int64_t n_blocks, std::size_t n_rows,
                    const std::string& key) {
  Random random(random_key(n_rows, 0, "classwise bootstrap|" + key));
  Matrix weights = Matrix::Zero(n_resamples, n_blocks);
  for (std::int64_t r = 0; r < n_resamples; ++r) {
    for (std::int64_t b = 0; b < n_blocks; ++b) {
      weights(r, static_cast<Eigen::Index>(random.below(static_cast<std::uint64_t>(n_blocks)))) +=
          1.0;
    }
  }
  return weights;
}

}  // namespace

std::vector<NullSummary> classwise_null(std::span<const double> probabilities,
                                        std::int64_t n_classes,
                                        const std::vector<ClasswiseError>& errors,
                                        std::int64_t n_resamples, const std::string& key) {
  if (n_resamples < 1) throw UsageError("no resample asked for; there must be 1");
  std::vector<NullSummary> summaries;
  const auto k = index(n_classes);
  if (probabilities.empty()) {
    const auto none = Measured::none("the set is empty");
    for (const auto& error : errors) summaries.push_back({error.name, none, none, none, none, 0});
    return summaries;
  }
  LabelDraws draws(k);
  std::vector<std::vector<double>> values(errors.size());
  for (std::int64_t first = 0; first < n_resamples; first += kLanes) {
    Random random(random_key(index(first), 0, "null labels|" + key));
    std::vector<LaneCounts> counts;
    for (const auto& error : errors) {
      counts.emplace_back(error.cells->cells.size() * kLanes, 0);
    }
    for (std::size_t i = 0; i < probabilities.size(); i += k) {
      const auto drawn = draws.draw(&probabilities[i], random);
      for (std::size_t e = 0; e < errors.size(); ++e) {
        count(drawn, &errors[e].cells->bin_of[i], errors[e].cells->n_bins, counts[e]);
      }
    }
    const auto n_lanes = std::min(kLanes, index(n_resamples - first));
    for (std::size_t e = 0; e < errors.size(); ++e) {
      errors_of(*errors[e].cells, counts[e], n_lanes, values[e]);
    }
  }
  for (std::size_t e = 0; e < errors.size(); ++e) {
    summaries.push_back(
        null_summary(errors[e].name, errors[e].cells->error().value, std::move(values[e])));
  }
  return summaries;
}

std::vector<ClasswiseInterval> classwise_bootstrap(std::span<const double> probabilities,
                                                   std::int64_t n_classes,
                                                   std::span<const std::int32_t> labels,
                                                   const std::vector<ClasswiseError>& errors,
                                                   std::int64_t n_resamples, const std::string& key,
                                                   double level, std::int64_t n_blocks) {
  std::vector<ClasswiseInterval> all;
  const auto none = Measured::none("the set is empty");
  for (const auto& error : errors) all.push_back({{error.name, 0.0, {}, {}}, {none, none}});
  if (labels.empty()) return all;
  if (n_resamples < 1 || n_blocks < 1) throw UsageError("resamples and blocks must be 1 at least");
  n_blocks = std::min(n_blocks, static_cast<std::int64_t>(labels.size()));
  const auto weights = drawn_blocks(n_resamples, n_blocks, labels.size(), key);
  const std::function<double(std::span<const double>)> value = [&](std::span<const double> sums) {
    const Eigen::Map<const Eigen::ArrayXd> all_sums(sums.data(),
                                                    static_cast<Eigen::Index>(sums.size()));
    return all_sums.abs().sum() / static_cast<double>(n_classes);
  };
  for (std::size_t e = 0; e < errors.size(); ++e) {
    const auto sums = block_sums(probabilities, labels, *errors[e].cells, n_blocks);
    const Eigen::RowVectorXd observed = sums.colwise().sum();
    const auto n_cells = index(observed.size());
    Matrix resampled = weights * sums;
    auto& replicates = all[e].replicates;
    replicates.observed = value({observed.data(), n_cells});
    for (std::int64_t r = 0; r < n_resamples; ++r) {
      replicates.resampled.push_back(value({&resampled(r, 0), n_cells}));
    }
    resampled.rowwise() -= observed;
    all[e].interval = inverted_interval({observed.data(), n_cells},
                                        {resampled.data(), n_cells * index(n_resamples)},
                                        n_resamples, value, value, level);
  }
  return all;
}

}  // namespace calsweep::analysis
