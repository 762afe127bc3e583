// Rows per second of the one pass over the logits with every sum of a tally (metrics, confidence
// cells, classwise bins, confidence histogram), on synthetic rows made block by block, beside the
// read bandwidth of the same core, and the time to make the metrics of a trial from the tally once
// the rows are through. Driven by metric_pass.py; prints JSON.
//
// Times are CPU times of the thread, so that other work on the machine disturbs them less.
#include <fmt/core.h>

#include <cstdint>
#include <cstring>
#include <ctime>
#include <fstream>
#include <numeric>
#include <string>
#include <vector>

#include "analysis/metrics/selective_prediction.hpp"
#include "analysis/metrics/sorted_calibration_error.hpp"
#include "analysis/metrics/tally.hpp"

namespace {

using calsweep::analysis::Tally;

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

/// Logits of a network that is sure of some rows and not of others; labels mostly the largest.
class SyntheticRows {
 public:
  SyntheticRows(std::int64_t rows, std::int64_t k)
      : k_(static_cast<std::size_t>(k)),
        logits(static_cast<std::size_t>(rows) * k_),
        labels(static_cast<std::size_t>(rows)) {}

  void next() {
    for (std::size_t r = 0; r < labels.size(); ++r) {
      const auto favourite = static_cast<std::size_t>(bits() % k_);
      const float lead = 14.0F * uniform();
      for (std::size_t c = 0; c < k_; ++c) logits[r * k_ + c] = 4.0F * uniform();
      logits[r * k_ + favourite] += lead;
      labels[r] = static_cast<std::int32_t>(bits() % 8 != 0 ? favourite : bits() % k_);
    }
  }

 private:
  std::size_t k_;
  std::uint64_t state_ = 88172645463325252ULL;
  std::uint64_t bits() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_ >> 20;
  }
  float uniform() { return static_cast<float>(bits() & 0xFFFFFF) * 0x1p-24F; }

 public:
  std::vector<float> logits;
  std::vector<std::int32_t> labels;
};

/// Bytes per second of reading 64 MiB over and over.
double read_bandwidth() {
  const std::vector<std::uint64_t> memory(std::size_t{8} << 20, 3);
  std::uint64_t sum = 0;
  double best = 0.0;
  for (int round = 0; round < 5; ++round) {
    const double start = cpu_seconds();
    for (std::size_t i = 0; i < memory.size(); i += 8) {
      sum += memory[i] + memory[i + 1] + memory[i + 2] + memory[i + 3] + memory[i + 4] +
             memory[i + 5] + memory[i + 6] + memory[i + 7];
    }
    const double rate = static_cast<double>(memory.size() * 8) / (cpu_seconds() - start);
    if (rate > best) best = rate;
  }
  return sum == 0 ? 0.0 : best;
}

/// Peak resident memory of this program alone (getrusage() counts what its parent had before exec).
double peak_memory_mb() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::stod(line.substr(6)) / 1024.0;
  }
  return 0.0;
}

/// Everything that metric_pass.py's PyTorch code reports. The sum keeps the compiler from dropping
/// it.
double metrics_of(const Tally& tally) {
  double sum = tally.accuracy().value + tally.nll().value + tally.brier().value +
               tally.entropy().value + tally.mean_confidence().value + tally.classwise_ece().value +
               tally.class_bias().total_variation.value;
  for (const auto& convention : calsweep::analysis::conventions()) {
    for (const auto n_bins : calsweep::analysis::registered_bins(convention)) {
      const auto error = tally.calibration_error(convention, n_bins);
      sum += error.ece.value + error.mce.value + error.rmsce.value + error.oe.value;
    }
  }
  const auto profile =
      calsweep::analysis::ConfidenceProfile::from_groups(tally.confidence_groups());
  return sum + calsweep::analysis::equal_mass_errors(profile).l1.value +
         calsweep::analysis::selective_prediction(profile).aurc.value;
}

}  // namespace

int main(int argc, char** argv) {
  std::int64_t n = 100'000'000;
  std::int64_t k = 10;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::strcmp(argv[i], "--rows") == 0) n = std::stoll(argv[i + 1]);
    if (std::strcmp(argv[i], "--classes") == 0) k = std::stoll(argv[i + 1]);
  }
  const std::int64_t block = 1'000'000 / k;
  SyntheticRows rows(block, k);
  Tally tally(k, Tally::Histogram::Kept);
  double seconds = 0.0, fewest_seconds = 1e9;
  for (std::int64_t done = 0; done < n; done += block) {
    rows.next();
    const double start = cpu_seconds();
    tally.add_logits(rows.logits, rows.labels, "bench");
    const double taken = cpu_seconds() - start;
    seconds += taken;
    if (taken < fewest_seconds) fewest_seconds = taken;
  }
  const double start = cpu_seconds();
  const double checksum = metrics_of(tally);
  const double finish_seconds = cpu_seconds() - start;
  const double peak_mb = peak_memory_mb();
  const auto& guo = calsweep::analysis::find_convention("guo2017");
  const double rate = static_cast<double>(tally.n_rows()) / seconds;
  fmt::print(
      "{{\"rows\": {}, \"classes\": {}, \"rows_per_second\": {:.0f}, "
      "\"best_rows_per_second\": {:.0f}, \"whole_rows_per_second\": {:.0f}, "
      "\"bytes_per_second\": {:.0f}, \"peak_rss_mb\": {:.1f}, "
      "\"read_bytes_per_second\": {:.0f}, \"ece\": {:.6f}, \"checksum\": {:.6f}}}\n",
      tally.n_rows(), k, rate, static_cast<double>(block) / fewest_seconds,
      static_cast<double>(tally.n_rows()) / (seconds + finish_seconds),
      rate * static_cast<double>(4 * k), peak_mb, read_bandwidth(),
      tally.calibration_error(guo, 15).ece.value, checksum);
}
