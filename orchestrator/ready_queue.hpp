// The units that could start now, longest expected first, ready stages before everything else.
//
// Within one shape the order by work is the order by time whatever the rate, so a refitted cost
// model reorders nothing: one sorted set per shape, and the pick compares their heads.
#pragma once

#include <functional>
#include <optional>
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

  /// What a slot can take.
  struct Request {
    std::size_t device = 0;
    /// Only units that are expected to take no longer, and only of shapes that were measured on the
    /// device; absent: anything.
    std::optional<double> at_most_seconds;
    std::function<bool(UnitIndex)> accept;  ///< false for a unit that must not go to this slot
  };
  /// Takes out the best unit for a request; equal times: the unit planned first. Cost: the number
  /// of shapes times log(units), plus the units refused by `accept`.
  std::optional<Entry> pop(const CostModel& cost, const Request& request);

 private:
  struct LongestFirst {
    bool operator()(const Entry& a, const Entry& b) const {
      return a.flops != b.flops ? a.flops > b.flops : a.unit < b.unit;
    }
  };
  using Shape = std::set<Entry, LongestFirst>;
  std::optional<Entry> pop_kind(std::vector<Shape>& shapes, const CostModel& cost,
                                const Request& request);

  std::vector<Shape> stages_, trials_;  ///< by shape index
  std::size_t size_ = 0;
};

}  // namespace calsweep::orchestrator
