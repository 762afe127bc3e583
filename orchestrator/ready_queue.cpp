#include "orchestrator/ready_queue.hpp"

#include <algorithm>

namespace calsweep::orchestrator {

void ReadyQueue::push(const Entry& entry) {
  auto& shapes = entry.kind == UnitKind::Stage ? stages_ : trials_;
  if (shapes.size() <= entry.shape) shapes.resize(entry.shape + 1);
  if (shapes[entry.shape].insert(entry).second) ++size_;
}

std::optional<ReadyQueue::Entry> ReadyQueue::pop(const CostModel& cost, const Request& request) {
  auto stage = pop_kind(stages_, cost, request);
  return stage ? stage : pop_kind(trials_, cost, request);
}

std::optional<ReadyQueue::Entry> ReadyQueue::pop_kind(std::vector<Shape>& shapes,
                                                      const CostModel& cost,
                                                      const Request& request) {
  Shape* best_shape = nullptr;
  Shape::iterator best;
  double best_seconds = -1.0;
  for (std::size_t shape = 0; shape < shapes.size(); ++shape) {
    auto first = shapes[shape].begin();
    if (request.at_most_seconds) {
      if (!cost.knows(request.device, shape)) continue;
      const double most = *request.at_most_seconds * cost.rate(request.device, shape);
      first = shapes[shape].lower_bound(Entry{UnitIndex{-1}, UnitKind::Trials, shape, most});
    }
    const auto head = std::find_if(first, shapes[shape].end(),
                                   [&](const Entry& entry) { return request.accept(entry.unit); });
    if (head == shapes[shape].end()) continue;
    const double seconds = cost.expected_seconds(request.device, shape, head->flops);
    const bool earlier_tie =
        best_shape != nullptr && seconds == best_seconds && head->unit < best->unit;
    if (seconds <= best_seconds && !earlier_tie) continue;
    best_shape = &shapes[shape];
    best = head;
    best_seconds = seconds;
  }
  if (best_shape == nullptr) return std::nullopt;
  const Entry taken = *best;
  best_shape->erase(best);
  --size_;
  return taken;
}

}  // namespace calsweep::orchestrator
