#include "analysis/uncertainty/cell_bootstrap.hpp"

#include <algorithm>

#include "analysis/uncertainty/null_resamples.hpp"
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

std::vector<std::size_t> all_cuts(const ConfidenceProfile& profile,
                                  const std::vector<CutFunctional>& errors) {
  std::vector<std::size_t> cuts = {0, profile.size()};
  for (const auto& error : errors) cuts.insert(cuts.end(), error.cuts.begin(), error.cuts.end());
  std::sort(cuts.begin(), cuts.end());
  cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
  return cuts;
}

/// The sums before every cut: [cells + 1].
std::vector<CutSums> cumulative(const std::vector<Category>& categories,
                                const std::vector<std::int64_t>& drawn) {
  std::vector<CutSums> sums(1);
  for (std::size_t c = 0; c < drawn.size(); ++c) {
    if (c % 2 == 0) sums.push_back(sums.back());
    const auto n = static_cast<double>(drawn[c]);
    sums.back().rows += n;
    sums.back().correct += categories[c].correct ? n : 0.0;
    sums.back().confidence += n * categories[c].confidence;
  }
  return sums;
}

}  // namespace

std::vector<Replicates> cell_bootstrap(const ConfidenceProfile& profile,
                                       const std::vector<CutFunctional>& errors,
                                       std::int64_t n_resamples, const std::string& key) {
  if (n_resamples < 1) throw UsageError("no resample asked for; there must be 1");
  std::vector<Replicates> all;
  for (const auto& error : errors) all.push_back({error.name, 0.0, {}, {}});
  if (profile.empty()) return all;
  const auto cuts = all_cuts(profile, errors);
  std::vector<std::vector<std::size_t>> at;
  for (std::size_t e = 0; e < errors.size(); ++e) {
    all[e].observed = errors[e].value(cut_sums(profile, errors[e].cuts));
    auto& positions = at.emplace_back();
    for (const auto cut : errors[e].cuts) {
      positions.push_back(
          static_cast<std::size_t>(std::lower_bound(cuts.begin(), cuts.end(), cut) - cuts.begin()));
    }
  }
  const auto categories = categories_of(profile, cuts);
  const Multinomial multinomial(categories);
  Random random(random_key(static_cast<std::uint64_t>(profile.n_rows()), 0, "cells|" + key));
  std::vector<std::int64_t> drawn;
  std::vector<CutSums> wanted;
  for (std::int64_t r = 0; r < n_resamples; ++r) {
    multinomial.draw(random, drawn);
    const auto sums = cumulative(categories, drawn);
    for (std::size_t e = 0; e < errors.size(); ++e) {
      wanted.clear();
      for (const auto position : at[e]) wanted.push_back(sums[position]);
      all[e].resampled.push_back(errors[e].value(wanted));
    }
  }
  return all;
}

}  // namespace calsweep::analysis
