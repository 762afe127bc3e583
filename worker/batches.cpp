#include "worker/batches.hpp"

#include <ATen/Context.h>

#include <cmath>

namespace calsweep::worker {
namespace {

at::TensorOptions floats_on(at::Device device) {
  return at::TensorOptions().dtype(at::kFloat).device(device);
}

template <class T>
at::Tensor upload(const std::vector<T>& values, at::ScalarType type, at::Device device) {
  const auto n = static_cast<std::int64_t>(values.size());
  const auto cpu = at::TensorOptions().dtype(type);
  at::Tensor host = at::empty({n}, cpu);
  std::copy(values.begin(), values.end(), host.data_ptr<T>());
  return host.to(device);
}

/// targets[b, k, c] = 1 where labels[b, k] == c, else 0.
void one_hot(const at::Tensor& labels, const at::Tensor& classes, at::Tensor& targets) {
  at::eq_out(targets, labels.unsqueeze(-1), classes);
}

class LabelSmoothing final : public Ingredient {
 public:
  explicit LabelSmoothing(double alpha) : alpha_(alpha) {}
  void begin_epoch(const EpochOrder&) override {}
  void transform(Batch& batch, std::int64_t) override {
    const auto n_classes = static_cast<double>(batch.targets.size(2));
    batch.targets.mul_(1.0 - alpha_).add_(alpha_ / n_classes);
  }
  void visit_state(StateVisitor&) override {}

 private:
  double alpha_;
};

/// Zhang et al. 2018: every batch of a network is mixed with a permutation of itself, by one
/// lambda.
class Mixup final : public Ingredient {
 public:
  Mixup(double alpha, std::span<const StackMember> members, at::Device device)
      : alpha_(alpha), device_(device) {
    for (const auto& member : members) generators_.push_back(generator_for(member, "mixup"));
    before_epoch_ = generators_;
  }

  void begin_epoch(const EpochOrder& epoch) override {
    before_epoch_ = generators_;
    const auto networks = static_cast<std::size_t>(epoch.networks);
    std::vector<float> lambdas(networks * epoch.batch_sizes.size());
    std::vector<std::int64_t> image_rows(epoch.rows.size()), target_rows(epoch.rows.size());
    for (std::int64_t step = 0; step < epoch.steps(); ++step) {
      const auto begin = static_cast<std::size_t>(epoch.offset(step));
      const std::int64_t size = epoch.batch_sizes[static_cast<std::size_t>(step)];
      for (std::size_t k = 0; k < networks; ++k) {
        lambdas[static_cast<std::size_t>(step) * networks + k] =
            static_cast<float>(generators_[k].beta(alpha_, alpha_));
        const auto partners = generators_[k].permutation(size);
        const auto network = static_cast<std::int64_t>(k);
        for (std::size_t b = 0; b < partners.size(); ++b) {
          image_rows[begin + k * partners.size() + b] = network * size + partners[b];
          target_rows[begin + b * networks + k] = partners[b] * epoch.networks + network;
        }
      }
    }
    lambdas_ = upload(lambdas, at::kFloat, device_).view({epoch.steps(), epoch.networks});
    image_rows_ = upload(image_rows, at::kLong, device_);
    target_rows_ = upload(target_rows, at::kLong, device_);
    stride_ = epoch.networks * epoch.batch_sizes.front();
  }

  void transform(Batch& batch, std::int64_t step) override {
    const at::Tensor lambda = lambdas_[step];
    const std::int64_t n = batch.inputs.size(0) * batch.inputs.size(1);
    const auto mix = [&](at::Tensor& values, const at::Tensor& rows, const at::Tensor& weight) {
      const at::Tensor partners =
          values.view({n, -1}).index_select(0, rows.narrow(0, step * stride_, n));
      at::lerp_out(values, partners.view(values.sizes()), values, weight);
    };
    mix(batch.inputs, image_rows_, lambda.view({-1, 1, 1}));
    mix(batch.targets, target_rows_, lambda.view({1, -1, 1}));
  }

  void visit_state(StateVisitor& visitor) override {
    visitor.randoms("mixup", before_epoch_);
    if (visitor.restoring()) generators_ = before_epoch_;
  }

