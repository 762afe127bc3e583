// The units of one run with their work, in the coordinator's order; makes the parts when the
// coordinator divides one.
#pragma once

#include <string>
#include <vector>

#include "orchestrator/coordinator_types.hpp"

namespace calsweep::orchestrator {

class WorkStore : public UnitDivider {
 public:
  explicit WorkStore(std::vector<WorkUnit> units) : units_(std::move(units)) {}

  const WorkUnit& operator[](UnitIndex unit) const { return units_[position(unit)]; }
  std::vector<PlannedUnit> plans() const {
    std::vector<PlannedUnit> plans;
    plans.reserve(units_.size());
    for (const WorkUnit& unit : units_) plans.push_back(planned(unit));
    return plans;
  }

  std::vector<PlannedUnit> halves(UnitIndex unit) override {
    std::vector<PlannedUnit> plans;
    for (WorkUnit& half : calsweep::halves(units_[position(unit)])) {
      plans.push_back(planned(half));
      units_.push_back(std::move(half));
    }
    return plans;
  }
  PlannedUnit narrowed(UnitIndex unit, std::int64_t width) override {
    units_.push_back(
        calsweep::narrowed(units_[position(unit)], static_cast<std::size_t>(width)));
    return planned(units_.back());
  }

 private:
  std::vector<WorkUnit> units_;
};

}  // namespace calsweep::orchestrator
