// What calsweep-trainer does once it runs: set LibTorch up, say hello, train unit after unit.
//
// No LibTorch in this header, so that main.cpp and tests compile without it.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "sweeps/trainer_protocol.hpp"

namespace calsweep::worker {

struct SessionOptions {
  std::string device = "auto";  ///< auto (a GPU if there is one), cpu, cuda:N
  int threads = 1;              ///< LibTorch's threads inside one operation
  /// Asked between steps: true ends the unit as soon as its state is stored.
  std::function<bool()> stop_requested = [] { return false; };
};

/// "2.13.0".
std::string libtorch_version();

class TrainerSession {
 public:
  /// Sets the device up. Throws UsageError if there is no such device.
  explicit TrainerSession(const SessionOptions& options);
  ~TrainerSession();

  TrainerHello hello() const;
  /// Trains and seals one unit, from its checkpoints where there are any; progress goes to `sink`.
  /// A stop that was requested comes back as TrainerStopped, every failure as a TrainerFailed. Data
  /// sets stay in memory for the next unit.
  TrainerReply run(const TrainCommand& command,
                   const std::function<void(const TrainerProgress&)>& sink);
  /// True after a failure that leaves the device unusable: this process should end.
  bool must_end() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace calsweep::worker
