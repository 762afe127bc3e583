// The units that could start now, longest expected first, ready stages before everything else.
//
// Within one shape the order by work is the order by time whatever the rate, so a refitted cost
// model reorders nothing: one sorted set per shape, and the pick compares their heads.
#pragma once

#include <functional>
#include <set>
#include <vector>

#include "orchestrator/coordinator_types.hpp"
#include "orchestrator/cost_model.hpp"

namespace calsweep::orchestrator {

class ReadyQueue {
 public:
  struct Entry {
    UnitIndex unit{};
    UnitKind kind = UnitKind::Trials;
    std::size_t shape = 0;
    double flops = 0.0;
  };

  void push(const Entry& entry);
  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }

  /// Takes out the best unit for a device among those for which `accept` holds.
  /// Equal times: the unit planned first. Returns false if there is none.
  bool pop(const CostModel& cost, std::size_t device,
           const std::function<bool(const Entry&)>& accept, Entry& taken);

 private:
  struct LongestFirst {
    bool operator()(const Entry& a, const Entry& b) const {
      return a.flops != b.flops ? a.flops > b.flops : a.unit < b.unit;
    }
  };
  using Shape = std::set<Entry, LongestFirst>;
  bool pop_kind(std::vector<Shape>& shapes, const CostModel& cost, std::size_t device,
                const std::function<bool(const Entry&)>& accept, Entry& taken);

  std::vector<Shape> stages_, trials_;  ///< by shape index
  std::size_t size_ = 0;
};

}  // namespace calsweep::orchestrator
