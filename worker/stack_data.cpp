#include "worker/stack_data.hpp"

#include <algorithm>

#include "sweeps/errors.hpp"
#include "worker/batch_order.hpp"

namespace calsweep::worker {
namespace {

Normalization normalization_of(const Settings& settings) {
  const auto& set = dataset_of(settings);
  if (settings.text("data.normalization") == "none") return {};
  return {set.mean, set.std};
}

/// "0 = all".
std::int64_t first_n(std::int64_t wanted, std::int64_t available, const std::string& key) {
  if (wanted <= available) return wanted == 0 ? available : wanted;
  throw FormatError(key + " = " + std::to_string(wanted) + ", but there are only " +
                    std::to_string(available) + " images");
}

}  // namespace

const DatasetDescription& dataset_of(const Settings& settings) {
  const auto* set = find_dataset(settings.text("data.dataset"));
  if (set == nullptr || !set->trainable()) {
    throw FormatError("there is no data set '" + settings.text("data.dataset") + "' to train on");
  }
  return *set;
}

ImageShape input_shape(const Settings& settings) {
  const auto& set = dataset_of(settings);
  return {set.channels, set.height, set.width};
}

const LoadedSplit& training_split(const Settings& settings, DataCache& data) {
  return data.load(dataset_of(settings), Split::Train, input_shape(settings),
                   normalization_of(settings));
}

const LoadedSplit& test_split(const Settings& settings, DataCache& data) {
  return data.load(dataset_of(settings), Split::Test, input_shape(settings),
                   normalization_of(settings));
}

const LoadedSplit& ood_split(const Settings& settings, const std::string& entry, DataCache& data) {
  const OodName name = parse_ood_name(entry);
  const auto* set = find_dataset(name.set);
  if (set == nullptr) throw FormatError("there is no OOD set '" + name.set + "'");
  const Normalization normalization = name.raw ? Normalization{} : normalization_of(settings);
  return data.load(*set, Split::Test, input_shape(settings), normalization);
}

std::int64_t test_count(const Settings& settings, const LoadedSplit& test) {
  return first_n(settings.integer("data.test_size"), test.images.count(), "data.test_size");
}

std::int64_t ood_count(const Settings& settings, const LoadedSplit& ood) {
  const std::int64_t wanted = settings.integer("data.ood_size"), available = ood.images.count();
  return wanted == 0 ? available : std::min(wanted, available);
}

std::vector<std::int32_t> test_labels(const Settings& settings, DataCache& data) {
  const LoadedSplit& test = test_split(settings, data);
  return {test.labels.begin(), test.labels.begin() + test_count(settings, test)};
}

std::vector<std::int32_t> validation_labels(const Settings& settings, DataCache& data) {
  if (settings.integer("data.validation_size") == 0) return {};
  const LoadedSplit& train = training_split(settings, data);
  std::vector<std::int32_t> labels;
  for (const auto row : validation_rows(settings, train.images.count())) {
    labels.push_back(train.labels[static_cast<std::size_t>(row)]);
  }
  return labels;
}

at::Tensor index_tensor(const std::vector<std::int64_t>& rows, at::Device device) {
  at::Tensor index =
      at::empty({static_cast<std::int64_t>(rows.size())}, at::TensorOptions().dtype(at::kLong));
  std::copy(rows.begin(), rows.end(), index.data_ptr<std::int64_t>());
  return index.to(device);
}

}  // namespace calsweep::worker
