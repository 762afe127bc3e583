#include "orchestrator/cost_model.hpp"

#include <algorithm>
#include <cmath>

namespace calsweep::orchestrator {
namespace {

constexpr double kKeep = 0.95;       // weight of the past at each finished unit
constexpr double kPriorError = 0.7;  // a guess is off by a factor of 2 either way
constexpr double kShortestSeconds = 1e-6;

}  // namespace

std::size_t CostModel::device_index(std::string_view device) {
  const auto found = std::find_if(devices_.begin(), devices_.end(),
                                  [&](const Device& known) { return known.name == device; });
  if (found != devices_.end()) return static_cast<std::size_t>(found - devices_.begin());
  Device added;
  added.name = device;
  if (device.starts_with("cuda")) added.guess = kGpuGuessFlopsPerSecond;
  added.by_shape.resize(shapes_.size());
  devices_.push_back(std::move(added));
  return devices_.size() - 1;
}

std::size_t CostModel::shape_index(std::string_view shape) {
  const auto found = std::find(shapes_.begin(), shapes_.end(), shape);
  if (found != shapes_.end()) return static_cast<std::size_t>(found - shapes_.begin());
  shapes_.emplace_back(shape);
  for (auto& device : devices_) device.by_shape.emplace_back();
  return shapes_.size() - 1;
}

void CostModel::learn(std::size_t device, std::size_t shape, double flops, double seconds) {
  seconds = std::max(seconds, kShortestSeconds);
  if (knows(device, shape)) {
    const double expected = std::max(expected_seconds(device, shape, flops), kShortestSeconds);
    const double error = std::log(seconds / expected);
    sum_squared_error_ += error * error;
    ++n_errors_;
  }
  for (Tally* tally : {&devices_[device].all, &devices_[device].by_shape[shape]}) {
    tally->flops = tally->flops * kKeep + flops;
    tally->seconds = tally->seconds * kKeep + seconds;
  }
  ++n_learned_;
}

bool CostModel::knows(std::size_t device, std::size_t shape) const {
  return devices_[device].by_shape[shape].seconds > 0.0;
}

double CostModel::rate(std::size_t device, std::size_t shape) const {
  const Device& known = devices_[device];
  for (const Tally& tally : {known.by_shape[shape], known.all}) {
    if (tally.seconds > 0.0 && tally.flops > 0.0) return tally.flops / tally.seconds;
  }
  return known.guess;
}

double CostModel::expected_seconds(std::size_t device, std::size_t shape, double flops) const {
  return flops / rate(device, shape);
}

double CostModel::relative_error() const {
  // The prior counts as one observation.
  return std::sqrt((sum_squared_error_ + kPriorError * kPriorError) /
                   static_cast<double>(n_errors_ + 1));
}

TimeLeft time_left(const CostModel& cost, double work_seconds, double longest, std::int64_t n_units,
                   std::int64_t n_slots) {
  if (n_units == 0 || n_slots == 0) return {};
  TimeLeft left;
  left.seconds = std::max(work_seconds / static_cast<double>(n_slots), longest);
  // Error of the rates (shrinks with what was learned) plus error of what is left (averages out).
  const double learned = static_cast<double>(cost.n_learned() + 1);
  const double spread =
      1.96 * cost.relative_error() * std::sqrt(1.0 / learned + 1.0 / static_cast<double>(n_units));
  left.low = left.seconds * std::exp(-spread);
  left.high = left.seconds * std::exp(spread);
  return left;
}

}  // namespace calsweep::orchestrator
