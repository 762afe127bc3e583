// How long a unit takes: one rate (FLOP/s) per device and shape family, refitted from every
// finished unit. Until a pair was seen: the same shape's other device is no guide, so the device's
// mean over other shapes, else a fixed guess. Gives expected seconds, and the time left with a
// range.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sweeps/cost.hpp"

namespace calsweep::orchestrator {

/// Rate assumed for a device nothing is known of, FLOP/s of one slot. Also what turns
/// execution.unit_seconds into work per unit, so it must not depend on measurements.
inline constexpr double kGpuGuessFlopsPerSecond = 5e11;

class CostModel {
 public:
  /// Small integers for names, given out in order of first use.
  std::size_t device_index(std::string_view device);
  std::size_t shape_index(std::string_view shape);
  const std::string& device(std::size_t index) const { return devices_[index].name; }
  std::size_t n_shapes() const { return shapes_.size(); }

  /// Learns from one finished unit. Seconds of 0 are taken as 1 us.
  void learn(std::size_t device, std::size_t shape, double flops, double seconds);
  /// True once a unit of that pair has finished.
  bool knows(std::size_t device, std::size_t shape) const;
  double rate(std::size_t device, std::size_t shape) const;
  double expected_seconds(std::size_t device, std::size_t shape, double flops) const;

  /// Standard deviation of log(actual / expected) over finished units; 0.7 as a start.
  double relative_error() const;
  std::int64_t n_learned() const { return n_learned_; }

 private:
  struct Tally {
    double flops = 0.0, seconds = 0.0;  ///< exponentially forgotten, about the last 20 units
  };
  struct Device {
    std::string name;
    double guess = kAssumedFlopsPerSecond;
    Tally all;
    std::vector<Tally> by_shape;
  };
  std::vector<Device> devices_;
  std::vector<std::string> shapes_;
  double sum_squared_error_ = 0.0;
  std::int64_t n_learned_ = 0, n_errors_ = 0;
};

/// Seconds until everything is done: best guess and a range that should hold in about 19 of 20
/// runs.
struct TimeLeft {
  double seconds = 0.0, low = 0.0, high = 0.0;
};
/// `work_seconds`: sum over what is left; `longest`: of a single unit; `n_units`: how many are
/// left.
TimeLeft time_left(const CostModel& cost, double work_seconds, double longest, std::int64_t n_units,
                   std::int64_t n_slots);

}  // namespace calsweep::orchestrator