 private:
  double alpha_;
  at::Device device_;
  std::vector<Random> generators_, before_epoch_;
  at::Tensor lambdas_, image_rows_, target_rows_;
  std::int64_t stride_ = 0;
};

}  // namespace

std::vector<std::unique_ptr<Ingredient>> make_ingredients(const Settings& settings,
                                                          std::span<const StackMember> members,
                                                          at::Device device) {
  std::vector<std::unique_ptr<Ingredient>> ingredients;
  if (settings.has("label_smoothing")) {
    ingredients.push_back(std::make_unique<LabelSmoothing>(settings.real("label_smoothing.alpha")));
  }
  if (settings.has("mixup")) {
    ingredients.push_back(std::make_unique<Mixup>(settings.real("mixup.alpha"), members, device));
  }
  return ingredients;
}

TaskBatches::TaskBatches(const PixelSource& images, std::span<const std::int32_t> labels,
                         std::int64_t n_classes, BatchOrder order,
                         std::vector<std::unique_ptr<Ingredient>> ingredients)
    : images_(images),
      labels_(labels),
      classes_(at::arange(n_classes, at::TensorOptions().dtype(at::kLong).device(images.device()))),
      order_(std::move(order)),
      ingredients_(std::move(ingredients)) {}

const EpochOrder& TaskBatches::begin_epoch() {
  epoch_ = order_.next_epoch();
  step_ = 0;
  const auto networks = static_cast<std::size_t>(epoch_.networks);
  std::vector<std::int64_t> labels(epoch_.rows.size());
  for (std::int64_t step = 0; step < epoch_.steps(); ++step) {
    const auto begin = static_cast<std::size_t>(epoch_.offset(step));
    const auto size = static_cast<std::size_t>(epoch_.batch_sizes[static_cast<std::size_t>(step)]);
    for (std::size_t k = 0; k < networks; ++k) {
      for (std::size_t b = 0; b < size; ++b) {
        const auto row = static_cast<std::size_t>(epoch_.rows[begin + k * size + b]);
        labels[begin + b * networks + k] = labels_[row];
      }
    }
  }
  rows_ = upload(epoch_.rows, at::kLong, images_.device());
  epoch_labels_ = upload(labels, at::kLong, images_.device());
  for (auto& ingredient : ingredients_) ingredient->begin_epoch(epoch_);
  return epoch_;
}

void TaskBatches::visit_state(StateVisitor& visitor) {
  std::vector<Random> generators = order_.before_epoch();
  visitor.randoms("order", generators);
  if (visitor.restoring()) order_.rewind_to(std::move(generators));
  for (auto& ingredient : ingredients_) ingredient->visit_state(visitor);
}

Batch& TaskBatches::buffers(std::int64_t batch_size) {
  for (auto& [size, batch] : buffers_) {
    if (size == batch_size) return batch;
  }
  const auto options = floats_on(images_.device());
  Batch batch;
  batch.inputs = at::empty({epoch_.networks, batch_size, images_.values_per_image()}, options);
  batch.targets = at::empty({batch_size, epoch_.networks, classes_.size(0)}, options);
  return buffers_.emplace_back(batch_size, std::move(batch)).second;
}

Batch& TaskBatches::next() {
  const std::int64_t size = epoch_.batch_sizes[static_cast<std::size_t>(step_)];
  const std::int64_t n = size * epoch_.networks, begin = epoch_.offset(step_);
  Batch& batch = buffers(size);
  images_.gather(rows_.narrow(0, begin, n), batch.inputs.view({n, -1}));
  one_hot(epoch_labels_.narrow(0, begin, n).view({size, epoch_.networks}), classes_, batch.targets);
  for (auto& ingredient : ingredients_) ingredient->transform(batch, step_);
  ++step_;
  return batch;
}

NoiseBatches::NoiseBatches(const Settings& settings, std::span<const StackMember> members,
                           std::int64_t n_inputs, std::int64_t n_classes, at::Device device)
    : uniform_pixels_(settings.text("noise_warmup.distribution") == "uniform"),
      random_labels_(settings.text("noise_warmup.labels") == "random"),
      std_(settings.real("noise_warmup.std")),
      n_classes_(n_classes) {
  const auto networks = static_cast<std::int64_t>(members.size());
  const std::int64_t size = settings.integer("noise_warmup.batch_size");
  const auto integers = at::TensorOptions().dtype(at::kLong).device(device);
  classes_ = at::arange(n_classes, integers);
  labels_ = at::zeros({networks, size}, integers);
  batch_.inputs = at::empty({networks, size, n_inputs}, floats_on(device));
  batch_.targets = at::full({size, networks, n_classes}, 1.0 / static_cast<double>(n_classes),
                            floats_on(device));
  for (const auto& member : members) {
    at::Generator generator = at::globalContext().defaultGenerator(device).clone();
    generator.set_current_seed(key_for(member, "noise"));
    generators_.push_back(std::move(generator));
  }
}

Batch& NoiseBatches::next() {
  const double half_width = std_ * std::sqrt(3.0);  // a uniform distribution with this deviation
  for (std::size_t k = 0; k < generators_.size(); ++k) {
    const auto network = static_cast<std::int64_t>(k);
    at::Tensor pixels = batch_.inputs[network];
    if (uniform_pixels_) {
      pixels.uniform_(-half_width, half_width, generators_[k]);
    } else {
      pixels.normal_(0.0, std_, generators_[k]);
    }
    if (random_labels_) labels_[network].random_(0, n_classes_, generators_[k]);
  }
  if (random_labels_) one_hot(labels_.t(), classes_, batch_.targets);
  return batch_;
}

void NoiseBatches::visit_state(StateVisitor& visitor) {
  for (std::size_t k = 0; k < generators_.size(); ++k) {
    visitor.generator("noise" + std::to_string(k), generators_[k]);
  }
}

}  // namespace calsweep::worker
