// Part of sweep_tables.hpp: methods compared with the reference at equal epochs, at equal numbers
// of training samples and at equal test accuracy, from the per-epoch record (Cheon & Paik 2026,
// Fig. 4). Networks only: an ensemble has no epochs.
//
//   epoch     the same epoch of task training
//   samples   the same number of samples seen, those of a noise warm-up included; the method's
//             record is interpolated linearly at the reference's epochs
//   accuracy  the same test accuracy, in steps of 0.05: each network's record is interpolated
//             linearly where it first reaches it
#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <unordered_map>

#include "analysis/results/results_writer.hpp"
#include "analysis/results/sweep_tables.hpp"
#include "analysis/results/sweep_values.hpp"
#include "analysis/statistics/comparisons.hpp"

namespace calsweep::analysis {
namespace {

constexpr std::size_t kAccuracy = 0;
constexpr std::array kMetrics = {"accuracy", "nll", "confidence", "ece_guo2017", "ece_noise2026"};
constexpr int kAccuracySteps = 20;  // multiples of 1 / this
using Point = std::array<double, kMetrics.size()>;

/// The record of one network: values at ascending positions.
struct Curve {
  std::vector<double> at;
  std::vector<Point> points;

  Point between(std::size_t i, double fraction) const {
    Point made{};
    for (std::size_t m = 0; m < made.size(); ++m) {
      made[m] = points[i][m] + fraction * (points[i + 1][m] - points[i][m]);
    }
    return made;
  }
  std::optional<Point> interpolated(double position) const {
    for (std::size_t i = 0; i < at.size(); ++i) {
      if (at[i] == position) return points[i];
      if (i + 1 < at.size() && at[i] < position && position < at[i + 1]) {
        return between(i, (position - at[i]) / (at[i + 1] - at[i]));
      }
    }
    return std::nullopt;
  }
  /// Where `accuracy` is first reached from below; none if it never is or the record starts above.
  std::optional<Point> reaching(double accuracy) const {
    for (std::size_t i = 0; i + 1 < points.size(); ++i) {
      const double here = points[i][kAccuracy], next = points[i + 1][kAccuracy];
      if (here > accuracy) return std::nullopt;
      if (next < accuracy) continue;
      return next == here ? points[i] : between(i, (accuracy - here) / (next - here));
    }
    return std::nullopt;
  }
};

using Curves = std::unordered_map<std::string, Curve>;  // by trial id, at epochs

Curves read_curves(SQLite::Database& db) {
  Curves curves;
  SQLite::Statement rows(
      db,
      "SELECT trial_id, epoch, test_accuracy, test_nll, test_confidence, "
      "test_ece_guo2017, test_ece_noise2026 FROM epoch ORDER BY trial_id, epoch");
  while (rows.executeStep()) {
    auto& curve = curves[rows.getColumn(0).getString()];
    curve.at.push_back(rows.getColumn(1).getDouble());
    Point point{};
    for (std::size_t m = 0; m < point.size(); ++m) {
      const auto column = rows.getColumn(static_cast<int>(m) + 2);
      point[m] = column.isNull() ? std::nan("") : column.getDouble();
    }
    curve.points.push_back(point);
  }
  return curves;
}

/// Samples before the first task epoch and per epoch; nothing where the sweep does not say.
std::optional<std::pair<double, double>> samples_seen(const Settings& settings) {
  const auto size = settings.integer("data.size");
  if (size <= 0) return std::nullopt;
  const double before = settings.has("noise_warmup")
                            ? static_cast<double>(settings.integer("noise_warmup.samples"))
                            : 0.0;
  return std::pair(before, static_cast<double>(size));
}

struct Pair {
  std::int64_t seed = 0;
  Curve method, reference;
};

class MatchedWriter {
 public:
  MatchedWriter(SQLite::Database& db, const Sweep& sweep)
      : sweep_(sweep),
        curves_(read_curves(db)),
        insert_(db, "INSERT INTO matched_test VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)") {}

  void run() {
    const auto reference = reference_method(sweep_);
    if (reference < 0) return;
    std::map<std::pair<std::int64_t, std::int64_t>, std::map<std::int64_t, const Trial*>> networks;
    for (const auto& r : sweep_.replicates) {
      if (sweep_.spec.methods[static_cast<std::size_t>(r.method)].ensemble) continue;
      networks[{r.cell, r.method}][r.seed] =
          &sweep_.trials[static_cast<std::size_t>(r.trials.front())];
    }
    for (const auto& [group, by_seed] : networks) {
      const auto partners = networks.find({group.first, reference});
      if (group.second == reference || partners == networks.end()) continue;
      cell_ = group.first;
      method_ = group.second;
      write_group(by_seed, partners->second);
    }
  }

