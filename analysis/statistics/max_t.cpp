#include "analysis/statistics/max_t.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "analysis/statistics/paired_differences.hpp"
#include "analysis/statistics/signed_ranks.hpp"
#include "sweeps/errors.hpp"
#include "sweeps/random.hpp"

namespace calsweep::analysis {
namespace {

/// Cells with a statistic, by falling |t|; their signed doubled ranks seed by seed.
struct Grid {
  std::vector<std::size_t> cells;   // index into the input
  std::vector<double> weights;      // 1 / sqrt(sum of squared doubled ranks)
  std::vector<double> thresholds;   // |t| less rounding
  std::vector<std::int64_t> ranks;  // [seed, cell]
  std::size_t n_seeds = 0;

  std::span<const std::int64_t> seed(std::size_t s) const {
    return std::span(ranks).subspan(s * cells.size(), cells.size());
  }
};

/// Counts the flips in which the largest |t| of a set of cells reaches that of each cell.
class Hits {
 public:
  explicit Hits(const Grid& grid)
      : grid_(grid), single_step(grid.cells.size(), 0), step_down(grid.cells.size(), 0) {}

  void count(std::span<const std::int64_t> sums) {
    double largest = 0.0;  // of this cell and all with a smaller |t|
    for (std::size_t c = sums.size(); c-- > 0;) {
      largest = std::max(largest, static_cast<double>(std::abs(sums[c])) * grid_.weights[c]);
      step_down[c] += largest >= grid_.thresholds[c] ? 1 : 0;
    }
    // Thresholds fall, so the cells reached by the maximum are the last ones.
    for (std::size_t c = sums.size(); c-- > 0 && largest >= grid_.thresholds[c];) ++single_step[c];
  }

 private:
  const Grid& grid_;

