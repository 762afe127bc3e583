#include "analysis/calibrators/near_isotonic.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <queue>

namespace calsweep::analysis {
namespace {

constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();

/// A group of runs with equal y. Stationarity of the objective gives y in closed form:
/// y = (ones + lambda * pull) / rows, pull = (falls into it) - (falls out of it).
struct Group {
  double ones, rows;
  double pull = 0.0;
  std::size_t left = kNone, right = kNone;  // neighbours, by the index of their first run
  bool alive = true;

  double y(double lambda) const { return (ones + lambda * pull) / rows; }
};

struct Merge {
  double lambda;
  std::size_t left, right;
  double rows_left, rows_right;  // as they were: a merge of groups that have grown is void

  bool operator>(const Merge& other) const {
    return lambda != other.lambda ? lambda > other.lambda : left > other.left;
  }
};

class Path {
 public:
  explicit Path(std::span<const ScoreGroup> runs) {
    for (std::size_t i = 0; i < runs.size(); ++i) {
      groups_.push_back({runs[i].sum, runs[i].count});
      if (i == 0) continue;
      groups_[i].left = i - 1;
      groups_[i - 1].right = i;
      if (!falls(i - 1)) continue;
      groups_[i - 1].pull -= 1.0;
      groups_[i].pull += 1.0;
    }
    n_groups_ = groups_.size();
    for (std::size_t i = 0; i + 1 < groups_.size(); ++i) queue_merge(i);
  }

  /// Makes all merges of the next lambda; false if there are no more.
  bool advance() {
    bool merged = false;
    while (!merges_.empty() && (!merged || merges_.top().lambda <= lambda_)) {
      const Merge merge = merges_.top();
      merges_.pop();
      if (is_void(merge)) continue;
      lambda_ = merge.lambda;
      merged = true;
      join(merge.left, merge.right);
    }
    return merged;
  }

  std::size_t n_groups() const { return n_groups_; }

  NearIsotonicModel model() const {
    NearIsotonicModel made;
    made.lambda = lambda_;
    for (std::size_t i = 0; i != kNone; i = groups_[i].right) {
      made.first.push_back(i);
      made.y.push_back(std::clamp(groups_[i].y(lambda_), 0.0, 1.0));
      made.ones.push_back(groups_[i].ones);
      made.rows.push_back(groups_[i].rows);
    }
    return made;
  }

 private:
  /// The mean of a group is above that of its right neighbour. Only asked of untouched runs: a
  /// fall stays a fall until the two merge.
  bool falls(std::size_t i) const {
    const Group& a = groups_[i];
    const Group& b = groups_[a.right];
    return a.ones * b.rows > b.ones * a.rows;
  }

  bool is_void(const Merge& merge) const {
    const Group& a = groups_[merge.left];
    return !a.alive || a.right != merge.right || a.rows != merge.rows_left ||
           groups_[merge.right].rows != merge.rows_right;
  }

  /// When group i and its right neighbour meet. They never part: where i falls to its neighbour
  /// it moves down and the neighbour up, else the other way round, or both stand still.
  void queue_merge(std::size_t i) {
    const Group& a = groups_[i];
    const Group& b = groups_[a.right];
    const double gap = b.ones * a.rows - a.ones * b.rows;  // at lambda = 0, times both rows
    const double closing = a.pull * b.rows - b.pull * a.rows;
    if (closing == 0.0 && gap != 0.0) return;
    const double lambda = closing == 0.0 ? lambda_ : std::max(lambda_, gap / closing);
    merges_.push({lambda, i, a.right, a.rows, b.rows});
  }

  void join(std::size_t left, std::size_t right) {
    Group& a = groups_[left];
    Group& b = groups_[right];
    a.ones += b.ones;
    a.rows += b.rows;
    a.pull += b.pull;  // a fall between the two cancels
    a.right = b.right;
    if (a.right != kNone) groups_[a.right].left = left;
    b.alive = false;
    --n_groups_;
    if (a.left != kNone) queue_merge(a.left);
    if (a.right != kNone) queue_merge(left);
  }

