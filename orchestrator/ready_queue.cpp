#include "orchestrator/ready_queue.hpp"

#include <algorithm>

namespace calsweep::orchestrator {

void ReadyQueue::push(const Entry& entry) {
  auto& shapes = entry.kind == UnitKind::Stage ? stages_ : trials_;
  if (shapes.size() <= entry.shape) shapes.resize(entry.shape + 1);
  if (shapes[entry.shape].insert(entry).second) ++size_;
}

bool ReadyQueue::pop(const CostModel& cost, std::size_t device,
                     const std::function<bool(const Entry&)>& accept, Entry& taken) {
  return pop_kind(stages_, cost, device, accept, taken) ||
         pop_kind(trials_, cost, device, accept, taken);
}

bool ReadyQueue::pop_kind(std::vector<Shape>& shapes, const CostModel& cost, std::size_t device,
                          const std::function<bool(const Entry&)>& accept, Entry& taken) {
  Shape* best_shape = nullptr;
  Shape::iterator best;
  double best_seconds = -1.0;
  for (std::size_t shape = 0; shape < shapes.size(); ++shape) {
    const auto head = std::find_if(shapes[shape].begin(), shapes[shape].end(), accept);
    if (head == shapes[shape].end()) continue;
    const double seconds = cost.expected_seconds(device, shape, head->flops);
    const bool earlier_tie =
        best_shape != nullptr && seconds == best_seconds && head->unit < best->unit;
    if (seconds <= best_seconds && !earlier_tie) continue;
    best_shape = &shapes[shape];
    best = head;
    best_seconds = seconds;
  }
  if (best_shape == nullptr) return false;
  taken = *best;
  best_shape->erase(best);
  --size_;
  return true;
}

}  // namespace calsweep::orchestrator
