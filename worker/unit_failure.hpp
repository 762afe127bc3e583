// Why a unit could not be finished, in the words the agent acts upon.
#pragma once

#include "sweeps/errors.hpp"
#include "sweeps/trainer_protocol.hpp"

namespace calsweep::worker {

class UnitFailure : public CalsweepError {
 public:
  UnitFailure(FailureKind failure, const std::string& message)
      : CalsweepError(message), kind(failure) {}
  const FailureKind kind;
  bool ends_process = false;  ///< the device is in a state that only a new process leaves
};

}  // namespace calsweep::worker
