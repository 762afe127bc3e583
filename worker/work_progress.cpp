#include "worker/work_progress.hpp"

#include <algorithm>

namespace calsweep::worker {
namespace {
constexpr std::chrono::seconds kInterval{1};  // the protocol promises one every two
}

WorkProgress::WorkProgress(Sink sink, const UnitId& unit, std::int64_t networks)
    : sink_(std::move(sink)) {
  now_.unit = unit;
  now_.networks = networks;
}

void WorkProgress::advance(double work) {
  done_ += work;
  if (sink_ && Clock::now() - last_report_ >= kInterval) report();
}

void WorkProgress::report() {
  if (!sink_) return;
  now_.fraction = total_ > 0.0 ? std::min(1.0, done_ / total_) : 0.0;
  last_report_ = Clock::now();
  sink_(now_);
}

}  // namespace calsweep::worker
