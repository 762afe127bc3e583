// The table of everything that can be set for a trial. docs/spec-reference.md is printed from it.
#include <algorithm>
#include <array>

#include "sweeps/settings.hpp"

namespace calsweep {
namespace {

using Type = SettingType;
using Choices = std::vector<std::string_view>;
constexpr double kInf = std::numeric_limits<double>::infinity();

SettingKey integer(std::string_view path, std::int64_t value, double minimum, std::string_view unit,
                   std::string_view meaning) {
  return {path, Type::Integer, value, minimum, 1e15, false, {}, unit, meaning, ""};
}
SettingKey real(std::string_view path, double value, double minimum, double maximum,
                std::string_view unit, std::string_view meaning, bool minimum_excluded = false) {
  return {path, Type::Real, value, minimum, maximum, minimum_excluded, {}, unit, meaning, ""};
}
SettingKey boolean(std::string_view path, bool value, std::string_view meaning) {
  return {path, Type::Boolean, value, -kInf, kInf, false, {}, "", meaning, ""};
}
SettingKey choice(std::string_view path, std::string value, Choices choices,
                  std::string_view meaning) {
  return {path,    Type::Text, std::move(value), -kInf, kInf, false, std::move(choices), "",
          meaning, ""};
}

std::vector<SettingKey> make_keys() {
  std::vector<SettingKey> keys = {
      choice("data.dataset", "fashion-mnist", {"fashion-mnist", "mnist", "cifar-10"},
             "Data set that is trained and tested on."),
      integer(
          "data.size", 0, 0, "images",
          "Training images; 0 = all that the validation split leaves. Sizes are nested: the first "
          "`size` images of one permutation."),
      choice("data.subset", "shared", {"shared", "per-seed"},
             "Which permutation subsets are taken from: one for all seeds (the paper's way: seeds "
             "vary "
             "initial weights and batch order only), or one per seed."),
      integer("data.subset_seed", 42, 0, "", "Key of the subset permutation."),
      integer(
          "data.validation_size", 0, 0, "images",
          "Held-out training images whose logits are logged; the last of the permutation, so they "
          "are the same for all sizes and never trained on."),
      integer("data.test_size", 0, 0, "images", "Test images used, from the first; 0 = all."),
      choice("data.normalization", "dataset", {"dataset", "none"},
             "`dataset`: pixels scaled to [0, 1], then the data set's channel mean and standard "
             "deviation "
             "(docs/data.md); `none`: pixels scaled to [0, 1] only."),
      SettingKey{
          "data.ood",
          Type::TextList,
          std::vector<std::string>{},
          -kInf,
          kInf,
          false,
          {},
          "",
          "Out-of-distribution test sets whose logits are logged. `NAME:raw` scales pixels to [0, "
          "1] "
          "instead of normalising them with the training set's constants (what the noise warm-up "
          "paper's code does for its Fig. 5); a `?` at the end leaves the set out when its files "
          "are "
          "not there.",
          ""},
      integer("data.ood_size", 0, 0, "images",
              "Images used of each OOD set, from the first; 0 = all."),

      choice("model.architecture", "mlp", {"mlp"}, "Network family."),
      integer("model.depth", 2, 1, "weight layers",
              "Number of weight layers: depth - 1 hidden layers and the output layer."),
      integer("model.width", 256, 1, "units", "Units of each hidden layer."),
      choice("model.activation", "relu", {"relu", "tanh", "gelu"}, "Activation of hidden layers."),
      choice("model.normalization", "batch-norm", {"batch-norm", "none"},
             "Normalisation of each hidden layer."),
      choice("model.normalization_position", "after-activation",
             {"after-activation", "before-activation"},
             "Where the normalisation stands (the paper: Linear, ReLU, BatchNorm)."),
      choice("model.initialization", "he-normal", {"he-normal", "xavier-normal", "torch-default"},
             "Initial weights. he-normal: N(0, 2 / fan_in), zero biases, output layer included; "
             "xavier-normal: N(0, 2 / (fan_in + fan_out)), zero biases; torch-default: uniform in "
             "+-1 / sqrt(fan_in), biases too."),

      choice("training.optimizer", "adam", {"adam", "sgd"},
             "Optimiser of the task training; weight decay is coupled (L2) for both."),
      real("training.learning_rate", 2e-5, 0.0, kInf, "", "Step size of the task training.", true),
      real("training.weight_decay", 1e-3, 0.0, kInf, "", "L2 coefficient added to the gradient."),
      real("training.momentum", 0.9, 0.0, 1.0, "", "Momentum of sgd; not used by adam."),
      real("training.adam_beta1", 0.9, 0.0, 1.0, "", "Adam's first decay rate."),
      real("training.adam_beta2", 0.999, 0.0, 1.0, "", "Adam's second decay rate."),
      real("training.adam_epsilon", 1e-8, 0.0, 1.0, "", "Adam's denominator offset.", true),
      choice("training.schedule", "constant", {"constant", "cosine"},
             "Learning rate over epochs: constant, or cosine to zero, stepped per epoch."),
      integer("training.epochs", 30, 1, "epochs", "Passes over the training images."),
      integer("training.batch_size", 128, 1, "images", "Images per step."),
      boolean("training.drop_last", false,
              "Drop an incomplete last batch instead of training on it."),

      integer(
          "logging.epoch_every", 1, 0, "epochs",
          "Test accuracy, NLL, mean confidence and ECE are recorded every so many epochs (and for "
          "epoch 0 and the last); 0 = for the last epoch only."),

      integer("noise_warmup.samples", 480000, 1, "images",
              "Noise images trained on before the task; whole batches only."),
      integer("noise_warmup.batch_size", 128, 1, "images", "Noise images per step."),
      choice("noise_warmup.distribution", "normal", {"normal", "uniform"},
             "Distribution of noise pixels, mean 0; uniform is matched by standard deviation."),
      real("noise_warmup.std", 1.0, 0.0, kInf, "", "Standard deviation of noise pixels.", true),
      choice("noise_warmup.labels", "random", {"random", "uniform"},
             "Targets: `random`: one class drawn uniformly per image; `uniform`: the soft target "
             "1/K."),
      choice("noise_warmup.optimizer", "adam", {"adam", "sgd"},
             "Optimiser of the warm-up; the task starts with a fresh one."),
      real("noise_warmup.learning_rate", 1e-4, 0.0, kInf, "", "Step size of the warm-up.", true),
      real("noise_warmup.weight_decay", 0.0, 0.0, kInf, "", "L2 coefficient of the warm-up."),
      real("noise_warmup.momentum", 0.9, 0.0, 1.0, "", "Momentum of sgd in the warm-up."),

      real("mixup.alpha", 0.2, 0.0, kInf, "",
           "lambda ~ Beta(alpha, alpha), drawn once per batch; inputs and targets are mixed with a "
           "permutation of the batch (Zhang et al. 2018).",
           true),

      real("label_smoothing.alpha", 0.1, 0.0, 1.0, "",
           "Targets become (1 - alpha) one-hot + alpha / K (Mueller et al. 2019; PyTorch's form)."),
  };
  for (auto& key : keys) {
    for (const auto ingredient : ingredient_names()) {
      if (key.path.starts_with(std::string(ingredient) + ".")) key.ingredient = ingredient;
    }
  }
  std::sort(keys.begin(), keys.end(), [](auto& a, auto& b) { return a.path < b.path; });
  return keys;
}

}  // namespace

std::span<const std::string_view> ingredient_names() {
  static constexpr std::array<std::string_view, 3> kNames = {"label_smoothing", "mixup",
                                                             "noise_warmup"};
  return kNames;
}

std::span<const std::string_view> section_names() {
  static constexpr std::array<std::string_view, 4> kNames = {"data", "logging", "model",
                                                             "training"};
  return kNames;
}

std::span<const SettingKey> setting_keys() {
  static const std::vector<SettingKey> keys = make_keys();
  return keys;
}

}  // namespace calsweep
