// Friedman's test that k methods rank alike over N blocks, with Iman and Davenport's F.
//
// Two versions stand side by side because they differ in print: Demsar (JMLR 7, 2006, section
// 3.2.2) computes chi-squared without a correction for ties, scipy.stats.friedmanchisquare with it.
// The tests need independent blocks: in a sweep those are the seeds (each method's metric averaged
// over cells), not the cells, which share seeds.
#pragma once

#include <cstdint>
#include <vector>

#include "analysis/statistics/blocks.hpp"
#include "analysis/statistics/distribution_tails.hpp"

namespace calsweep::analysis {

/// A statistic and its upper-tail probability.
struct UpperTailTest {
  Measured statistic;
  TailProbability tail;
};

/// One version of the test: chi2 with k - 1 degrees of freedom, F with k - 1 and (k - 1)(N - 1).
struct FriedmanVersion {
  UpperTailTest chi2;            ///< Demsar: 12 N / (k (k + 1)) * (sum R_j^2 - k (k + 1)^2 / 4)
  UpperTailTest iman_davenport;  ///< (N - 1) chi2 / (N (k - 1) - chi2), Iman & Davenport 1980
};

struct FriedmanTest {
  std::int64_t n_blocks = 0, n_treatments = 0;
  std::vector<double> average_ranks;  ///< by treatment, rank 1 is the smallest value
  FriedmanVersion uncorrected;        ///< as Demsar
  FriedmanVersion tie_corrected;      ///< chi2 divided by 1 - sum(t^3 - t) / (N (k^3 - k))
};

/// Fewer than two treatments or blocks, or all ranks tied: no statistic, with the reason. Where all
/// blocks order all methods alike, F is infinite: it has no value, and its p is that of so extreme
/// a result, (1 / k!)^(N - 1) (Conover 1999, 5.8). Values within `tolerance` are tied.
FriedmanTest friedman_test(const Blocks& blocks, double tolerance = 0.0);

/// chi2 and F without tie correction from published average ranks (one per treatment).
FriedmanVersion friedman_from_average_ranks(const std::vector<double>& average_ranks,
                                            std::int64_t n_blocks);

}  // namespace calsweep::analysis