 public:
  std::vector<std::int64_t> single_step, step_down;
};

void check_cell(const CellDifferences& cell, std::size_t index) {
  if (cell.seeds.size() != cell.values.size()) {
    throw FormatError(fmt::format("maxT: cell {} (from 0) has {} seeds and {} differences", index,
                                  cell.seeds.size(), cell.values.size()));
  }
  check_finite(cell.values, "maxT");
  std::set<std::int64_t> seen;
  for (const auto seed : cell.seeds) {
    if (seen.insert(seed).second) continue;
    throw FormatError(fmt::format(
        "maxT: cell {} (from 0) has seed {} twice; a seed gives one difference", index, seed));
  }
}

void check_options(const MaxTOptions& options) {
  if (options.enumeration_limit >= 0 && options.enumeration_limit <= 24 &&
      options.random_flips >= 1) {
    return;
  }
  throw UsageError(
      fmt::format("maxT: enumeration up to {} seeds (0 to 24 can be), {} random flips "
                  "(at least 1)",
                  options.enumeration_limit, options.random_flips));
}

/// Row of every seed with a non-zero rank, in the order of seeds.
std::map<std::int64_t, std::size_t> number_seeds(std::span<const CellDifferences> cells,
                                                 std::span<const SignedRanks> ranks) {
  std::map<std::int64_t, std::size_t> rows;
  for (std::size_t c = 0; c < cells.size(); ++c) {
    for (std::size_t i = 0; i < cells[c].values.size(); ++i) {
      if (ranks[c].doubled[i] != 0) rows.emplace(cells[c].seeds[i], 0);
    }
  }
  std::size_t next = 0;
  for (auto& row : rows) row.second = next++;
  return rows;
}

std::vector<double> statistics(std::span<const SignedRanks> ranks) {
  std::vector<double> t;
  for (const auto& cell : ranks) {
    double sum = 0.0;
    double squares = 0.0;
    for (const auto rank : cell.doubled) {
      sum += static_cast<double>(rank);
      squares += static_cast<double>(rank * rank);
    }
    t.push_back(squares > 0.0 ? sum * (1.0 / std::sqrt(squares)) : 0.0);
  }
  return t;
}

Grid make_grid(std::span<const CellDifferences> cells, std::span<const SignedRanks> ranks,
               std::span<const double> t) {
  Grid grid;
  for (std::size_t c = 0; c < cells.size(); ++c) {
    if (ranks[c].n_nonzero() > 0) grid.cells.push_back(c);
  }
  std::stable_sort(grid.cells.begin(), grid.cells.end(),
                   [&](std::size_t a, std::size_t b) { return std::abs(t[a]) > std::abs(t[b]); });
  const auto rows = number_seeds(cells, ranks);
  grid.n_seeds = rows.size();
  grid.ranks.assign(rows.size() * grid.cells.size(), 0);
  for (std::size_t k = 0; k < grid.cells.size(); ++k) {
    const auto c = grid.cells[k];
    double squares = 0.0;
    for (std::size_t i = 0; i < cells[c].values.size(); ++i) {
      const auto rank = ranks[c].doubled[i];
      if (rank == 0) continue;
      grid.ranks[rows.at(cells[c].seeds[i]) * grid.cells.size() + k] = rank;
      squares += static_cast<double>(rank * rank);
    }
    grid.weights.push_back(1.0 / std::sqrt(squares));
    grid.thresholds.push_back(std::abs(t[c]) * (1.0 - 1e-12));
  }
  return grid;
}

std::vector<std::int64_t> unflipped_sums(const Grid& grid) {
  std::vector<std::int64_t> sums(grid.cells.size(), 0);
  for (std::size_t s = 0; s < grid.n_seeds; ++s) {
    const auto row = grid.seed(s);
    for (std::size_t c = 0; c < row.size(); ++c) sums[c] += row[c];
  }
  return sums;
}

/// All flips that differ by more than a global one, in Gray code order: one seed at a time.
std::int64_t enumerate_flips(const Grid& grid, Hits& hits) {
  auto sums = unflipped_sums(grid);
  std::vector<std::int64_t> sign(grid.n_seeds, 1);
  const std::uint64_t n_flips = std::uint64_t{1} << (grid.n_seeds - 1);  // the last seed stays
  hits.count(sums);
  for (std::uint64_t flip = 1; flip < n_flips; ++flip) {
    const auto s = static_cast<std::size_t>(std::countr_zero(flip));
    const auto step = -2 * sign[s];
    sign[s] = -sign[s];
    const auto row = grid.seed(s);
    for (std::size_t c = 0; c < row.size(); ++c) sums[c] += step * row[c];
    hits.count(sums);
  }
  return static_cast<std::int64_t>(n_flips);
}

void draw_flips(const Grid& grid, const MaxTOptions& options, Hits& hits) {
  Random random(random_key(options.key, 0, "max_t sign flips"));
  std::vector<std::int64_t> sums(grid.cells.size());
  for (std::int64_t flip = 0; flip < options.random_flips; ++flip) {
    std::fill(sums.begin(), sums.end(), 0);
    std::uint64_t bits = 0;
    for (std::size_t s = 0; s < grid.n_seeds; ++s) {
      if (s % 64 == 0) bits = random.next();
      const std::int64_t sign = (bits & 1) != 0 ? 1 : -1;
      bits >>= 1;
      const auto row = grid.seed(s);
      for (std::size_t c = 0; c < row.size(); ++c) sums[c] += sign * row[c];
    }
    hits.count(sums);
  }
}

}  // namespace

MaxTResult max_t(std::span<const CellDifferences> cells, const MaxTOptions& options) {
  check_options(options);
  std::vector<SignedRanks> ranks;
  for (std::size_t c = 0; c < cells.size(); ++c) {
    check_cell(cells[c], c);
    ranks.push_back(signed_ranks(cells[c].values, cells[c].tolerance, ZeroMethod::Wilcox));
  }
  const auto t = statistics(ranks);
  const auto grid = make_grid(cells, ranks, t);
  MaxTResult result;
  for (const auto& cell : cells) {
    const auto none = Measured::none(cell.values.empty() ? "no pairs" : "all differences are zero");
    result.cells.push_back({none, none, none});
  }
  result.n_cells = static_cast<std::int64_t>(grid.cells.size());
  result.n_seeds = static_cast<std::int64_t>(grid.n_seeds);
  result.enumerated = result.n_seeds <= options.enumeration_limit;
  if (grid.cells.empty()) return result;

  Hits hits(grid);
  result.n_flips = options.random_flips;
  if (result.enumerated) {
    result.n_flips = enumerate_flips(grid, hits);
  } else {
    draw_flips(grid, options, hits);
  }
  // The identity is among the enumerated flips; to the drawn ones it is added.
  const std::int64_t added = result.enumerated ? 0 : 1;
  const auto p = [&](std::int64_t count) {
    return static_cast<double>(added + count) / static_cast<double>(added + result.n_flips);
  };
  double running = 0.0;
  for (std::size_t k = 0; k < grid.cells.size(); ++k) {
    running = std::max(running, p(hits.step_down[k]));
    result.cells[grid.cells[k]] = {Measured::of(t[grid.cells[k]]),
                                   Measured::of(p(hits.single_step[k])), Measured::of(running)};
  }
  return result;
}

}  // namespace calsweep::analysis
