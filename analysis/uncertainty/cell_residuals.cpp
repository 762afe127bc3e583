// Part of residual_intervals.hpp: residuals drawn by cells.

#include <algorithm>
#include <utility>

#include "analysis/uncertainty/null_resamples.hpp"
#include "analysis/uncertainty/residual_intervals.hpp"
#include "sweeps/errors.hpp"
#include "sweeps/random.hpp"

namespace calsweep::analysis {
namespace {

/// Rows of one cell that are alike: all right or all wrong, at their mean confidence.
struct Category {
  std::int64_t count = 0;
  double confidence = 0.0;
  bool correct = false;
};

/// Wrong and right rows of each cell, cell by cell: [2 * cells].
std::vector<Category> categories_of(const ConfidenceProfile& profile,
                                    const std::vector<std::size_t>& cuts) {
  std::vector<Category> made;
  for (std::size_t c = 0; c + 1 < cuts.size(); ++c) {
    Category wrong{0, 0.0, false}, right{0, 0.0, true};
    for (std::size_t g = cuts[c]; g < cuts[c + 1]; ++g) {
      const auto& group = profile.groups()[g];
      right.count += group.correct;
      right.confidence += group.confidence * static_cast<double>(group.correct);
      wrong.count += group.count - group.correct;
      wrong.confidence += group.confidence * static_cast<double>(group.count - group.correct);
    }
    for (auto* category : {&wrong, &right}) {
      if (category->count > 0) category->confidence /= static_cast<double>(category->count);
      made.push_back(*category);
    }
  }
  return made;
}

/// n rows spread over categories [begin, end) in proportion to their counts: binomial at the
/// middle, then each half.
class Multinomial {
 public:
  explicit Multinomial(const std::vector<Category>& categories) {
    before_.push_back(0);
    for (const auto& category : categories) before_.push_back(before_.back() + category.count);
  }

  void draw(Random& random, std::vector<std::int64_t>& drawn) const {
    drawn.assign(before_.size() - 1, 0);
    split(random, 0, before_.size() - 1, before_.back(), drawn);
  }

 private:
  void split(Random& random, std::size_t begin, std::size_t end, std::int64_t n,
             std::vector<std::int64_t>& drawn) const {
    if (n == 0) return;
    if (end - begin == 1) {
      drawn[begin] = n;
      return;
    }
    const auto middle = begin + (end - begin) / 2;
    const double share = static_cast<double>(before_[middle] - before_[begin]) /
                         static_cast<double>(before_[end] - before_[begin]);
    const auto low = binomial_draw(random, n, share);
    split(random, begin, middle, low, drawn);
    split(random, middle, end, n - low, drawn);
  }

  std::vector<std::int64_t> before_;
};

/// Sum of confidence - correctness of the rows drawn of each category, before every cut.
void add_residuals(const std::vector<Category>& categories, const std::vector<std::int64_t>& drawn,
                   std::vector<double>& residuals) {
  double sum = 0.0;
  residuals.push_back(sum);
  for (std::size_t c = 0; c < drawn.size(); c += 2) {
    for (const auto i : {c, c + 1}) {
      sum += static_cast<double>(drawn[i]) *
             (categories[i].confidence - (categories[i].correct ? 1.0 : 0.0));
    }
    residuals.push_back(sum);
  }
}

}  // namespace

ResidualDraws cell_residuals(const ConfidenceProfile& profile, std::vector<std::size_t> cuts,
                             std::int64_t n_resamples, const std::string& key) {
  if (n_resamples < 1) throw UsageError("no resample asked for; there must be 1");
  cuts.push_back(0);
  cuts.push_back(profile.size());
  std::sort(cuts.begin(), cuts.end());
  cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
  ResidualDraws draws{std::move(cuts), {}, 0};
  if (profile.empty()) return draws;
  draws.n_resamples = n_resamples;
  const auto categories = categories_of(profile, draws.cuts);
  const Multinomial multinomial(categories);
  Random random(random_key(static_cast<std::uint64_t>(profile.n_rows()), 0, "cells|" + key));
  std::vector<std::int64_t> drawn;
  for (std::int64_t r = 0; r < n_resamples; ++r) {
    multinomial.draw(random, drawn);
    add_residuals(categories, drawn, draws.noise);
  }
  for (std::size_t i = 0; i < draws.noise.size(); ++i) {
    const auto cut = draws.cuts[i % draws.cuts.size()];
    draws.noise[i] -=
        profile.confidence_before(cut) - static_cast<double>(profile.correct_before(cut));
  }
  return draws;
}

}  // namespace calsweep::analysis
