#include "sweeps/cost.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "sweeps/datasets.hpp"
#include "sweeps/errors.hpp"

namespace calsweep {
namespace {

const DatasetDescription& dataset_of(const Settings& settings) {
  const auto* set = find_dataset(settings.text("data.dataset"));
  CALSWEEP_CHECK(set != nullptr, "settings name an unknown data set");
  return *set;
}

double input_size(const Settings& settings) {
  const auto& set = dataset_of(settings);
  return static_cast<double>(set.channels * set.height * set.width);
}

double first_layer_macs(const Settings& settings) {
  const auto outputs = settings.integer("model.depth") == 1 ? dataset_of(settings).n_classes
                                                            : settings.integer("model.width");
  return input_size(settings) * static_cast<double>(outputs);
}

// Images whose logits are computed at the end: test, validation, OOD.
double logged_rows(const Settings& settings) {
  double rows = static_cast<double>(resolved_test_size(settings)) +
                static_cast<double>(settings.integer("data.validation_size"));
  for (const auto& entry : settings.texts("data.ood")) {
    const auto* set = find_dataset(parse_ood_name(entry).set);
    const double all =
        set != nullptr && set->n_test > 0 ? static_cast<double>(set->n_test) : 10000.0;
    const auto limit = static_cast<double>(settings.integer("data.ood_size"));
    rows += limit > 0.0 ? std::min(limit, all) : all;
  }
  return rows;
}

double epochs_evaluated(const Settings& settings) {
  const auto every = settings.integer("logging.epoch_every");
  if (every == 0) return 1.0;
  return 1.0 + std::ceil(static_cast<double>(settings.integer("training.epochs")) /
                         static_cast<double>(every));
}

}  // namespace

std::int64_t resolved_train_size(const Settings& settings) {
  const auto size = settings.integer("data.size");
  return size > 0 ? size : dataset_of(settings).n_train - settings.integer("data.validation_size");
}

std::int64_t resolved_test_size(const Settings& settings) {
  const auto size = settings.integer("data.test_size");
  return size > 0 ? size : dataset_of(settings).n_test;
}

double mlp_macs_per_sample(const Settings& settings) {
  const auto depth = static_cast<double>(settings.integer("model.depth"));
  const auto width = static_cast<double>(settings.integer("model.width"));
  double macs = first_layer_macs(settings);
  if (depth > 1.0) {
    macs +=
        (depth - 2.0) * width * width + width * static_cast<double>(dataset_of(settings).n_classes);
  }
  return macs;
}

double train_flops_per_sample(const Settings& settings) {
  return 6.0 * mlp_macs_per_sample(settings) - 2.0 * first_layer_macs(settings);
}

double stage_flops(const Settings& settings) {
  if (!settings.has("noise_warmup")) return 0.0;
  return static_cast<double>(settings.integer("noise_warmup.samples")) *
         train_flops_per_sample(settings);
}

double trial_flops(const Settings& settings) {
  const double task = static_cast<double>(settings.integer("training.epochs")) *
                      static_cast<double>(resolved_train_size(settings)) *
                      train_flops_per_sample(settings);
  const double rows = logged_rows(settings) + static_cast<double>(resolved_test_size(settings)) *
                                                  (epochs_evaluated(settings) - 1.0);
  return task + rows * 2.0 * mlp_macs_per_sample(settings);
}

double trial_bytes(const Settings& settings) {
  constexpr double kOverhead = 8192.0;  // groups, attributes, the per-epoch table's header
  return logged_rows(settings) * static_cast<double>(dataset_of(settings).n_classes) * 4.0 +
         epochs_evaluated(settings) * 56.0 + kOverhead;
}

std::string shape_family(const Settings& settings) {
  return fmt::format("{} d{} w{} in{} b{}", settings.text("model.architecture"),
                     settings.integer("model.depth"), settings.integer("model.width"),
                     static_cast<std::int64_t>(input_size(settings)),
                     settings.integer("training.batch_size"));
}

}  // namespace calsweep
