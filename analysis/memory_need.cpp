#include "analysis/memory_need.hpp"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <condition_variable>
#include <fstream>
#include <limits>
#include <mutex>

#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

// Per row of the test set: labels, confidences, losses; one profile; the columns and the profile of
// one class; resampling.
constexpr std::int64_t kBytesPerTestRow = 256;
constexpr std::int64_t kBytesPerScoredRow = 160;   // scores of two sets and their sorted groups
constexpr std::int64_t kBytesPerFittedValue = 48;  // logits, rows in double, gradients
constexpr std::int64_t kBytesPerClassValue = 16;   // probabilities and their bins, for ACE and TACE
constexpr std::int64_t kBytesPerLabelledRow = 32;
constexpr std::int64_t kBytesPerDisagreement = 64;
/// Less is not counted: it is always there.
constexpr std::int64_t kSmall = std::int64_t{256} << 20;

std::int64_t bytes_of_fit(const SetRows& rows, std::int64_t n_members) {
  const auto n_values = rows.n_rows() * rows.n_classes() * n_members;
  return n_values > rows.limits().values_of_fit ? 0 : n_values * kBytesPerFittedValue;
}

std::int64_t bytes_of(const std::vector<SetRows>& sets, const AnalysisOptions& options,
                      std::int64_t n_members) {
  const auto* test = find_set(sets, "test");
  const auto* validation = find_set(sets, "validation");
  std::int64_t bytes = 0;
  for (const auto& rows : sets) {
    const std::int64_t disagreement = n_members > 1 ? kBytesPerDisagreement : 0;
    bytes += rows.n_rows() *
             ((is_ood(rows.set()) ? kBytesPerScoredRow : kBytesPerLabelledRow) + disagreement);
  }
  if (test != nullptr) {
    bytes += test->n_rows() * kBytesPerTestRow;
    if (too_large_to_fit(*test).empty()) {
      bytes += test->n_rows() * test->n_classes() * kBytesPerClassValue;
    }
    if (n_members > 1) bytes += bytes_of_fit(*test, n_members);  // the size curve
  }
  const auto* fitted = validation != nullptr             ? validation
                       : options.cross_fitting_folds > 0 ? test
                                                         : nullptr;
  if (fitted != nullptr && !options.calibrators.empty()) bytes += bytes_of_fit(*fitted, n_members);
  return bytes;
}

/// "MemAvailable:  123 kB" and the like; -1 if it is not there.
std::int64_t number_in(const char* file, const std::string& key) {
  std::ifstream in(file);
  std::string word;
  if (key.empty()) {
    std::int64_t value = -1;
    return in >> value ? value : -1;  // "max" is no number
  }
  while (in >> word) {
    std::int64_t value = -1;
    if (word == key && in >> value) return value;
  }
  return -1;
}

struct Reservations {
  std::mutex mutex;
  std::condition_variable freed;
  std::int64_t held = 0;
};

Reservations& reservations() {
  static Reservations all;
  return all;
}

double gibibytes(std::int64_t bytes) { return static_cast<double>(bytes) / (1 << 30); }

}  // namespace

std::int64_t bytes_needed(const NetworkData& network, const AnalysisOptions& options) {
  return bytes_of(network.sets, options, 1);
}

std::int64_t bytes_needed(const EnsembleData& ensemble, const AnalysisOptions& options) {
  return bytes_of(ensemble.members.front().sets, options,
                  static_cast<std::int64_t>(ensemble.members.size()));
}

std::int64_t bytes_available() {
  auto available = std::numeric_limits<std::int64_t>::max();
  const auto at_most = [&](std::int64_t bytes) {
    if (bytes >= 0) available = std::min(available, bytes);
  };
  const auto free_kib = number_in("/proc/meminfo", "MemAvailable:");
  if (free_kib >= 0) at_most(free_kib * 1024);
  const auto limit = number_in("/sys/fs/cgroup/memory.max", "");
  const auto used = number_in("/sys/fs/cgroup/memory.stat", "anon");
  if (limit >= 0 && used >= 0) at_most(std::max<std::int64_t>(0, limit - used));
  rlimit space{};
  const auto taken_kib = number_in("/proc/self/status", "VmSize:");
  if (::getrlimit(RLIMIT_AS, &space) == 0 && space.rlim_cur != RLIM_INFINITY && taken_kib >= 0) {
    at_most(
        std::max<std::int64_t>(0, static_cast<std::int64_t>(space.rlim_cur) - taken_kib * 1024));
  }
  return available;
}

std::string not_enough_memory(std::int64_t needed, std::int64_t available) {
  if (needed <= kSmall || needed <= available) return "";
  return fmt::format(
      "its analysis needs about {:.1f} GiB of memory, but {:.1f} GiB are free: analyse it on a "
      "machine with more, or give fewer rows",
      gibibytes(needed), gibibytes(available));
}

MemoryReservation::MemoryReservation(std::int64_t bytes, const std::string& what)
    : bytes_(bytes <= kSmall ? 0 : bytes) {
  if (bytes_ == 0) return;
  auto& all = reservations();
  std::unique_lock lock(all.mutex);
  // Of what is reserved, part is taken already: counted twice, so that it errs on the safe side.
  all.freed.wait(lock, [&] { return all.held == 0 || all.held + bytes_ <= bytes_available(); });
  if (all.held == 0) {
    const auto reason = not_enough_memory(bytes_, bytes_available());
    if (!reason.empty()) throw FormatError(fmt::format("{}: {}", what, reason));
  }
  all.held += bytes_;
}

MemoryReservation::~MemoryReservation() {
  if (bytes_ == 0) return;
  auto& all = reservations();
  {
    const std::lock_guard lock(all.mutex);
    all.held -= bytes_;
  }
  all.freed.notify_all();
}

}  // namespace calsweep::analysis