 private:
  using Networks = std::map<std::int64_t, const Trial*>;

  void write_group(const Networks& method, const Networks& reference) {
    std::vector<Pair> by_epoch, by_samples;
    for (const auto& [seed, trial] : method) {
      const auto partner = reference.find(seed);
      if (partner == reference.end()) continue;
      const auto a = curves_.find(trial->id.str());
      const auto b = curves_.find(partner->second->id.str());
      if (a == curves_.end() || b == curves_.end()) continue;
      by_epoch.push_back({seed, a->second, b->second});
      add_by_samples({seed, a->second, b->second}, *trial, *partner->second, by_samples);
    }
    write_positions("epoch", by_epoch);
    write_positions("samples", by_samples);
    write_accuracies(by_epoch);
  }

  const Settings& settings(const Trial& trial) const {
    return sweep_.recipes[static_cast<std::size_t>(trial.recipe)].settings;
  }

  void add_by_samples(Pair pair, const Trial& method, const Trial& reference,
                      std::vector<Pair>& pairs) const {
    const auto a = samples_seen(settings(method));
    const auto b = samples_seen(settings(reference));
    if (!a || !b) return;
    for (double& at : pair.method.at) at = a->first + at * a->second;
    for (double& at : pair.reference.at) at = b->first + at * b->second;
    pairs.push_back(std::move(pair));
  }

  void write_positions(const char* matched_on, const std::vector<Pair>& pairs) {
    if (pairs.empty()) return;
    for (const double at : pairs.front().reference.at) {
      write_point(matched_on, at, pairs,
                  [at](const Curve& curve) { return curve.interpolated(at); });
    }
  }

  void write_accuracies(const std::vector<Pair>& pairs) {
    for (int step = 1; step < kAccuracySteps; ++step) {
      const double accuracy = static_cast<double>(step) / kAccuracySteps;
      write_point("accuracy", accuracy, pairs,
                  [accuracy](const Curve& curve) { return curve.reaching(accuracy); });
    }
  }

  template <class Find>
  void write_point(const char* matched_on, double at, const std::vector<Pair>& pairs, Find find) {
    for (std::size_t m = 0; m < kMetrics.size(); ++m) {
      if (std::string_view(matched_on) == "accuracy" && m == kAccuracy) continue;
      MetricSample method, reference;
      for (const auto& pair : pairs) {
        const auto a = find(pair.method);
        const auto b = find(pair.reference);
        if (!a || !b || !std::isfinite((*a)[m]) || !std::isfinite((*b)[m])) continue;
        method.pairing_seeds.push_back(pair.seed);
        reference.pairing_seeds.push_back(pair.seed);
        method.values.push_back((*a)[m]);
        reference.values.push_back((*b)[m]);
      }
      if (!method.values.empty()) write(kMetrics[m], matched_on, at, method, reference);
    }
  }

  void write(const char* metric, const char* matched_on, double at, const MetricSample& method,
             const MetricSample& reference) {
    const auto test = paired_signed_rank_test(method.values, reference.values);
    insert_.bind(1, cell_);
    insert_.bind(2, method_);
    insert_.bind(3, metric);
    insert_.bind(4, matched_on);
    insert_.bind(5, at);
    insert_.bind(6, test.n_pairs);
    bind_measured(insert_, 7, median(method.values));
    bind_measured(insert_, 8, median(reference.values));
    bind_measured(insert_, 9, test.hodges_lehmann);
    bind_measured(insert_, 10, test.p_exact);
    bind_measured(insert_, 11, test.log10_p_exact);
    bind_measured(insert_, 12, test.rank_biserial);
    if (!test.p_exact.has_value()) insert_.bind(13, test.p_exact.null_reason);
    analysis::run(insert_);
  }

  const Sweep& sweep_;
  Curves curves_;
  SQLite::Statement insert_;
  std::int64_t cell_ = 0, method_ = 0;
};

}  // namespace

void write_matched_tests(SQLite::Database& db, const Sweep& sweep) {
  MatchedWriter(db, sweep).run();
}

}  // namespace calsweep::analysis
