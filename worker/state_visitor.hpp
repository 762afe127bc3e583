// The state of training, walked through in one way for saving and for restoring.
//
// Whoever has state that later steps depend on names it to a visitor in one function,
// visit_state(); a visitor either saves what it is shown or replaces it. So what is saved and what
// is restored cannot drift apart. Values come back bit for bit, NaN and infinity included.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "sweeps/random.hpp"

namespace calsweep::worker {

class StateVisitor {
 public:
  virtual ~StateVisitor() = default;

  virtual bool restoring() const = 0;
  /// Restoring copies into the tensor, whose type and shape must be those of the saved one. All
  /// functions that restore throw FormatError if the name is absent or means something else.
  virtual void tensor(const std::string& name, const at::Tensor& value) = 0;
  virtual void integer(const std::string& name, std::int64_t& value) = 0;
  virtual void text(const std::string& name, std::string& value) = 0;
  /// Of any length.
  virtual void values(const std::string& name, std::vector<double>& values) = 0;
  virtual void values(const std::string& name, std::vector<float>& values) = 0;

  // Made of the above.
  void real(const std::string& name, double& value);
  void random(const std::string& name, Random& generator);
  void generator(const std::string& name, at::Generator& generator);
  /// "order0", "order1", …
  void randoms(const std::string& name, std::vector<Random>& generators);
};

using VisitState = std::function<void(StateVisitor&)>;

}  // namespace calsweep::worker