  std::vector<Group> groups_;
  std::priority_queue<Merge, std::vector<Merge>, std::greater<>> merges_;
  std::size_t n_groups_ = 0;
  double lambda_ = 0.0;
};

double log_likelihood(const NearIsotonicModel& model) {
  double sum = 0.0;
  for (std::size_t g = 0; g < model.y.size(); ++g) {
    const double zeros = model.rows[g] - model.ones[g];
    if (model.ones[g] > 0.0) sum += model.ones[g] * std::log(model.y[g]);
    if (zeros > 0.0) sum += zeros * std::log1p(-model.y[g]);
  }
  return sum;
}

/// Below this a model's share is lost in rounding.
constexpr double kLeastWeight = 1e-20;

class Averaging {
 public:
  explicit Averaging(std::span<const ScoreGroup> runs) : runs_(runs) {
    for (const ScoreGroup& run : runs) log_rows_ += run.count;
    log_rows_ = std::log(log_rows_);
  }

  NearIsotonicEnsemble fit() {
    score_all();
    std::vector<double> sum(runs_.size(), 0.0);
    double total = 0.0, information = 0.0;
    NearIsotonicEnsemble made;
    Path path(runs_);
    for (const auto& bic : bics_) {
      path.advance();
      const double weight = bic ? std::exp(0.5 * (best_ - *bic)) : 0.0;
      if (weight < kLeastWeight) continue;
      add(path.model(), weight, sum);
      total += weight;
      information += weight * std::log(weight);
      ++made.n_models;
    }
    if (bics_.empty()) {
      add(path.model(), 1.0, sum);
      total = 1.0;
      made.n_models = 1;
    }
    made.effective_models = std::exp(std::log(total) - information / total);
    for (std::size_t i = 0; i < runs_.size(); ++i) {
      const double y = std::clamp(sum[i] / total, 0.0, 1.0);
      made.function.x.push_back(runs_[i].first_x);
      made.function.y.push_back(y);
      if (runs_[i].last_x == runs_[i].first_x) continue;
      made.function.x.push_back(runs_[i].last_x);
      made.function.y.push_back(y);
    }
    return made;
  }

 private:
  double bic(const NearIsotonicModel& model) const {
    return static_cast<double>(model.y.size()) * log_rows_ - 2.0 * log_likelihood(model);
  }

  /// The BIC of every solution behind a merge; none where the number of groups alone makes the
  /// weight beside that of isotonic regression, the last solution, too small.
  void score_all() {
    Path last(runs_);
    while (last.advance()) {
    }
    best_ = bic(last.model());
    const double most_groups = (best_ - 2.0 * std::log(kLeastWeight)) / log_rows_;
    Path path(runs_);
    while (path.advance()) {
      if (static_cast<double>(path.n_groups()) > most_groups) {
        bics_.emplace_back();
        continue;
      }
      bics_.emplace_back(bic(path.model()));
      best_ = std::min(best_, *bics_.back());
    }
  }

  static void add(const NearIsotonicModel& model, double weight, std::vector<double>& sum) {
    for (std::size_t g = 0; g < model.y.size(); ++g) {
      const std::size_t end = g + 1 < model.y.size() ? model.first[g + 1] : sum.size();
      for (std::size_t run = model.first[g]; run < end; ++run) sum[run] += weight * model.y[g];
    }
  }

  std::span<const ScoreGroup> runs_;
  double log_rows_ = 0.0;
  double best_ = 0.0;
  std::vector<std::optional<double>> bics_;
};

}  // namespace

std::vector<ScoreGroup> runs_of_equal_target(std::span<const double> x,
                                             std::span<const double> target) {
  std::vector<ScoreGroup> runs;
  for (const ScoreGroup& next : distinct_scores(x, target)) {
    if (!runs.empty() && runs.back().sum * next.count == next.sum * runs.back().count) {
      runs.back().last_x = next.last_x;
      runs.back().sum += next.sum;
      runs.back().count += next.count;
    } else {
      runs.push_back(next);
    }
  }
  return runs;
}

void near_isotonic_path(std::span<const ScoreGroup> runs,
                        const std::function<void(const NearIsotonicModel&)>& visit) {
  Path path(runs);
  do {
    visit(path.model());
  } while (path.advance());
}

NearIsotonicEnsemble fit_near_isotonic(std::span<const double> x, std::span<const double> target) {
  const auto runs = runs_of_equal_target(x, target);
  return Averaging(runs).fit();
}

}  // namespace calsweep::analysis
