#include "worker/stack_schedule.hpp"

#include <cmath>
#include <numbers>

#include "sweeps/cost.hpp"

namespace calsweep::worker {
namespace {

std::string seed_range(const Stack& stack) {
  const auto first = stack.members.front().seed, last = stack.members.back().seed;
  if (first == last) return "seed " + std::to_string(first);
  return "seeds " + std::to_string(first) + "-" + std::to_string(last);
}

std::int64_t recorded_epochs(const Settings& settings) {
  const std::int64_t every = settings.integer("logging.epoch_every");
  return every == 0 ? 1 : settings.integer("training.epochs") / every + 2;
}

}  // namespace

double stack_work(const Stack& stack, UnitKind kind) {
  const Settings& settings = stack.settings;
  double images = 0.0;
  if (kind == UnitKind::Stage) {
    images = kTrainWork * static_cast<double>(settings.integer("noise_warmup.samples"));
  } else {
    const auto epochs = static_cast<double>(settings.integer("training.epochs"));
    const auto test = static_cast<double>(resolved_test_size(settings));
    const auto sets = static_cast<double>(settings.texts("data.ood").size());
    images = kTrainWork * epochs * static_cast<double>(resolved_train_size(settings)) +
             test * (static_cast<double>(recorded_epochs(settings)) + sets);
  }
  return images * static_cast<double>(stack.members.size());
}

double scheduled_rate(const Settings& settings, std::int64_t epoch) {
  const double rate = settings.real("training.learning_rate");
  if (settings.text("training.schedule") == "constant") return rate;
  const auto fraction =
      static_cast<double>(epoch) / static_cast<double>(settings.integer("training.epochs"));
  return rate * 0.5 * (1.0 + std::cos(std::numbers::pi * fraction));
}

bool epoch_is_recorded(const Settings& settings, std::int64_t epoch) {
  const std::int64_t every = settings.integer("logging.epoch_every");
  if (epoch == settings.integer("training.epochs")) return true;
  return every > 0 && epoch % every == 0;
}

std::int64_t warmup_steps(const Settings& settings) {
  return settings.integer("noise_warmup.samples") / settings.integer("noise_warmup.batch_size");
}

std::string describe(const Stack& stack) {
  const Settings& settings = stack.settings;
  std::string method;
  for (const auto ingredient : ingredient_names()) {
    if (!settings.has(ingredient)) continue;
    method += (method.empty() ? "" : "+") + std::string(ingredient);
  }
  return "d" + std::to_string(settings.integer("model.depth")) + " n" +
         std::to_string(resolved_train_size(settings)) + " " +
         (method.empty() ? "baseline" : method) + " " + seed_range(stack);
}

}  // namespace calsweep::worker
